"""The gradient at any width, exactly, through residual blocks of linear, ReLU and leaky ReLU layers.

Flip the sign of a row of a Dense and of its bias, and of the column above it: the law of the network stays, and the
unit's slope changes to the other one. So each slope is a fair coin apart from the sizes of all weights and from the
signal, a block's Jacobian has one law whatever passes, and the gradient goes back as a signal goes forward: through the
transposed weights, with slopes drawn at random (Hanin and Nica for chains; for blocks the skip path changes nothing).
It is independent of the signal below, so that E |dW|^2 is a product.
"""

import numpy as np

from ...activations import Activation
from ...graph import Level, is_identity
from ...layers import Dense, Dropout, Residual
from ..scaled import Scaled
from . import laws
from .forward import Walk
from .laws import Base, Law, NotExactError
from .profiles import mean, profile, sized, spread


class Back:
    """The law of every place's gradient, in ``places`` by name: units, `Base`, and factors of its s and s^2.

    A gradient inside a branch is alpha times that of the block's sum, and in stochastic depth 0 where it is dropped.
    """

    def __init__(self, network, walk: Walk, given: np.ndarray | None):
        if walk.silent is not None:
            raise NotExactError(f"no layer of zeros below {walk.silent}, as a bias or a leaky slope sees to")
        count, width = network.position_count, network.nodes[network.output].width
        self.places: dict[str, tuple[int, Base, tuple[float, float]]] = {}
        self.fan_in: dict[str, int] = {}
        if given is None:
            top, start = Base.normal(width, count), Law.start(width, count)
        else:
            square = Scaled.of((given**2).sum(axis=1))
            top = Base(square, square.times(square), Scaled.of((given**4).sum(axis=1)))
            start = Law.start(width, count)
        numbered = all(isinstance(layer, (Dense, Activation)) for layer in network.sequence)
        layers = list(network.sequence)
        if isinstance(layers[-1], Activation):
            layers.pop()  # a loss is a function of what is below
        self.last = self._sequence(
            layers, network.width, start, top, Level(numbered=numbered), (1.0, 1.0), outermost=True
        )

    def _sequence(self, layers, width: int, law: Law, base: Base, level: Level, factors, *, outermost=False):
        """Return the gradient below the layers, which read ``width`` units."""
        named, units = [], width
        for layer in layers:
            if not is_identity(layer):
                words = [layer.word] if not isinstance(layer, Activation) else [layer.name]
                named.append((layer, level.name(words[0]), units))
                units = units if isinstance(layer, Activation) else _width(layer, units)
        for layer, path, fan_in in reversed(named):
            if outermost and isinstance(layer, Dense | Residual):
                base, law = law.base(base), Law.start(law.units, law.s.shape[1])
            if isinstance(layer, Activation):
                if layer.slopes is None:
                    raise NotExactError(f"linear, relu or leaky_relu, but {path} is none")
                law = laws.coins(law, layer.slopes)
            elif isinstance(layer, Dropout):
                law = laws.masked(law, 1 - layer.p)
            elif isinstance(layer, Dense):
                self.places[path], self.fan_in[path] = (law.units, law.base(base), factors), fan_in
                law = laws.dense(law, fan_in, layer.between(fan_in, path).weight_variance(fan_in), 0.0)
            elif isinstance(layer, Residual):
                law = self._residual(layer, path, fan_in, law, base, level, factors)
            else:
                raise NotExactError(f"Dense, Residual, Dropout and activations alone, but {path} is none of them")
        return law.base(base) if outermost else law

    def _residual(self, layer: Residual, path: str, width: int, law: Law, base: Base, level: Level, factors) -> Law:
        own = law.base(base)
        start = Law.start(law.units, law.s.shape[1])
        self.places[path] = law.units, own, factors
        kept = 1 - layer.drop
        inner = factors[0] * layer.scale**2 / kept, factors[1] * layer.scale**4 / kept**3
        branch = self._sequence(layer.branch, width, start, own, level.within(path), inner)
        if layer.shortcut is not None:
            down = factors[0] * layer.skip**2, factors[1] * layer.skip**4
            start = self._sequence([layer.shortcut], width, start, own, level.fixed(f"{path} / shortcut"), down)
        return laws.through(law, laws.total(start, branch, layer.skip, layer.scale, layer.drop, path))


def _width(layer, units: int) -> int:
    """Return how many units a layer gives."""
    if isinstance(layer, Residual):
        for part in layer.branch:
            units = units if isinstance(part, Activation) else _width(part, units)
        return units
    return layer.output_width(units, "")


def backward_profiles(network, walk: Walk, back: Back) -> dict:
    """Return gradient_variance, weight_gradient_variance, fluctuation and input_gradient_variance."""
    count = network.position_count
    found: dict[str, list] = {name: [] for name in ("gradient_variance", "weight_gradient_variance", "fluctuation")}
    silent = np.zeros(count)
    for name, entry in walk.places.items():
        error = entry.error.reshape(-1, count).max(axis=0) * 4
        units, base, factors = back.places.get(name, (entry.units, Base(*[Scaled.of(silent)] * 3), (1.0, 1.0)))
        size = base.s.times(factors[0])
        found["gradient_variance"].append(sized(size.times(1 / units), error))
        if factors[0] == 0:  # behind a factor of 0 nothing comes back
            base, factors = Base(*[Scaled.of(silent)] * 3), (1.0, 1.0)
        value = spread(Base(base.s, base.s2.times(factors[1] / factors[0] ** 2), None), base.s, error, count)
        found["fluctuation"].append(value)
        weight = np.full(count, np.nan), np.zeros(count)
        if entry.below is not None and name in back.fan_in:
            product = size.times(mean(entry.below, count))
            whole = Scaled.of(product.mantissa * count, product.exponent).mean()
            values = float(whole.values()) / (units * back.fan_in[name])
            weight = np.full(count, values), np.full(count, values * error.max())
        found["weight_gradient_variance"].append(weight)
    profiles = {name: profile(rows, walk) for name, rows in found.items()}
    at_input = sized(back.last.s.times(1 / network.width), np.full(count, 1e-13))
    profiles["input_gradient_variance"] = profile([at_input], walk, ("input",))
    return profiles
