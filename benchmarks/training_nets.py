"""Deep fully connected PyTorch networks, trained on scikit-learn's digits: one alone, or many at once.

`sequential` is one network, an ordinary nn.Sequential. `Ensemble` holds many in one stack of matrices, each with a
multiplier, a learning rate and a seed of its own, and trains each as if it were alone (tests/test_pytorch_training.py).
A seed draws standard normal numbers, which rule and multiplier scale, and the order of the batches: networks of one
seed differ in multiplier and learning rate alone.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

ACTIVATIONS = {"relu": (nn.ReLU, torch.relu, 2.0), "tanh": (nn.Tanh, torch.tanh, 1.0)}  # and n Var(w): He's, LeCun's
MOMENTUM, ADAM = 0.9, (0.9, 0.999, 1e-8)
CLASSES, HELD_BACK = 10, 450


def digits() -> dict:
    """Return {"training": (x, y), "validation": (x, y)}, one fixed split, standardised by what is trained on."""
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import StandardScaler

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    held_back, trained = order[:HELD_BACK], order[HELD_BACK:]
    scaler = StandardScaler().fit(data.data[trained])
    return {
        name: (torch.tensor(scaler.transform(data.data[rows]), dtype=torch.float32), torch.tensor(data.target[rows]))
        for name, rows in (("training", trained), ("validation", held_back))
    }


def widths(width: int, depth: int) -> list[int]:
    """Return the widths of a network of the digits with ``depth`` hidden layers."""
    return [64, *[width] * depth, CLASSES]


def draws(sizes: list[int], seed: int) -> list[torch.Tensor]:
    """Return standard normal numbers for every weight, matrices of (outputs, inputs) as in nn.Linear."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, m, generator=generator) for m, n in pairwise(sizes)]


