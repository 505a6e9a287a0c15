"""README's way to one's own pair, taken to the letter: its lines, two folders, a curtain."""

import re
from pathlib import Path

import nbformat
import pytest

from fusionlib.data import open_pairs
from fusionlib.doctor import chromium
from tests.browser.lab import browser, lab, run_all_cells

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = Path(__file__).parents[2] / "README.md"


def lines_of_readme():
    """The block of README that explores."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    (block,) = (block for block in blocks if "report.explore" in block)
    return block.strip()


def test_ones_own_pair_lies_under_the_curtain(tmp_path):
    executable = chromium()
    if executable is None:
        pytest.skip("there is no Chromium: install it, or name it in CHROMIUM")
    pairs = open_pairs("scenes", "test", names=["0003N"], size=(120, 160))
    for folder, made in zip(("infrared", "visible"), pairs.write(tmp_path / "made"), strict=True):
        Path(made).rename(tmp_path / folder)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(lines_of_readme())])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    with lab(tmp_path) as address, browser(executable) as (page, errors):
        page.goto(address.format("mine.ipynb"))
        run_all_cells(page)
        page.locator(".fusionlib-explorer[data-left][data-right]").wait_for()
        image = page.locator("img.fusionlib-left")
        assert image.get_attribute("alt") == "infrared of mine 0003N"
        area = page.locator(".fusionlib-scene").bounding_box()
        middle = area["y"] + area["height"] / 2
        page.mouse.move(area["x"] + area["width"] / 2, middle)
        page.mouse.down()
        page.mouse.move(area["x"] + 0.25 * area["width"], middle, steps=4)
        page.mouse.up()
        handle = page.locator(".fusionlib-handle")
        assert handle.get_attribute("aria-valuenow") == "25"
        assert errors == []
