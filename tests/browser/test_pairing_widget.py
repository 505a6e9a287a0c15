"""The grid of pairs and the picture to point at, as a reader meets them: in a real browser."""

import pytest

from tests.browser.lab import opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CODE = """
from fusionlib.data import open_pairs
from fusionlib.data.base import load_base, patch_source
from fusionlib.losses import BSPLoss
from fusionlib.report import loss_board, loss_play, pairing_board, pairing_play, pairing_pull
scenes = open_pairs("scenes", "train", names=["0000D"], size=(64, 96))
base = load_base(*(patch_source(scenes, kind, 32, 32) for kind in ("ir", "vi")))
""", """
met = pairing_pull.meetings(base, BSPLoss(), 2)
pairing = pairing_board.Pairing(met, [(0, 0), (1, 2)], "rendered scenes")
pairing_play.play(pairing, None)
""", """
pair = scenes[0]
board = loss_board.LossBoard((pair.ir + pair.vi) / 2, pair.ir, pair.vi, "rendered scenes")
loss_play.play(board, None)
"""  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("lab"), *CODE) as page:
        page.locator(".fusionlib-pairing").wait_for()
        page.locator(".fusionlib-picker img").wait_for()
        yield page


def cell(page, i, j):
    return page.locator(f".fusionlib-meeting[aria-label^='infrared {i} '][aria-label$='{j}']")


def picture(page, of):
    """Where the picture beside a widget lies: another address once it is drawn anew."""
    return page.locator(".jp-OutputArea").filter(has=page.locator(of)).locator(
        "img.widget-image").first  # fmt: skip


def changed(page, image, before):
    page.wait_for_function(
        "([image, before]) => image.src != before", arg=[image.element_handle(), before]
    )


def test_the_grid_shows_every_patch_and_the_start(page):
    assert page.locator(".fusionlib-patch").count() == 12
    assert page.locator(".fusionlib-meeting").count() == 36
    assert page.locator(".fusionlib-meeting[aria-pressed='true']").count() == 2
    assert cell(page, 1, 2).get_attribute("aria-pressed") == "true"
    # The pictures are parts of one image, each another one.
    places = page.locator(".fusionlib-patch").evaluate_all(
        "cells => cells.map((cell) => cell.style.backgroundPosition)"
    )
    assert len(set(places)) == 12
    box = cell(page, 0, 0).bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert box["width"] > 25


def test_a_click_lets_two_patches_meet_and_changes_the_picture(page):
    image = picture(page, ".fusionlib-pairing")
    before = image.get_attribute("src")
    cell(page, 3, 1).click()
    assert cell(page, 3, 1).get_attribute("aria-pressed") == "true"
    assert "fusionlib-looked" in cell(page, 3, 1).get_attribute("class")
    changed(page, image, before)
    page.wait_for_function("() => document.body.innerText.includes('0-0 1-2 3-1')")
    cell(page, 0, 0).click()
    assert cell(page, 0, 0).get_attribute("aria-pressed") == "false"
    page.wait_for_function("() => document.body.innerText.includes('\"1-2 3-1\"')")


def test_keys_walk_and_choose(page):
    cell(page, 2, 2).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert cell(page, 3, 3).get_attribute("aria-pressed") == "true"
    page.wait_for_function("() => document.body.innerText.includes('3-3')")


def test_a_button_draws_anew(page):
    page.get_by_role("button", name="strict", exact=True).click()
    page.wait_for_function("() => document.body.innerText.includes('0-0 1-1 2-2 3-3 4-4 5-5')")
    for k in range(6):
        assert cell(page, k, k).get_attribute("aria-pressed") == "true"


def test_a_click_chooses_a_pixel(page):
    image = picture(page, ".fusionlib-picker")
    scene, mark = page.locator(".fusionlib-picker img"), page.locator(".fusionlib-mark")
    scene.scroll_into_view_if_needed()
    before, area = image.get_attribute("src"), scene.bounding_box()
    page.mouse.click(area["x"] + 0.505 * area["width"], area["y"] + 0.508 * area["height"])
    assert mark.get_attribute("aria-label").startswith("row 32, column 48")
    changed(page, image, before)
    before = image.get_attribute("src")
    mark.focus()
    page.keyboard.press("ArrowLeft")
    assert mark.get_attribute("aria-label").startswith("row 32, column 47")
    changed(page, image, before)


def test_nothing_went_wrong_in_the_console(page):
    assert page.errors == []
