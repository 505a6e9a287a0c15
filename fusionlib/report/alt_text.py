"""What a figure shows, in words: for readers who do not see it."""

import base64
import io
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

LONGEST = 600  # characters: a screen reader reads all of it aloud


def alt_text(figure: Figure) -> str:
    """A figure's words: caption, then titles, axes and legends of its panels.

    Panels without a word are left out, and what is said twice is said once.
    """
    words = [figure.get_suptitle(), figure.get_supxlabel()]
    words += [_panel(axis) for axis in figure.axes]
    words += [_entries(legend) for legend in figure.legends]
    told = dict.fromkeys(" ".join(word.split()) for word in words if word)
    return textwrap.shorten("; ".join(told) or "Figure", LONGEST, placeholder=" ...")


def mimebundle(figure: Figure) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The figure as Jupyter takes it: a PNG, with the words beside it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    words = alt_text(figure)
    picture = base64.b64encode(file.getvalue()).decode()
    return {"image/png": picture, "text/plain": words}, {"image/png": {"alt": words}}


def _panel(axis: Axes) -> str:
    """ "title: y against x (lines A, B)", as far as there is such a word."""
    axes = " against ".join(word for word in (axis.get_ylabel(), axis.get_xlabel()) if word)
    words = ": ".join(word for word in (axis.get_title(), axes) if word)
    legend = axis.get_legend()
    entries = _entries(legend) if legend else ""
    return f"{words} ({entries})" if words and entries else words or entries


def _entries(legend) -> str:
    return ", ".join(text.get_text() for text in legend.get_texts())
