"""The page of all results: everything is there, every link leads somewhere, nothing is trusted."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from fusionlib import cli
from fusionlib.errors import FusionError
from fusionlib.runner import gallery
from tests.runner.made_results import HOSTILE, executed, make, picture, source


class Page(HTMLParser):
    """Links, images, names of elements and the text of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.links, self.images, self.names, self.text = path, [], [], set(), ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, name, attributes):
        self.names.add(name)
        if name == "a":
            self.links.append(dict(attributes)["href"])
        if name == "img":
            self.images.append(dict(attributes))

    def handle_data(self, data):
        self.text += data

    def targets(self) -> list[Path]:
        """The files that it points to, apart from pictures within it."""
        named = [*self.links, *(i["src"] for i in self.images if i["src"][:5] != "data:")]
        return [self.path.parent / unquote(link) for link in named]


@pytest.fixture
def results(tmp_path, monkeypatch):
    notebooks, results = make(tmp_path)
    monkeypatch.setenv("FUSIONLIB_NOTEBOOKS", str(notebooks))
    return results


def test_all_links_lead_to_files_and_all_images_have_alternative_texts(results):
    index = Page(gallery.refresh(results))
    (page,) = (Page(path) for path in results.rglob("notebook.html"))
    for found in (index, page):
        assert found.targets()
        assert all(path.is_file() for path in found.targets()), found.links
        assert found.images
        assert all(image["alt"].strip() for image in found.images)
    names = {path.name for path in index.targets()}
    assert names == {"notebook.html", "t #1.csv", "a.png", "b.png", "figure.png", "unrun.ipynb",
                     'hostile <&"> name.ipynb'}  # fmt: skip
    assert [path.name for path in page.targets()] == ["index.html"]


def test_nothing_is_loaded_from_elsewhere_and_no_title_is_markup(results):
    index = gallery.refresh(results)
    for path in (index, *results.rglob("notebook.html")):
        page = Page(path)
        assert "//" not in re.sub('"data:[^"]*"', "", path.read_text("utf-8"))
        assert "script" not in page.names
        assert HOSTILE in page.text  # as text
        assert not any("onerror" in image for image in page.images)
        assert "default-src 'none'" in path.read_text("utf-8")
    assert "<i>800 steps</i>" in Page(index).text


def test_a_card_tells_profiles_verdicts_and_shows_the_first_declared_picture(results):
    page = Page(gallery.refresh(results))
    text = " ".join(page.text.split())
    assert "quick: 2 supported, 0 contradicted, 6 undecided" in text
    assert text.index("quick:") < text.index("smoke, rendered scenes")
    (image,) = page.images
    assert unquote(image["src"]).endswith("quick/b.png")
    assert (image["width"], image["height"], image["class"]) == ("40", "200", "tall")
    assert "Not run yet: unrun" in text


def test_the_ledger_counts_claims():
    numbers = {"supported": 3, "contradicted": 1, "undecided": 4, "not measured": 9}
    ledger = gallery.Result(None, "quick", None, {"numbers": numbers}, (), (), None)
    assert ledger.verdicts == {"supported": 3, "contradicted": 1, "undecided": 4}
    no_ledger = gallery.Result(None, "quick", None, {"numbers": {"EN": 6.5}}, (), (), None)
    assert no_ledger.verdicts == {}


def test_pages_are_made_anew_only_for_newer_notebooks(results):
    gallery.refresh(results)
    (page,) = results.rglob("notebook.html")
    page.write_text("kept")
    gallery.refresh(results)
    assert page.read_text() == "kept"
    os.utime(page.with_name("notebook.ipynb"), (2**31, 2**31))
    gallery.refresh(results)
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_what_is_damaged_is_passed_over(results, capsys):
    quick = results / 'paper/hostile <&"> name/quick'
    (quick / "record.json").write_text('{"numbers": ')
    (quick / "b.png").write_text("no picture")
    smoke = quick.with_name("smoke")
    (smoke / "notebook.html").write_text("of the run before")
    (smoke / "notebook.ipynb").write_text("{")
    os.utime(smoke / "notebook.ipynb", (2**31, 2**31))
    page = Page(gallery.refresh(results))
    assert "notebook.ipynb" in capsys.readouterr().err
    assert not (smoke / "notebook.html").exists()
    assert [unquote(image["src"])[-11:] for image in page.images] == ["quick/a.png"]
    assert all(path.is_file() for path in page.targets())


def test_a_record_of_another_shape_is_no_error(results):
    folder = results / 'paper/hostile <&"> name/quick'
    shapes = ([1], {"numbers": [1]}, {"numbers": {"verdicts": 3}}, {"notes": "text"},
              {"numbers": {"verdicts": {"claim": "supported"}}})  # fmt: skip
    for record in shapes:
        (folder / "record.json").write_text(json.dumps(record))
        assert Page(gallery.refresh(results)).images


def test_what_the_checkout_holds_is_listed(monkeypatch, tmp_path):
    """The real collection, with the committed results."""
    monkeypatch.delenv("FUSIONLIB_NOTEBOOKS", raising=False)
    checkout = Path(gallery.__file__).parents[2]
    committed = checkout / "results"
    for folder in committed.glob("*/*/quick"):
        copy = tmp_path / folder.relative_to(committed)
        copy.mkdir(parents=True)
        for path in folder.glob("[!n]*.*"):
            (copy / path.name).symlink_to(path)
    page = Page(gallery.refresh(tmp_path))
    assert all(path.exists() for path in page.targets())
    assert "Reproduce Table 1: how well three training paradigms generalise" in page.text
    assert page.path.stat().st_size < 150_000
    measured = {path.parent for path in tmp_path.rglob("*.*") if path.suffix in gallery.PICTURES}
    assert len(page.images) == len(measured)


def test_the_command_keeps_its_result_where_no_page_can_be_written(monkeypatch, capsys):
    def refuse(_):
        raise FusionError("index.html cannot be written.")

    monkeypatch.setattr("fusionlib.runner.reproduce.reproduce", lambda *_: [])
    monkeypatch.setattr(gallery, "refresh", refuse)
    assert cli.main(["reproduce"]) == 0
    told = capsys.readouterr()
    assert "0 of 0 notebooks reproduced." in told.out
    assert told.err == "fusionlib: index.html cannot be written.\n"


def test_a_picture_of_the_profile_that_did_most(tmp_path, monkeypatch):
    source(tmp_path / "n/a.ipynb", "A", ["x.png"])
    monkeypatch.setenv("FUSIONLIB_NOTEBOOKS", str(tmp_path / "n"))
    for profile in ("smoke", "paper", "quick"):
        picture(tmp_path / f"r/a/{profile}/x.png")
    executed(tmp_path / "r/a/smoke/notebook.ipynb", "A")
    page = Page(gallery.refresh(tmp_path / "r"))
    assert page.images[0]["src"] == "a/paper/x.png"
    # The title leads to the only page there is.
    assert page.links.count("a/smoke/notebook.html") == 2
