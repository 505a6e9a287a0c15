"""The explorer as a reader meets it: JupyterLab in a real browser."""

import pytest

from tests.browser.lab import drag, opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CODE = """
from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.models import load_trained
test = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(120, 160))
explorer = report.explore({"scenes": test}, {"CNN": load_trained("bsp-cnn")}, None, "plain")
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("lab"), CODE) as page:
        page.locator(".fusionlib-explorer[data-left][data-right]").wait_for()
        yield page


def source(page, side):
    return page.locator(f"img.fusionlib-{side}").get_attribute("src")


def test_both_images_are_there(page):
    for side in ("left", "right"):
        image = page.locator(f"img.fusionlib-{side}")
        assert image.evaluate("image => image.naturalWidth") == 160
        assert image.get_attribute("alt").endswith("of scenes 0000D")
    # Laid over each other to the pixel.
    boxes = [page.locator(f"img.fusionlib-{side}").bounding_box() for side in ("left", "right")]
    assert boxes[0] == pytest.approx(boxes[1], abs=1)


def test_the_curtain_follows_the_mouse_and_the_kernel_hears_of_it(page):
    handle = page.locator(".fusionlib-handle")
    assert handle.get_attribute("aria-valuenow") == "50"
    drag(page, (0.5, 0.5), (0.25, 0.5))
    assert handle.get_attribute("aria-valuenow") == "25"
    clip = page.locator("img.fusionlib-left").evaluate("image => image.style.clipPath")
    assert clip.replace("px", "").startswith("inset(0")
    assert "75" in clip
    page.wait_for_function("() => document.body.innerText.includes('position=0.25')")
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "27"


def test_the_box_follows_the_mouse_in_both_lenses(page):
    frame = page.locator(".fusionlib-frame")
    before = frame.bounding_box()
    lens = page.locator("canvas.fusionlib-lens").first
    pixels = "canvas => canvas.toDataURL()"
    shown = lens.evaluate(pixels)
    drag(page, (0.7, 0.4), (0.8, 0.7))
    after = frame.bounding_box()
    assert after["x"] != before["x"]
    assert lens.evaluate(pixels) != shown
    page.wait_for_function("() => /box=\\(0\\.(79|8)/.test(document.body.innerText)")


def test_a_menu_changes_the_image(page):
    before = source(page, "right"), source(page, "left")
    page.get_by_label("right", exact=True).select_option("visible")
    page.wait_for_function(
        "src => document.querySelector('img.fusionlib-right').src != src", arg=before[0]
    )
    page.get_by_label("pair", exact=True).select_option("0001N")
    page.wait_for_function(
        "src => document.querySelector('img.fusionlib-left').src != src", arg=before[1]
    )
    page.wait_for_function(
        "() => document.querySelector('img.fusionlib-left').alt == 'infrared of scenes 0001N'"
    )
    page.wait_for_function("() => document.body.innerText.includes(\"'scenes', '0001N'\")")


def test_nothing_went_wrong_in_the_console(page):
    assert page.errors == []
