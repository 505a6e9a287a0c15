"""start_here as a newcomer meets it: opened in JupyterLab, run from top to bottom, played with."""

from pathlib import Path

import nbformat
import pytest

from tests.browser.lab import opened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "start_here.ipynb"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.read(NOTEBOOK, 4)
    place = next(
        k for k, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ())
    )
    # As the runner sets a parameter: this test leaves nothing in results/.
    results = nbformat.v4.new_code_cell(f"results = {str(folder / 'results')!r}")
    notebook.cells.insert(place + 1, results)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(folder / "store"))
        with opened(folder, notebook=notebook) as page:
            page.get_by_text("'fused_files':").wait_for()  # by the last cell
            yield page


def test_every_cell_ran(page):
    assert page.get_by_text("Traceback").count() == 0
    assert page.locator("img.fusionlib-left").count() == 1


def test_a_slider_enlarges_another_part_of_the_image(page):
    lens = page.locator("canvas.fusionlib-lens").first
    lens.scroll_into_view_if_needed()
    before = lens.evaluate("canvas => canvas.toDataURL()")
    page.locator(".widget-slider .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('canvas.fusionlib-lens').toDataURL() != before",
        arg=before,
    )


def test_nothing_went_wrong_in_the_console(page):
    assert page.errors == []
