"""One file a layer: its instructions forward and back, on `blocks.Block`, each compiled when it is first used."""
