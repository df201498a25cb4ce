"""What a network is made of: one frozen description a file. They hold fields and words; they compute nothing."""

from .dense import Dense
from .dropout import Dropout
from .gate import Gate
from .layer import Layer, as_layers
from .layer_norm import LayerNorm
from .residual import Residual
from .rms_norm import RMSNorm

LAYERS = {kind.__name__: kind for kind in (Dense, Residual, LayerNorm, RMSNorm, Dropout, Gate)}

__all__ = ["LAYERS", "Dense", "Dropout", "Gate", "Layer", "LayerNorm", "RMSNorm", "Residual", "as_layers"]
