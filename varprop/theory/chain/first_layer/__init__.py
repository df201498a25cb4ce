"""The first layer: its rows and its weight law are known, so is the whole law of its preactivations."""
