"""Rows of a segmenter: whole numbers an image, from which IoU of a set is made."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from fusionlib import images, metrics
from fusionlib.data import PairSet, open_pairs
from fusionlib.data.labels import MSRS
from fusionlib.data.pairs import ScenePair
from fusionlib.errors import FusionError
from fusionlib.models.segmentation import Segformer
from fusionlib.segmenting import iou_by_image, iou_table, segment_scores
from fusionlib.statistics import bootstrap
from fusionlib.training import open_run, train
from tests.training.small import LABELLED, tiny, tiny_segmenter

TEST = open_pairs("scenes", "test", names=["0000D", "0001N", "0002D"], size=(64, 96))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(tmp_path_factory.mktemp("store")))
        yield train(tiny_segmenter(steps=2), device="cpu", quiet=True)


@pytest.fixture
def rows(run):
    return segment_scores(run, TEST, device="cpu", progress=False)


def predicted(run, pair):
    """Classes (1, H, W) at the labels' size, in other steps than the library's."""
    seen = F.interpolate(pair.vi_rgb[None], (32, 48), mode="bilinear", antialias=True)
    with torch.no_grad():
        logits = run.model()(seen)
    return F.interpolate(logits, (64, 96), mode="bilinear").argmax(1)


def test_iou_of_rows_is_that_of_the_whole_sets_confusion(run, rows):
    whole = metrics.IoU(9)
    for pair in TEST:
        whole.update(predicted(run, pair), pair.labels[None])
    table = iou_table(rows)
    expected = whole.compute()
    assert expected.nan_to_num().count_nonzero() > 2
    assert list(table.columns) == [*MSRS, "mIoU"]
    assert len(table) == 1
    values = torch.tensor(table.iloc[0].to_numpy())
    torch.testing.assert_close(values[:9], expected, equal_nan=True, rtol=1e-12, atol=0)
    assert values[9].item() == pytest.approx(whole.mean().item(), rel=1e-12)
    # The mean of the images' own values is another number.
    assert iou_table(rows, "image")["mIoU"].mean() != pytest.approx(values[9].item(), rel=1e-3)


def test_a_row_counts_the_pixels_of_an_image(run, rows):
    assert rows["image"].tolist() == list(TEST.names)
    assert list(rows.columns[1:4]) == ["tp unlabelled", "fp unlabelled", "fn unlabelled"]
    assert rows.shape == (3, 1 + 3 * 9)
    assert (rows.dtypes.iloc[1:] == "int64").all()
    right = rows.filter(like="tp ").sum(axis=1)
    for count in ("fp", "fn"):
        assert (right + rows.filter(like=f"{count} ").sum(axis=1) == 64 * 96).all()
    car = TEST[1].labels == 1
    guess = predicted(run, TEST[1])[0] == 1
    counted = [(car & guess).sum(), (~car & guess).sum(), (car & ~guess).sum()]
    assert rows.loc[1, ["tp car", "fp car", "fn car"]].tolist() == [int(n) for n in counted]


def test_rows_come_back_from_a_file(rows, tmp_path):
    rows.to_csv(tmp_path / "per_image.csv", index=False)
    again = pd.read_csv(tmp_path / "per_image.csv")
    pd.testing.assert_frame_equal(iou_table(again), iou_table(rows))


def test_rows_are_kept(run, rows, monkeypatch):
    def fail(*_):
        raise AssertionError("segmented again")

    monkeypatch.setattr(Segformer, "forward", fail)
    again = segment_scores(run, TEST, device="cpu", progress=False)
    pd.testing.assert_frame_equal(again, rows)
    fewer = segment_scores(run, TEST.select(["0002D"]), device="cpu", progress=False)
    assert fewer.iloc[0].tolist() == rows.iloc[2].tolist()
    assert again.attrs == {
        "dataset": "scenes", "split": "test", "fingerprint": TEST.fingerprint, "step": 2,
        "key": run.key, "images": "vi",
    }  # fmt: skip
    with pytest.raises(AssertionError, match="segmented again"):
        segment_scores(run, LABELLED, device="cpu", progress=False)


def test_what_cannot_be_scored_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path))
    with pytest.raises(FusionError, match="fuses: name the run of a segmenter"):
        segment_scores(open_run(tiny()), TEST)
    fmb = PairSet("FMB", "test", TEST.pairs)
    with pytest.raises(FusionError, match=r"knows the classes of scenes, .* not those of FMB"):
        segment_scores(run, fmb)
    tno = PairSet("TNO", "test", TEST.pairs)
    with pytest.raises(FusionError, match="TNO has no labelled classes"):
        segment_scores(run, tno)
    with pytest.raises(FusionError, match="holds no weights of step 3"):
        segment_scores(run, TEST, step=3)


def test_labels_that_are_no_classes_are_named(run, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Wrong(ScenePair):
        labels = torch.full((64, 96), 255)

    pair = Wrong("0007N", 10_007, True, (64, 96))
    with pytest.raises(FusionError, match="0007N holds class 255, but the classes of scenes go"):
        segment_scores(run, PairSet("scenes", "test", (pair,)), device="cpu", progress=False)


def test_rows_of_a_folders_images_are_made_anew(tmp_path, monkeypatch):
    """Other images may lie there by then."""
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    for pair in (*LABELLED, *TEST):
        folder = tmp_path / "train" if pair in LABELLED else tmp_path / "test"
        images.write(folder / f"{pair.name}.png", pair.vi)
    spec = tiny_segmenter(tmp_path / "train", steps=1)
    run = train(spec, device="cpu", quiet=True)
    (tmp_path / "train").rename(tmp_path / "kept")
    (tmp_path / "test").rename(tmp_path / "train")
    before = segment_scores(run, TEST, device="cpu", progress=False)
    for pair in TEST:
        images.write(tmp_path / "train" / f"{pair.name}.png", pair.ir)
    after = segment_scores(run, TEST, device="cpu", progress=False)
    assert not before.equals(after)


# --- the table --------------------------------------------------------------------------------


def counts(**values):
    """A row: NAME=(tp, fp, fn)."""
    return {
        f"{count} {name}": number
        for name, numbers in values.items()
        for count, number in zip(("tp", "fp", "fn"), numbers, strict=True)
    }


def test_a_table_known_by_hand():
    rows = pd.DataFrame(
        [
            {"method": "b", "image": "1", **counts(road=(6, 2, 0), car=(0, 0, 2), bus=(0, 0, 0))},
            {"method": "b", "image": "2", **counts(road=(3, 0, 1), car=(1, 1, 0), bus=(0, 0, 0))},
            {"method": "a", "image": "1", **counts(road=(8, 0, 0), car=(0, 0, 0), bus=(0, 0, 0))},
        ]
    )
    table = iou_table(rows, "method")
    assert table["method"].tolist() == ["b", "a"]
    assert table["road"].tolist() == pytest.approx([9 / 12, 1])
    assert table.loc[0, "car"] == pytest.approx(1 / 4)
    assert table["bus"].isna().all()
    # A class that is nowhere does not count.
    assert table["mIoU"].tolist() == pytest.approx([(9 / 12 + 1 / 4) / 2, 1])
    whole = iou_table(rows)
    assert whole.loc[0, "road"] == pytest.approx(17 / 20)
    assert "method" not in whole
    pd.testing.assert_frame_equal(iou_table(rows, ["method"]), table)


def counted(images=60, seed=0):
    """Rows of a common class, a rare one, and one that nobody shows."""
    source = np.random.default_rng(seed)
    rows = pd.DataFrame({"image": [str(k) for k in range(images)]})
    for name, share in (("common", 1.0), ("rare", 0.4)):
        pixels = source.integers(50, 500, images) * (source.random(images) < share)
        rows[f"tp {name}"] = source.binomial(pixels, 0.6)
        rows[f"fn {name}"] = pixels - rows[f"tp {name}"]
        rows[f"fp {name}"] = source.integers(0, 60, images)
    return rows.assign(**{f"{count} absent": 0 for count in ("tp", "fp", "fn")})


def test_the_mean_over_images_is_the_iou_of_all():
    rows = counted()
    shares, whole = iou_by_image(rows), iou_table(rows).iloc[0]
    assert shares["image"].tolist() == rows["image"].tolist()
    for name in ("common", "rare", "mIoU"):
        assert shares[name].mean() == pytest.approx(100 * whole[name], rel=1e-12)
    assert shares["absent"].isna().all()


def test_a_bootstrap_of_the_parts_is_one_of_the_iou():
    rows = counted()
    low, high = bootstrap(iou_by_image(rows)["mIoU"])
    source = np.random.default_rng(1)
    draws = [rows.iloc[source.integers(0, len(rows), len(rows))] for _ in range(500)]
    found = [100 * iou_table(draw)["mIoU"].item() for draw in draws]
    for ours, true in zip((low, high), np.quantile(found, (0.025, 0.975)), strict=True):
        assert ours == pytest.approx(true, abs=0.25 * (high - low))


def test_an_image_that_is_all_right_lifts_and_one_all_wrong_lowers():
    rows = pd.DataFrame({"image": ["good", "bad"], "tp c": [10, 0], "fp c": [0, 5], "fn c": [0, 5]})
    shares = iou_by_image(rows)["c"]
    assert shares.tolist() == pytest.approx([100.0, 0.0])
