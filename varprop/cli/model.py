"""A model named on the command line, its inputs in a file, and the audit of it."""

import importlib
import sys
from pathlib import Path

from .. import files
from ..checks import one_line, quote
from .words import say

TEXT_AND_ARRAYS = (".npy", ".npz", ".csv", ".txt", ".tsv", ".dat")
FIGURES = (".svg", ".png", ".pdf")
_EXAMPLE = "package.module:factory, such as models:mlp of models.py in this folder"


def audit_model(factory: str, inputs: Path, plot: Path | None, report: Path | None, **options):
    """Return the audit of a model that ``factory`` names on the batch of a file; draw it, and report it, as asked."""
    check_figure(plot)
    if report is not None:
        from ..reports.written import checked_place

        checked_place(report)
    needs_pytorch()
    model, batch = read_factory(factory), read_batch(inputs)
    from ..pytorch import audit

    found = audit(model, batch, **options)
    if plot is not None:
        draw(found, plot)
    if report is not None:
        from .reported import audit_report

        audit_report(found, report)
    return found


def needs_pytorch() -> None:
    """Raise ValueError, with the line that installs it, where there is no PyTorch."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise ValueError("an audit needs PyTorch, which is not here: pip install 'varprop[pytorch]'.") from None


def read_factory(words: str):
    """Return what ``package.module:name`` names, importing it: from the current folder, or as installed.

    Raises ValueError for a name of another form, for a module that cannot be imported, whatever stops it, and for a
    name that it does not have.
    """
    module, colon, name = words.partition(":")
    if not (colon and module and name):
        raise ValueError(f"factory is {quote(words)}; give {_EXAMPLE}.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"no module {quote(error.name)}; give {_EXAMPLE}.") from None
    except Exception as error:  # whatever a module of someone else's runs into
        raise ValueError(f"{module} cannot be imported: {type(error).__name__}: {one_line(error)}.") from None
    for part in name.split("."):
        if not hasattr(found, part):
            known = [own for own in vars(found) if not own.startswith("_") and callable(getattr(found, own))]
            own = [word for word in known if getattr(getattr(found, word), "__module__", "") == module] or known
            some = f"{', '.join(own[:10])}{', ...' * (len(own) > 10)}" or "nothing to call"
            raise ValueError(f"{module} has no {quote(name)}; it has {some}.")
        found = getattr(found, part)
    return found


def read_batch(path: Path):
    """Return a model's inputs: an array of a .npy, .npz or text file, or what ``torch.save`` put into another.

    No pickles are loaded: of these only tensors, numbers, text, and lists, tuples and dicts of them.
    """
    if path.suffix.lower() in TEXT_AND_ARRAYS:
        return files.read_rows(path, say)
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}.") from None
    except Exception:  # of pickle and of zip files, in many words
        raise ValueError(
            f"{path} is no file of torch.save that holds tensors alone; other pickles are not loaded, since they run "
            "code. Save tensors with torch.save, or an array with numpy.save."
        ) from None


def check_figure(path: Path | None) -> None:
    """Raise ValueError for the name of a figure that nothing is drawn as."""
    if path is not None and path.suffix.lower() not in FIGURES:
        raise ValueError(f"--plot is {quote(str(path))}; give a name that ends in {', '.join(FIGURES)}.")


def draw(audit, path: Path) -> None:
    """Write the figure of an audit."""
    import matplotlib as mpl

    mpl.use("Agg")
    axes = audit.plot()
    axes.figure.savefig(path)
