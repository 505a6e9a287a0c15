"""One look for all figures: colours by paradigm, sizes, and saving."""

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from fusionlib.files import write_whole
from fusionlib.report.alt_text import alt_text, mimebundle

_COLOURS = sns.color_palette("colorblind")
# How figures call the baselines of Beyond Strict Pairing.
MODEL_TITLES = {"bsp-cnn": "CNN", "bsp-transformer": "Transformer", "bsp-gan": "GAN"}
# The same colour for the same paradigm, and for the same baseline, in every figure.
PARADIGM_COLOURS = {"SPTP": _COLOURS[0], "UPTP": _COLOURS[1], "APTP": _COLOURS[2]}
MODEL_COLOURS = dict(zip(MODEL_TITLES, (_COLOURS[k] for k in (3, 4, 9)), strict=True))
DPI, COLOUR_DPI = 150, 110  # of files; images in colour weigh three times what grey ones do


def set_style() -> None:
    """Apply the look to what is drawn from now on."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.85)
    plt.rcParams.update({"figure.dpi": 110, "savefig.dpi": DPI, "savefig.bbox": "tight"})


def set_caption(figure: Figure, text: str) -> None:
    """Write what a reader must know below a figure, in lines no longer than it is wide."""
    figure.supxlabel(wrapped(text, figure.get_figwidth()), fontsize="small")


def wrapped(text: str, inches: float) -> str:
    """A text in lines of so many inches, of figures' small letters."""
    letters = max(20, int(13 * inches))
    return "\n".join(textwrap.fill(line, letters) for line in text.splitlines())


def save_figure(figure: Figure, path: Path | None, dpi: float = DPI) -> Figure:
    """Write the figure, and return it for the notebook to show.

    Its words go into the file, as its description, and to Jupyter. No path
    writes nothing: for pictures that may not be passed on.

    path: a .png, where charts get a palette of 256 colours and weigh half,
        or a .webp, where photographs weigh a tenth.
    dpi: dots an inch of the file.
    """
    if path is not None:
        words = alt_text(figure)
        if path.suffix == ".webp":
            exif = Image.Exif()
            exif[ExifTags.Base.ImageDescription] = words
            look = {"format": "webp", "pil_kwargs": {"quality": 90, "exif": exif}}
        else:
            look = {"format": "png", "metadata": {"Description": words}}
        # Not of images: 256 colours would take some of their grey levels.
        few = path.suffix == ".png" and not any(axes.images for axes in figure.axes)

        def write(beside: Path) -> None:
            figure.savefig(beside, dpi=dpi, **look)
            if few:
                _give_palette(beside, words)

        write_whole(path, write)
    # Of this figure alone: others are shown as matplotlib shows them.
    figure._repr_mimebundle_ = lambda include=None, exclude=None: mimebundle(figure)
    plt.close(figure)
    return figure


def _give_palette(file: Path, words: str) -> None:
    with Image.open(file) as picture:
        dots = picture.info["dpi"]
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    info = PngInfo()
    info.add_text("Description", words)
    few.save(file, "png", optimize=True, pnginfo=info, dpi=dots)
