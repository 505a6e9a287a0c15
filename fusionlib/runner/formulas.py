"""TeX formulas as SVG, for a page without MathJax and without a network.

matplotlib draws them; it knows the part of TeX that it calls mathtext.
"""

import html
import re
from functools import cache

_SIZE = 100  # units an em
# What our notebooks write and mathtext wants otherwise.
_SPELLINGS = (
    (r"\\(?:big|Big|bigg|Bigg)(?![a-zA-Z])", ""),
    (r"\\[lr]Vert(?![a-zA-Z])", r"\\Vert"),
    (r"\\le(?![a-zA-Z])", r"\\leq"),
    (r"\\mathcal\s*([A-Z])", r"\\mathcal{\1}"),
    (r"\\frac\s*([0-9A-Za-z])\s*([0-9A-Za-z])", r"\\frac{\1}{\2}"),
    (r"\\frac\s*([0-9A-Za-z])\s*\{", r"\\frac{\1}{"),
)


@cache
def formula(tex: str, display: bool = False) -> str | None:
    """The SVG element of a formula, as high as its letters.

    It has the colour of the text around it and stands on its line.

    Args:
        tex: without dollars.
        display: it has a line of its own, so fractions may be tall.

    Returns None where mathtext does not know a command: show the TeX then.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    tex = spelled = " ".join(tex.split())
    for pattern, spelling in _SPELLINGS:
        spelled = re.sub(pattern, spelling, spelled)
    if display:
        spelled = spelled.replace(r"\frac", r"\dfrac")
    font = FontProperties(math_fontfamily="stix")
    try:
        path = TextPath((0, 0), f"${spelled}$", size=_SIZE, prop=font)
    except ValueError:
        return None
    if not len(path.vertices):  # nothing but space
        return None
    left, below, right, above = path.get_extents().extents
    letters = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}  # matplotlib's codes
    drawn = []
    for points, code in path.iter_segments(simplify=False):
        # Upside down, as SVG counts; hundredths of an em are fine enough.
        pairs = zip(points[::2].round().astype(int), -points[1::2].round().astype(int))
        numbers = "" if code == 79 else " ".join(f"{x} {y}" for x, y in pairs)
        drawn.append(letters[code] + numbers)
    width, height = right - left + 4, above - below + 4
    return (
        f'<svg class="formula" role="img" aria-label="{html.escape(tex)}"'
        f' viewBox="{left - 2:.0f} {-above - 2:.0f} {width:.0f} {height:.0f}"'
        f' style="width:{width / _SIZE:.2f}em;height:{height / _SIZE:.2f}em;'
        f'vertical-align:{(below - 2) / _SIZE:.2f}em">'
        f'<path fill="currentColor" d="{"".join(drawn)}"/></svg>'
    )
