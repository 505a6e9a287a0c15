"""The network that fuses files: by name, by run, from a file, or one at hand."""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models import MODELS, load_trained, load_weights, trained_names

if TYPE_CHECKING:
    from fusionlib.training import Run

DEFAULT = "bsp-cnn"
SHORTEST_KEY = 4  # digits of a run's key


def choose_model(
    model: "str | nn.Module | Run" = DEFAULT, weights: str | Path | None = None
) -> tuple[nn.Module, str]:
    """A network that takes grey images, and what to call it.

    Args:
        model: a name of the package's own trained weights, the key of a run
            (its first digits, 4 or more, do), a run, or a network that takes
            grey images; its own errors come as they are.
        weights: a file that `load_weights` takes, in the place of a model.

    Raises FusionError for an unknown name or key, a key that fits several
    runs, a run that was not finished or that is a segmenter, a file that
    `load_weights` refuses, both a model and weights, and a run or a file whose
    network takes colour.
    """
    if weights is not None:
        if model != DEFAULT:
            raise FusionError("model and weights both choose a network: give one of the two.")
        return _takes_grey(load_weights(weights), Path(weights).name)
    if isinstance(model, nn.Module):
        return model, type(model).__name__
    if isinstance(model, str):
        if model in trained_names() or model in MODELS:
            return _takes_grey(load_trained(model), model)
        model = _find_run(model)
    if not hasattr(model, "finished"):
        raise FusionError(
            f"model is a name, a run or a network, not {model!r}: a file is named by weights."
        )
    return _takes_grey(_finished(model).model(), model.key)


def _find_run(key: str) -> "Run":
    from fusionlib.training import runs

    found = []
    if re.fullmatch(f"[0-9a-f]{{{SHORTEST_KEY},}}", key):
        found = [run for run in runs() if run.key.startswith(key)]
    if len(found) > 1:
        keys = ", ".join(run.key for run in found)
        raise FusionError(f"The key {key} fits {len(found)} runs ({keys}): give more digits.")
    if found:
        return found[0]
    if Path(key).suffix:
        raise FusionError(f"There is no model {key!r}: a file is named by weights (--weights).")
    raise FusionError(
        f"There is no model {key!r}: name trained weights ({', '.join(trained_names()) or 'none'}) "
        f"or a run by {SHORTEST_KEY} digits of its key or more (`fusionlib runs list` shows them)."
    )


def _finished(run: "Run") -> "Run":
    if run.spec.kind != "fusion":
        raise FusionError(f"Run {run.key} is a segmenter, which fuses nothing: name another run.")
    if not run.finished:
        last = max(run.steps, default=0)
        instead = f", or take its last snapshot, weights={run.weights_file(last)}" if last else ""
        raise FusionError(
            f"Run {run.key} was never finished, it is at step {last:,} of "
            f"{run.spec.total_steps:,}: train it to its end{instead}."
        )
    return run


def _takes_grey(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    trial = torch.zeros(1, 1, 8, 8)
    try:
        with torch.inference_mode():
            model.eval()(trial, trial)
    except RuntimeError:
        raise FusionError(
            f"The network of {name} takes colour images, but pairs are fused as grey ones: take "
            "one that was trained with channels=1."
        ) from None
    return model, name


def fingerprint(model: nn.Module) -> str:
    """16 hex digits of a network's layers and weights, wherever it was loaded from.

    Of a class of your own its code is not part of them, only what `repr` shows.
    """
    digest = hashlib.sha256(repr(model).encode())
    for name, value in model.state_dict().items():
        if torch.is_tensor(value):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
