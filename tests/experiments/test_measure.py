"""Profiles, and from rows of specs to rows of numbers."""

import dataclasses

import pandas as pd
import pytest

from fusionlib import experiments, published, report
from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.errors import FusionError
from fusionlib.experiments.bsp import TABLE1_ROWS
from fusionlib.experiments.profiles import BASE_IMAGES
from fusionlib.experiments.row import Row
from fusionlib.runner.notebooks import PROFILES as KNOWN_TO_THE_RUNNER
from fusionlib.statistics import FEWEST_IMAGES
from fusionlib.training import Spec

# --- profiles ---------------------------------------------------------------------------


def test_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(FusionError, match=r"smoke, quick, paper, not 'quik'"):
        experiments.profile("quik")


def test_runner_and_experiments_know_the_same_profiles():
    assert tuple(experiments.PROFILES) == KNOWN_TO_THE_RUNNER
    assert all(experiments.profile(name).name == name for name in KNOWN_TO_THE_RUNNER)


def test_smoke_needs_no_data_and_scores_a_fixed_list(monkeypatch):
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)
    smoke = experiments.profile("smoke")
    (test,) = smoke.tests
    scored = test.open(None, smoke.size)
    assert scored.names == ("0001N", "0003N")
    assert scored[0].ir.shape == (1, *smoke.size)
    followed = smoke.curve.open(None, smoke.size)
    assert followed.names == ("0000D", "0001N")
    assert smoke.panel in scored.names
    # What is scored was never trained on.
    train = open_pairs("scenes", "train", names=smoke.base, size=smoke.size)
    assert not {pair.digest for pair in train} & {pair.digest for pair in scored}


def test_smoke_says_that_its_scenes_are_rendered():
    smoke, quick = experiments.profile("smoke"), experiments.profile("quick")
    assert "rendered scenes" in smoke.caption("released", "bsp")
    assert "rendered" not in quick.caption("released", "bsp")
    assert smoke.title(smoke.curve.open(None, smoke.size)) == "rendered scenes"
    for text in ("quick", "released", "bsp"):
        assert text in quick.caption("released", "bsp")


def test_real_profiles_share_one_base_of_ten_images(data_root):
    quick, paper = experiments.profile("quick"), experiments.profile("paper")
    assert quick.base == paper.base == BASE_IMAGES
    # Of the training images in name order every third, the first ten.
    names = open_pairs("MSRS", "train", data_root).names
    if len(names) == 34:
        assert names[::3][:10] == BASE_IMAGES
    assert set(BASE_IMAGES) <= set(names)


def test_quick_names_its_images_so_that_a_complete_dataset_gives_the_same(data_root):
    quick = experiments.profile("quick")
    opened = [test.open(data_root) for test in quick.tests]
    assert [pairs.dataset for pairs in opened] == ["MSRS", "LLVIP", "M3FD"]
    for test, pairs in zip(quick.tests, opened, strict=True):
        assert pairs.names == test.names
        assert len(set(test.names)) == len(test.names)
    assert len(opened[0]) >= FEWEST_IMAGES  # or no claim could be judged
    assert quick.panel in opened[0].names
    dataset, image = quick.abnormal
    assert image in next(pairs for pairs in opened if pairs.dataset == dataset).names
    curve = quick.curve.open(data_root).names
    assert curve == quick.curve.names
    assert len(curve) >= FEWEST_IMAGES
    few = quick.few.open(data_root).names
    assert len(set(quick.wide)) == 34
    assert set(quick.base) < set(quick.wide)
    # Trained on or scored, never both.
    assert not set(quick.wide) & {*opened[0].names, *curve, *few}


