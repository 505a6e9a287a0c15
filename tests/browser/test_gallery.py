"""The page of all results as a reader meets it: from a file, on a phone, without a network."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from fusionlib.doctor import chromium
from fusionlib.runner import gallery
from tests.browser.lab import browser
from tests.runner.made_results import make

pytestmark = pytest.mark.timeout(600)

PHONE = {"width": 390, "height": 844}
WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    executable = chromium()
    if executable is None:
        pytest.skip("there is no Chromium: install it, or name it in CHROMIUM")
    folder = tmp_path_factory.mktemp("gallery")
    notebooks, results = make(folder)
    with pytest.MonkeyPatch.context() as patch, browser(executable) as (page, errors):
        patch.setenv("FUSIONLIB_NOTEBOOKS", str(notebooks))
        page.index = gallery.refresh(results).as_uri()
        page.errors, page.asked = errors, []
        page.on("request", lambda request: page.asked.append(request.url))
        page.context.set_offline(True)
        page.set_viewport_size(PHONE)
        yield page


def check(page, address):
    """No sideways scrolling, every image is seen, every link leads to a file."""
    page.goto(address)
    assert not page.evaluate(WIDER)
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete", arg=image.element_handle())
        assert image.evaluate("image => image.naturalWidth") > 0
        assert image.get_attribute("alt")
    links = page.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert links
    for link in links:
        assert Path(unquote(urlparse(link).path)).is_file(), link


def test_the_index_on_a_phone(page):
    check(page, page.index)
    page.locator("summary").first.click()
    assert page.get_by_text("t #1.csv").is_visible()
    assert not page.evaluate(WIDER)


def test_from_the_index_to_a_notebook_and_back(page):
    page.goto(page.index)
    page.locator("h3 a").first.click()
    page.wait_for_url("**/notebook.html")
    check(page, page.url)
    line, display = page.locator("svg.formula").all()
    assert 5 < line.bounding_box()["height"] < display.bounding_box()["height"] < 80
    page.get_by_text("All notebooks").click()
    page.wait_for_url("**/index.html")


def test_light_and_dark(page):
    page.goto(page.index)
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]


def test_nothing_was_asked_of_a_network_and_nothing_went_wrong(page):
    assert {url.partition(":")[0] for url in page.asked} <= {"file", "data"}
    assert page.errors == []
