"""README's screenshots, taken in JupyterLab: `python -m tests.browser.screens`.

They show MSRS where FUSIONLIB_DATA has it, rendered scenes elsewhere, and are
written to results/screens/, small enough for a page.
"""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Page, TimeoutError

from fusionlib.doctor import chromium
from tests.browser.lab import browser, lab, run_all_cells

FOLDER = Path(__file__).parents[2] / "results" / "screens"
WIDTH = 1100  # pixels

EXPLORER = """
from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.models import load_trained
try:
    test = {"MSRS": open_pairs("MSRS", "test", names=["00004N", "00878N"])}
except Exception:
    test = {"scenes": open_pairs("scenes", "test", names=["0001N", "0000D"])}
networks = {"CNN": load_trained("bsp-cnn"), "Transformer": load_trained("bsp-transformer")}
explorer = report.explore(test, networks)
"""

MONITOR = """
from fusionlib import experiments, report
from fusionlib.data import open_pairs
spec = experiments.bsp.first_steps("smoke", "unpaired", None, 400, 7)
test = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(120, 160))
monitor = report.monitor(spec, test, None)
"""


def explorer(page: Page) -> None:
    """The curtain at a third."""
    page.locator(".fusionlib-explorer[data-left][data-right]").wait_for()
    area = page.locator(".fusionlib-scene").bounding_box()
    middle = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + area["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.4 * area["width"], middle, steps=4)
    page.mouse.up()


def monitor(page: Page) -> None:
    """Half of a training."""
    page.locator("button.jupyter-button", has_text="Start").click()
    page.locator("img[alt*='SSIM of step 200']").wait_for()


STATES = {"explorer": (EXPLORER, explorer), "monitor": (MONITOR, monitor)}


def take(names: list[str]) -> None:
    """Write the screenshots of these names; all without a name."""
    executable = chromium()
    for name in names or STATES:
        code, play = STATES[name]
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            os.environ["FUSIONLIB_STORE"] = str(folder / "store")
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code.strip())])
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
            nbformat.write(notebook, folder / f"{name}.ipynb")
            with lab(folder) as address, browser(executable) as (page, _):
                page.goto(address.format(f"{name}.ipynb"))
                run_all_cells(page)
                play(page)
                with suppress(TimeoutError):  # JupyterLab asks whether it may bring news
                    page.get_by_role("button", name="No", exact=True).click(timeout=5000)
                page.wait_for_timeout(1500)  # until what follows is drawn
                output = page.locator(".jp-Cell-outputArea").first
                FOLDER.mkdir(parents=True, exist_ok=True)
                file = FOLDER / f"{name}.png"
                output.screenshot(path=file)
        with Image.open(file) as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(256).save(file, optimize=True)
        print(file, f"{file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    take(sys.argv[1:])
