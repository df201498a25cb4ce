"""Your own model: PyTorch networks audited and imported. torch is loaded when something here is used."""
