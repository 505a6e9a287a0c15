"""An executed notebook as a page: what it shows, and what it leaves as text."""

import re

import pytest

from fusionlib.runner.formulas import formula
from fusionlib.runner.page import write_page
from tests.runner.made_results import FORMULA, executed


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page(executed(folder / "notebook.ipynb", "A title"), folder / "p.html", "../index.html")
    return (folder / "p.html").read_text("utf-8")


def test_outputs_are_there(page):
    assert "<title>A title</title>" in page
    assert 'name="viewport"' in page
    assert re.search(r'<img alt="Figure: A heading" src="data:image/png;base64,', page)
    assert page.count("<td>1.2345678901</td>") == 30
    assert "step 2 &lt;b&gt;" in page
    assert "step 1" not in page  # overwritten, as on a terminal
    assert "&lt;i&gt;broke&lt;/i&gt;" in page
    assert "In [" not in page


def test_formulas_are_drawn_or_stand_as_text(page):
    label = f'aria-label="{FORMULA}"'
    assert page.count(label) == 2  # in a line, and on its own with taller fractions
    assert page.count('<span class="equation"><svg') == 1
    assert r"<code>\underbrace{a&lt;b}_{c}</code>" in page


def test_a_formula_has_the_size_of_its_letters():
    def height(tex, display=False):
        return float(re.search(r"height:([\d.]+)em", formula(tex, display))[1])

    assert 0.2 < height("x") < 0.8
    assert height(r"\frac12") > height("x")
    assert height(r"\frac12", display=True) > height(r"\frac12")
    assert formula(r"\mathcal L") == formula(r"\mathcal{L}").replace(r"\mathcal{L}", r"\mathcal L")


@pytest.mark.parametrize("tex", [r"\nosuchcommand", r"\frac{", ""])
def test_what_cannot_be_drawn(tex):
    assert formula(tex) is None


def test_a_label_is_no_markup():
    assert 'aria-label="a&lt;b"' in formula("a<b")