def test_most_spreads_the_images_over_all_names():
    one = experiments.TestSet("scenes", most=4).open(None, (32, 32)).names
    assert len(one) == 4
    assert one == tuple(sorted(one))
    every = open_pairs("scenes", "test", size=(32, 32)).names
    assert one == tuple(every[k * len(every) // 4] for k in range(4))
    many = experiments.TestSet("scenes", most=10**6).open(None, (32, 32))
    assert many.names == every


@pytest.mark.parametrize("test_set", ["MSRS", "LLVIP", "M3FD"])
@pytest.mark.parametrize("model", ["bsp-cnn", "bsp-transformer", "bsp-gan"])
def test_the_paper_prints_every_row_that_table1_names(test_set, model):
    cells = published.load("bsp", 1).values.query("test_set == @test_set and model == @model")
    printed = cells[["mode", "trainable"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(printed) == list(TABLE1_ROWS)
    assert cells["value"].notna().all()
    assert len(cells) == 5 * len(TABLE1_ROWS)


# --- measuring --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    pairs = open_pairs("scenes", "train", names=["0000D", "0001N"], size=(64, 128))
    base = {side: patch_source(pairs, side, 64, 64) for side in ("ir", "vi")}

    def spec(relation, seed):
        return Spec(model="bsp-cnn", **base, relation=relation, pairs=4, steps=2, batch=4,
                    seed=seed)  # fmt: skip

    return [
        Row("SPTP", 150, (spec("strict", 0), spec("strict", 1))),
        Row("UPTP", 150, (spec("unpaired", 0),)),
    ]


@pytest.fixture(scope="module")
def test_set():
    return open_pairs("scenes", "test", names=["0001N", "0000D"], size=(48, 64))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def per_image(store, rows, test_set):
    return experiments.measure(rows, [test_set], "whole+clip")


def test_measure_gives_a_row_an_image_run_and_test_set(per_image, rows):
    names = ["test_set", "mode", "trainable", "seed", "key", "image"]
    assert list(per_image.columns) == [*names, "EN", "MI", "VIF", "Qabf", "SSIM"]
    assert len(per_image) == 3 * 2
    assert list(per_image["image"]) == ["0001N", "0000D"] * 3
    assert list(per_image["mode"]) == ["SPTP"] * 4 + ["UPTP"] * 2
    assert list(per_image["seed"]) == [0, 0, 1, 1, 0, 0]
    assert set(per_image["test_set"]) == {"scenes"}
    keys = [spec.key for row in rows for spec in row.specs]
    assert list(per_image["key"].unique()) == keys
    assert per_image.notna().all(axis=None)


def test_measuring_again_trains_and_fuses_nothing(store, per_image, rows, test_set, monkeypatch):
    def states():
        files = store.rglob("*.safetensors")
        return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}

    before = states()
    assert before
    monkeypatch.setattr("fusionlib.evaluation.fuse", None)  # whoever calls it fails
    again = experiments.measure(rows, [test_set], "whole+clip")
    pd.testing.assert_frame_equal(again, per_image)
    assert states() == before


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another machine: its store is empty, and whoever would train there fails."""
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
    monkeypatch.setitem(experiments.measure.__globals__, "train", None)
    return tmp_path


def record(folder, test_set, protocol="whole+clip"):
    report.write_record(folder, {"protocol": protocol, "convention": "bsp"}, {}, [test_set])


def test_rows_of_another_machine_stand_for_runs_that_are_not_here(
    per_image, rows, test_set, elsewhere
):
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(per_image.assign(method="x")[["method", *per_image]], kept)
    record(elsewhere, test_set)
    again = experiments.measure(rows, [test_set], "whole+clip", kept=kept)
    pd.testing.assert_frame_equal(again, per_image, rtol=1e-5)
    # Written once more the file is the same, byte for byte.
    report.write_table(again, kept)
    record(elsewhere, test_set)
    first = kept.read_bytes()
    again = experiments.measure(rows, [test_set], "whole+clip", kept=kept)
    report.write_table(again, kept)
    assert kept.read_bytes() == first


def test_numbers_are_those_that_the_file_will_hold(per_image, rows, store, test_set, tmp_path):
    snapshots = experiments.snapshot_scores(rows, test_set, ("SSIM",))
    for name, table in (("rows.csv", per_image), ("snapshots.csv.gz", snapshots)):
        report.write_table(table, tmp_path / name)
        again = pd.read_csv(tmp_path / name, dtype={"image": str, "key": str})
        assert (table["SSIM"] == again["SSIM"]).all()
        pd.testing.assert_frame_equal(again, table, rtol=1e-15, atol=0, check_dtype=False)


def test_a_run_that_a_table_names_twice_is_read_for_both(per_image, rows, test_set, elsewhere):
    twice = [*rows, dataclasses.replace(rows[0], mode="the same")]
    again = per_image[per_image["mode"] == rows[0].mode].assign(mode="the same")
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(pd.concat([per_image, again]), kept)
    record(elsewhere, test_set)
    found = experiments.measure(twice, [test_set], "whole+clip", kept=kept)
    assert len(found) == len(per_image) + len(again)
    assert set(found["mode"]) == {*per_image["mode"], "the same"}


def test_rows_newer_than_their_record_do_not_stand_for_a_run(per_image, rows, test_set, elsewhere):
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(per_image, kept)
    record(elsewhere, test_set)
    report.write_table(per_image.assign(EN=-1.0), kept)  # and then the notebook was stopped
    with pytest.raises(TypeError, match="not callable"):  # it would train
        experiments.measure(rows, [test_set], "whole+clip", kept=kept)


def test_rows_of_another_protocol_do_not_stand_for_a_run(per_image, rows, test_set, elsewhere):
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(per_image, kept)
    for protocol in ("released", None):  # or no record at all
        if protocol:
            record(elsewhere, test_set, protocol)
        else:
            (elsewhere / "record.json").unlink()
        with pytest.raises(TypeError, match="not callable"):  # it would train
            experiments.measure(rows, [test_set], "whole+clip", kept=kept)


def test_rows_that_lack_an_image_do_not_stand_for_a_run(per_image, rows, test_set, elsewhere):
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(per_image.iloc[1:], kept)
    record(elsewhere, test_set)
    with pytest.raises(TypeError, match="not callable"):  # it would train
        experiments.measure(rows, [test_set], "whole+clip", kept=kept)


def test_rows_of_images_with_other_bytes_do_not_stand_for_a_run(
    per_image, rows, test_set, elsewhere
):
    kept = elsewhere / "per_image.csv.gz"
    report.write_table(per_image, kept)
    record(elsewhere, open_pairs("scenes", "test", names=test_set.names, size=(48, 80)))
    with pytest.raises(TypeError, match="not callable"):  # it would train
        experiments.measure(rows, [test_set], "whole+clip", kept=kept)


def test_courses_of_runs_that_are_not_here(store, per_image, rows, test_set, tmp_path):
    scores = experiments.snapshot_scores(rows, test_set, ("SSIM",), "whole+clip")
    losses = report.smooth(experiments.histories(rows), ["model", "mode", "seed", "key"])
    report.write_table(scores, tmp_path / "per_image.csv.gz")
    report.write_table(losses, tmp_path / "loss.csv")
    record(tmp_path, test_set)
    how = (rows, test_set, ("SSIM",))
    curve, loss = tmp_path / "per_image.csv.gz", tmp_path / "loss.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
        patch.setitem(experiments.measure.__globals__, "train", None)
        again = experiments.snapshot_scores(*how, "whole+clip", kept=curve)
        pd.testing.assert_frame_equal(again, scores, rtol=1e-5)
        again = experiments.histories(rows, kept=loss)
        pd.testing.assert_frame_equal(again[losses.columns], losses, check_dtype=False, rtol=1e-5)
        # Another protocol, another metric, a course that ends early: each would train.
        with pytest.raises(TypeError, match="not callable"):
            experiments.snapshot_scores(*how, "released", kept=curve)
        with pytest.raises(TypeError, match="not callable"):
            experiments.snapshot_scores(rows, test_set, ("EN",), "whole+clip", kept=curve)
        for other in (losses.iloc[:-1], losses.drop(columns="key")):
            report.write_table(other, loss)
            with pytest.raises(TypeError, match="not callable"):
                experiments.histories(rows, kept=loss)


def test_protocols_of_a_run_that_is_not_here(store, per_image, rows, test_set, tmp_path):
    from fusionlib.training import open_run

    kept, run = tmp_path / "protocols.csv", open_run(rows[0].specs[0])
    two = ("plain", "released")
    moved = experiments.by_protocol(run, test_set, two)
    report.write_table(moved, kept)
    report.write_record(tmp_path, {"convention": "bsp"}, {}, runs=[run])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
        away, other = (open_run(row.specs[0]) for row in rows)
        again = experiments.by_protocol(away, test_set, two, kept=kept)
        pd.testing.assert_frame_equal(again, moved, rtol=1e-5)
        # Of another run, or under other protocols, it says nothing.
        for asked in ((other, two), (away, two[:1])):
            with pytest.raises(FusionError, match="holds no weights"):
                experiments.by_protocol(asked[0], test_set, asked[1], kept=kept)


def test_histories_hold_every_step_of_every_run(store, per_image, rows):
    losses = experiments.histories(rows)
    assert list(losses["step"]) == [1, 2] * 3
    assert list(losses["mode"]) == ["SPTP"] * 4 + ["UPTP"] * 2
    assert list(losses["seed"]) == [0, 0, 1, 1, 0, 0]
    assert {"intensity", "gradient", "ssim", "total", "key", "trainable"} <= set(losses.columns)


def test_snapshot_scores_hold_every_snapshot_and_end_where_the_table_does(
    store, per_image, rows, test_set
):
    scores = experiments.snapshot_scores(rows, test_set, ("SSIM", "EN"), "whole+clip")
    names = ["test_set", "model", "mode", "trainable", "seed", "key", "step", "image"]
    assert list(scores.columns) == [*names, "SSIM", "EN"]
    assert set(scores["model"]) == {"bsp-cnn"}
    assert list(scores["image"]) == [*test_set.names] * 2 * 3
    assert list(scores["step"].iloc[:: len(test_set)]) == [1, 2] * 3
    columns = [*names[:1], *names[2:6], "image", "SSIM", "EN"]
    last = scores[scores["step"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(last[columns], per_image[columns], check_exact=True)


def test_snapshots_are_scored_while_the_run_trains(store, rows, test_set):
    spec = Spec(**{**vars(rows[0].specs[0]), "seed": 7})
    seen = []
    real = experiments.measure.__globals__["evaluate"]

    def evaluate(run, *rest, **named):
        seen.append(run.finished)
        return real(run, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(experiments.measure.__globals__, "evaluate", evaluate)
        experiments.snapshot_scores([Row("SPTP", 150, (spec,))], test_set, ("EN",), "whole+clip")
    assert seen[0] is False


def test_by_protocol_is_a_row_a_protocol(store, per_image, rows, test_set):
    from fusionlib.training import open_run

    run = open_run(rows[0].specs[0])
    moved = experiments.by_protocol(run, test_set, ("whole+clip", "whole+stretch"))
    assert list(moved["protocol"]) == ["whole+clip", "whole+stretch"]
    clipped, stretched = moved["EN"]
    assert clipped == pytest.approx(per_image[per_image["key"] == run.key]["EN"].mean())
    assert stretched > clipped  # the stretch spreads the grey levels


def test_a_row_that_cannot_be_drawn_is_refused_before_the_first_is_trained(rows, test_set, store):
    greedy = [
        Row("UPTP", 9, (dataclasses.replace(rows[0].specs[0], relation="unpaired", pairs=10**6),))
    ]
    before = sorted(store.iterdir())
    with pytest.raises(FusionError, match="pairs=1000000 can't be drawn"):
        experiments.measure([*rows, *greedy], [test_set])
    with pytest.raises(FusionError, match="pairs=1000000 can't be drawn"):
        experiments.snapshot_scores([*rows, *greedy], test_set)
    assert sorted(store.iterdir()) == before
