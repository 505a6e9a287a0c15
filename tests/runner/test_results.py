import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusionlib.runner.results import defects, fingerprints


def of(folder, name, parameters=None):
    return defects(folder, (name,), {}, parameters or {})


def test_sound_files_have_no_defect(tmp_path):
    (tmp_path / "a").mkdir()
    table = pd.DataFrame({"row": ["x", "y"], "paper": [None, 6.5], "ours": [1, 2]})
    table.to_csv(tmp_path / "a" / "table.csv", index=False)
    table.to_csv(tmp_path / "per_image.csv.gz", index=False)
    record = {"parameters": {"profile": "smoke", "lr": 0.1, "steps": 3}, "seconds": 1.5}
    (tmp_path / "record.json").write_text(json.dumps(record))
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "figure.png")
    names = ("a/table.csv", "per_image.csv.gz", "record.json", "figure.png")
    ran_with = {"profile": "smoke", "lr": 0.1, "data": "somewhere", "results": "there"}
    assert defects(tmp_path, names, {}, ran_with) == []


def test_missing_and_empty(tmp_path):
    (tmp_path / "table.csv").touch()
    assert of(tmp_path, "table.csv") == ["table.csv is empty"]
    assert of(tmp_path, "figure.png") == ["figure.png was not written"]


def test_file_of_an_earlier_run(tmp_path):
    (tmp_path / "notes.md").write_text("old")
    before = fingerprints(tmp_path, ("notes.md",))
    (found,) = defects(tmp_path, ("notes.md",), before, {})
    assert "earlier run" in found
    (tmp_path / "new").write_text("new")
    (tmp_path / "new").replace(tmp_path / "notes.md")
    assert defects(tmp_path, ("notes.md",), before, {}) == []


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("row,EN\nx,nan\ny,\n", "no number in column EN"),
        ("row,EN\nx,inf\ny,6.5\n", "infinite number in column EN"),
        ("row,EN\n", "no rows"),
        ("\n\n", "can't be read"),
    ],
)
def test_unsound_tables(tmp_path, text, defect):
    (tmp_path / "table.csv").write_text(text)
    (found,) = of(tmp_path, "table.csv")
    assert defect in found


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ('{"parameters": {"lr": 0.1}, "EN": NaN}', "NaN"),
        ('{"parameters": {"lr": 0.1}, "EN": [-Infinity]}', "Infinity"),
        ('{"parameters": {"lr": 0.2}}', "records lr = 0.2"),
        ('{"parameters": {}}', "records lr = None"),
        ("{}", "no `parameters`"),
        ('{"parameters": ', "can't be read"),
    ],
)
def test_unsound_records(tmp_path, text, defect):
    (tmp_path / "record.json").write_text(text)
    (found,) = of(tmp_path, "record.json", {"lr": 0.1})
    assert defect in found


def test_pictures_blank_and_truncated(tmp_path):
    Image.new("RGBA", (8, 8), (255, 255, 255, 255)).save(tmp_path / "blank.png")
    assert of(tmp_path, "blank.png") == ["blank.png is of one single colour"]
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (found,) = of(tmp_path, "cut.png")
    assert "can't be read" in found
