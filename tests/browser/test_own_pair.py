"""README's way to one's own pair, taken to the letter: its lines, two folders, a curtain."""

import re
from pathlib import Path

import pytest

from fusionlib.data import open_pairs
from tests.browser.lab import drag, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = Path(__file__).parents[2] / "README.md"


def lines_of_readme():
    """The block of README that explores."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    (block,) = (block for block in blocks if "report.explore" in block)
    return block.strip()


def test_ones_own_pair_lies_under_the_curtain(tmp_path):
    pairs = open_pairs("scenes", "test", names=["0003N"], size=(120, 160))
    for folder, made in zip(("infrared", "visible"), pairs.write(tmp_path / "made"), strict=True):
        Path(made).rename(tmp_path / folder)
    with opened(tmp_path, lines_of_readme()) as page:
        page.locator(".fusionlib-explorer[data-left][data-right]").wait_for()
        image = page.locator("img.fusionlib-left")
        assert image.get_attribute("alt") == "infrared of mine 0003N"
        drag(page, (0.5, 0.5), (0.25, 0.5))
        assert page.locator(".fusionlib-handle").get_attribute("aria-valuenow") == "25"
        assert page.errors == []
