"""README's screenshots, taken in JupyterLab: `python -m tests.browser.screens`.

They show MSRS where FUSIONLIB_DATA has it, rendered scenes elsewhere, and are
written to results/screens/, small enough for a page.
"""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, TimeoutError

from tests.browser.lab import drag, opened

FOLDER = Path(__file__).parents[2] / "results" / "screens"
WIDTH = 1100  # pixels

EXPLORER = """
from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.models import load_trained
try:
    test = {"MSRS": open_pairs("MSRS", "test", names=["00004N", "00878N"])}
except FusionError:
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

PAIRING = """
from fusionlib import experiments
from fusionlib.data import open_pairs
from fusionlib.data.base import Base, load_base, patch_source
from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.report import pairing_board, pairing_figure, pairing_play, pairing_pull
sizes = experiments.profile("quick")
try:
    scenes = open_pairs(sizes.train, "train", names=sizes.base)
except FusionError:
    scenes = open_pairs("scenes", "train")
whole = load_base(*(patch_source(scenes, kind, 96, 96) for kind in ("ir", "vi")))
telling = pairing_figure.telling_patches(whole, 6)
met = pairing_pull.meetings(Base(whole.ir[telling], whole.vi[telling]), BSPLoss())
pairing = pairing_board.Pairing(met, [(0, 0), (1, 1), (2, 4), (4, 2), (5, 0)], scenes.dataset)
pairing_play.play(pairing, None)
"""


def explorer(page: Page) -> None:
    """The curtain left of the middle."""
    page.locator(".fusionlib-explorer[data-left][data-right]").wait_for()
    drag(page, (0.5, 0.5), (0.4, 0.5))


def monitor(page: Page) -> None:
    """Half of a training."""
    page.locator("button.jupyter-button", has_text="Start").click()
    page.locator("img[alt*='SSIM of step 200']").wait_for()


def pairing(page: Page) -> None:
    """A meeting of two patches that show different scenes, just clicked."""
    page.locator(".fusionlib-meeting[aria-label^='infrared 3 '][aria-label$='1']").click()


STATES = {
    "explorer": (EXPLORER, explorer),
    "monitor": (MONITOR, monitor),
    "pairing": (PAIRING, pairing),
}


def take(names: list[str]) -> None:
    """Write the screenshots of these names; all without a name."""
    for name in names or STATES:
        code, play = STATES[name]
        file = FOLDER / f"{name}.png"
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FUSIONLIB_STORE"] = f"{folder}/store"
            with opened(Path(folder), code) as page:
                play(page)
                with suppress(TimeoutError):  # JupyterLab asks whether it may bring news
                    page.get_by_role("button", name="No", exact=True).click(timeout=5000)
                page.wait_for_timeout(1500)  # until what follows is drawn
                FOLDER.mkdir(parents=True, exist_ok=True)
                page.locator(".jp-Cell-outputArea").first.screenshot(path=file)
        with Image.open(file) as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        # A median cut of the colours would lose the few red pixels of a picture.
        small.quantize(256, Image.Quantize.MAXCOVERAGE).save(file, optimize=True)
        print(file, f"{file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    take(sys.argv[1:])
