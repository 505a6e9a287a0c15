"""The package's own trained weights, each with its model card.

They lie beside this file, as NAME.safetensors and NAME.md, and are made by
`python -m fusionlib.report.model_card`.
"""

import json
from pathlib import Path

from safetensors import safe_open
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models.weights import load_weights

FOLDER = Path(__file__).parent


def trained_names() -> tuple[str, ...]:
    """The names that `load_trained` takes."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.safetensors")))


def load_trained(name: str = "bsp-cnn") -> nn.Module:
    """A network that fusionlib trained, in eval mode, on the CPU.

    Its `card` says on what, for how long, and which scores to expect. No
    network connection is needed.

    Raises FusionError for a name that is not in `trained_names()`.
    """
    return load_weights(_file(name), origin(name)["model"])


def origin(name: str = "bsp-cnn") -> dict:
    """Where trained weights come from: what is written in their file.

    Returns "model" (the architecture), "key" (of the run), "commit" (None
    where it is not known), and "spec" as plain values: `Spec.from_dict` makes
    the specification of it.

    Raises FusionError as `load_trained` does.
    """
    with safe_open(_file(name), "pt") as file:
        return json.loads(file.metadata()["fusionlib"])


def card(name: str = "bsp-cnn") -> str:
    """The model card of trained weights, in Markdown.

    Raises FusionError as `load_trained` does.
    """
    return _file(name).with_suffix(".md").read_text(encoding="utf-8")


def _file(name: str) -> Path:
    if name not in trained_names():
        raise FusionError(
            f"The package holds no trained weights {name!r}; it holds"
            f" {', '.join(trained_names()) or 'none'}."
        )
    return FOLDER / f"{name}.safetensors"
