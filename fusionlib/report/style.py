"""One look for all figures: colours by paradigm, sizes, and saving."""

import json
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from IPython.display import Image
from matplotlib.figure import Figure

from fusionlib.errors import FusionError
from fusionlib.files import write_whole

_COLOURS = sns.color_palette("colorblind")
# How figures call the baselines of Beyond Strict Pairing.
MODEL_TITLES = {"bsp-cnn": "CNN", "bsp-transformer": "Transformer", "bsp-gan": "GAN"}
# The same colour for the same paradigm, and for the same baseline, in every figure.
PARADIGM_COLOURS = {"SPTP": _COLOURS[0], "UPTP": _COLOURS[1], "APTP": _COLOURS[2]}
MODEL_COLOURS = dict(zip(MODEL_TITLES, (_COLOURS[k] for k in (3, 4, 9)), strict=True))


def set_style() -> None:
    """Apply the look to what is drawn from now on."""
    sns.set_theme(context="notebook", style="ticks", font_scale=0.85)
    plt.rcParams.update({"figure.dpi": 110, "savefig.dpi": 150, "savefig.bbox": "tight"})


def save_figure(figure: Figure, path: Path | None) -> Figure:
    """Write the figure as a PNG, and return it for the notebook to show.

    No path writes nothing: for pictures that may not be passed on.
    """
    if path is not None:
        write_whole(path, lambda beside: figure.savefig(beside, format="png"))
    plt.close(figure)
    return figure


def stand_in(path: Path, missing: str, keys: Iterable[str] = ()) -> Image:
    """The picture that was made where the runs are, for a machine that lacks them.

    Args:
        path: the picture; it is written once more, since it is also the
            result of this machine.
        missing: what is not trained here.
        keys: of the runs that it shows: the record beside it must name them.

    Raises FusionError where there is no such picture.
    """
    record = path.with_name("record.json")
    told = json.loads(record.read_text("utf-8"))["runs"] if record.is_file() else []
    if not path.is_file() or not set(keys) <= {run["key"] for run in told}:
        raise FusionError(f"{missing} is not trained, and there is no {path.name} to show.")
    made = path.read_bytes()
    write_whole(path, lambda beside: beside.write_bytes(made))
    return Image(data=made)
