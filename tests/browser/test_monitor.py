"""The monitor as a reader meets it: a training started, stopped and resumed in JupyterLab."""

import pytest

from tests.browser.lab import opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS = 500
CODE = f"""
from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.training import Spec
pairs = open_pairs("scenes", "train", names=["0001N"], size=(64, 96))
base = {{side: patch_source(pairs, side, 32, 32) for side in ("ir", "vi")}}
spec = Spec("bsp-cnn", **base, relation="unpaired", pairs=11, batch=3, steps={STEPS})
test = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(64, 96))
monitor = report.monitor(spec, test, None)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(folder / "store"))
        with opened(folder, CODE) as page:
            yield page


def button(page, name):
    return page.locator("button.jupyter-button", has_text=name)


def test_a_training_is_started_stopped_and_resumed(page):
    figure = page.locator(f"img[alt^='After step'][alt*='of {STEPS}']")
    figure.wait_for()
    assert figure.get_attribute("alt") == f"After step 0 of {STEPS}"
    first = figure.get_attribute("src")
    button(page, "Start").click()
    page.locator("img[alt*='SSIM of step']").wait_for()
    grown = figure.get_attribute("src")
    assert grown != first
    assert figure.evaluate("image => image.naturalWidth") > 900
    # The cell is done and the kernel free while the training is at work.
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for()
    button(page, "Stop").click()
    page.get_by_text("stopped at step").wait_for()
    assert button(page, "Stop").is_disabled()
    stopped = figure.get_attribute("alt")
    button(page, "Resume").click()
    page.get_by_text(f"finished: {STEPS} steps").wait_for(timeout=600_000)
    page.locator(f"img[alt^='After step {STEPS} of']").wait_for()
    assert figure.get_attribute("alt") != stopped
    assert button(page, "Resume").is_disabled()


def test_nothing_went_wrong_in_the_console(page):
    assert page.errors == []
