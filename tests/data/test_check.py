"""The report on a dataset's files, and the list of datasets."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fusionlib.data.check import check, format_list, list_datasets
from fusionlib.errors import FusionError


@pytest.fixture
def root(tmp_path):
    for split, count in (("train", 1), ("test", 4)):
        for index in range(count):
            for part in ("ir", "vi", "Segmentation_labels"):
                path = tmp_path / f"MSRS/{split}/{part}/{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((40, 50), index, np.uint8)).save(path)
    return tmp_path


def test_a_sound_dataset(root):
    report = check("MSRS", data=root, progress=False)
    assert report.ok
    assert [(split.split, split.pairs) for split in report.splits] == [("train", 1), ("test", 4)]
    text = str(report)
    assert all(split.fingerprint in text for split in report.splits)
    assert "licence" in text
    assert [split.split for split in check("MSRS", "test", root, False).splits] == ["test"]


def test_all_problems_are_collected(root):
    test = root / "MSRS/test"
    whole = (test / "ir/0.png").read_bytes()
    (test / "ir/0.png").write_bytes(whole[:-30])
    Image.fromarray(np.zeros((40, 51), np.uint8)).save(test / "vi/1.png")
    (test / "vi/2.png").unlink()
    (test / "Segmentation_labels/3.png").write_text("no image")
    report = check("MSRS", data=root, progress=False)
    assert not report.ok
    assert report.splits[0].problems == ()
    assert len(report.problems) == 4
    for said in (
        "ir/0.png cannot be read",
        "vi/1.png is 51x40",
        "ir/2.png has no partner",
        "labels/3.png cannot be read",
    ):
        assert sum(said in problem for problem in report.problems) == 1
        assert said in str(report)


def test_names_and_sizes_are_compared_without_opening_a_file(root, tmp_path_factory):
    def outlined(folder):
        return check("MSRS", "test", folder, progress=False, decode=False).splits[0]

    before = outlined(root)
    copy = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(root / "MSRS", copy / "MSRS")
    assert outlined(copy) == before
    # Not an image any more, but as long: nobody looked.
    (copy / "MSRS/test/ir/0.png").write_bytes(bytes((root / "MSRS/test/ir/0.png").stat().st_size))
    assert outlined(copy) == before
    with (copy / "MSRS/test/vi/0.png").open("ab") as file:
        file.write(b"1")
    assert outlined(copy).fingerprint != before.fingerprint
    (copy / "MSRS/test/ir/3.png").unlink()
    assert outlined(copy).pairs == 3
    assert "vi/3.png has no partner" in outlined(copy).problems[0]


def test_absent_and_unknown(root):
    with pytest.raises(FusionError, match="data get LLVIP"):
        check("LLVIP", data=root)
    with pytest.raises(FusionError, match="'val'"):
        check("MSRS", "val", root)
    with pytest.raises(FusionError, match="'Nothing'"):
        check("Nothing", data=root)


def test_progress_is_shown(root, capsys, monkeypatch):
    monkeypatch.setattr("fusionlib.progress.SECONDS_BEFORE_FIRST", 0)
    check("MSRS", data=root)
    assert "check MSRS test: 4/4" in capsys.readouterr().err


def test_list(root, monkeypatch):
    table = list_datasets(root).set_index(["dataset", "split"])
    assert table.pairs["MSRS", "test"] == 4
    assert table.present[table.present].index.tolist() == [
        ("MSRS", "train"),
        ("MSRS", "test"),
        ("scenes", "train"),
        ("scenes", "test"),
    ]
    assert "non-commercial" in table.licence["LLVIP", "test"]
    assert "non-commercial" in format_list(list_datasets(root))
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)
    assert list_datasets().present.sum() == 2
    with pytest.raises(FusionError, match="nowhere"):
        list_datasets(root / "nowhere")


def test_real_data(data_root):
    report = check("FMB", data=data_root, progress=False)
    assert report.ok
    assert report.splits[-1].pairs > 0