def batches(samples: int, size: int, steps: int, seed: int) -> torch.Tensor:
    """Return the rows of each batch, shape (steps, size): every sample once an epoch, the incomplete batch left out."""
    generator = torch.Generator().manual_seed(seed)
    epochs = -(-steps // (samples // size))
    orders = [torch.randperm(samples, generator=generator)[: samples // size * size] for _ in range(epochs)]
    return torch.cat(orders).view(-1, size)[:steps]


def sequential(activation: str, sizes: list[int], multiplier: float, seed: int) -> nn.Sequential:
    """Return one network as a user writes it, its biases 0 at the start."""
    module, _, gain = ACTIVATIONS[activation]
    layers = []
    for normal in draws(sizes, seed):
        linear = nn.Linear(*reversed(normal.shape))
        with torch.no_grad():
            linear.weight.copy_(normal * (multiplier * gain / linear.in_features) ** 0.5)
            linear.bias.zero_()
        layers += [linear, module()]
    return nn.Sequential(*layers[:-1])


def optimiser(name: str, parameters, rate: float) -> torch.optim.Optimizer:
    """Return the optimiser of a network that is trained alone."""
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=MOMENTUM)
    return torch.optim.Adam(parameters, lr=rate, betas=ADAM[:2], eps=ADAM[2])


class Ensemble:
    """Networks of one shape, one a row of ``multipliers``, ``rates`` and ``seeds``."""

    def __init__(self, activation, sizes, multipliers, rates, seeds, optimiser, device="cpu"):
        self.phi, gain = ACTIVATIONS[activation][1:]
        self.seeds = list(dict.fromkeys(seeds))
        self.seed_of = torch.tensor([self.seeds.index(seed) for seed in seeds], device=device)
        self.optimiser, self.device, self.taken = optimiser, device, 0
        self.rates = torch.as_tensor(rates, dtype=torch.float32, device=device)
        roots = torch.as_tensor(multipliers, dtype=torch.float32, device=device).mul(gain).sqrt()
        normal = [torch.stack(ws).mT.to(device) for ws in zip(*(draws(sizes, s) for s in self.seeds), strict=True)]
        weights = [w[self.seed_of] * (roots / w.shape[1] ** 0.5)[:, None, None] for w in normal]
        biases = [w.new_zeros(len(w), 1, w.shape[2]) for w in weights]
        self.parameters = [  # hidden layers in one tensor: few and large operations
            p.requires_grad_() for ps in (weights, biases) for p in (ps[0], torch.stack(ps[1:-1]), ps[-1])
        ]
        self.moments = [[torch.zeros_like(p) for p in self.parameters] for _ in range(1 if optimiser == "sgd" else 2)]

    def keep(self, chosen: torch.Tensor) -> None:
        """Go on with some of the networks alone: indices."""
        self.seed_of, self.rates = self.seed_of[chosen], self.rates[chosen]
        for tensors in (self.parameters, *self.moments):
            tensors[:] = [t.detach().index_select(t.ndim - 3, chosen) for t in tensors]
        self.parameters = [p.requires_grad_() for p in self.parameters]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each network says of its own inputs, shape (networks, samples, 10)."""
        w_first, w_hidden, w_last, b_first, b_hidden, b_last = self.parameters
        z = torch.baddbmm(b_first, x, w_first)
        for w, b in zip(w_hidden.unbind(), b_hidden.unbind(), strict=True):
            z = torch.baddbmm(b, self.phi(z), w)
        return torch.baddbmm(b_last, self.phi(z), w_last)

    def losses(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each network's mean cross-entropy and share of correct answers."""
        logits = self.logits(x)
        chosen = y[..., None].expand(*logits.shape[:2], 1)
        loss = (logits.logsumexp(-1) - logits.gather(-1, chosen)[..., 0]).mean(-1)
        return loss, (logits.argmax(-1) == chosen[..., 0]).float().mean(-1)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Take one step of the optimiser on a batch of each seed, shapes (seeds, samples, 64) and (seeds, samples)."""
        loss, _ = self.losses(x[self.seed_of], y[self.seed_of])
        gradients = torch.autograd.grad(loss.sum(), self.parameters)
        self.taken += 1
        with torch.no_grad():
            for i, (p, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
                rate = self.rates[:, None, None]
                if self.optimiser == "sgd":
                    p.sub_(rate * self.moments[0][i].mul_(MOMENTUM).add_(gradient))
                else:
                    first, second, eps = ADAM
                    m = self.moments[0][i].lerp_(gradient, 1 - first)
                    v = self.moments[1][i].mul_(second).addcmul_(gradient, gradient, value=1 - second)
                    root = (v.sqrt() / (1 - second**self.taken) ** 0.5).add_(eps)
                    p.sub_(rate / (1 - first**self.taken) * m / root)

    @torch.no_grad()
    def evaluate(self, x: torch.Tensor, y: torch.Tensor, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """Return each network's loss and accuracy on the same data."""
        parts = []
        for rows in torch.arange(len(x), device=x.device).split(size):
            loss, right = self.losses(x[rows].expand(len(self.rates), -1, -1), y[rows].expand(len(self.rates), -1))
            parts.append(torch.stack([loss, right]) * (len(rows) / len(x)))
        return tuple(torch.stack(parts).sum(0).cpu().numpy().astype(float))


def train(ensemble: Ensemble, data: dict, size: int, at: list[int]) -> dict:
    """Train, and return losses and accuracies after the steps ``at``, arrays of (len(at), networks), by name.

    A network whose loss is not a number is left: it stays so.
    """
    data = {name: tuple(part.to(ensemble.device) for part in parts) for name, parts in data.items()}
    x, y = data["training"]
    rows = torch.stack([batches(len(x), size, at[-1], seed) for seed in ensemble.seeds], 1).to(ensemble.device)
    left = np.arange(len(ensemble.rates))
    found = {f"{name}_{what}": np.full((len(at), len(left)), np.nan) for name in data for what in ("loss", "accuracy")}
    for step, chosen in enumerate(rows, 1):
        ensemble.step(x[chosen], y[chosen])
        if step not in at:
            continue
        for name, parts in data.items():
            for what, values in zip(("loss", "accuracy"), ensemble.evaluate(*parts), strict=True):
                found[f"{name}_{what}"][at.index(step), left] = values
        alive = np.flatnonzero(np.isfinite(found["training_loss"][at.index(step), left]))
        if len(alive) < 0.8 * len(left):
            left = left[alive]
            if not len(left):
                break
            ensemble.keep(torch.tensor(alive, device=ensemble.device))
    return found
