import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import nn

from fusionlib import evaluation, images
from fusionlib.data import PairSet
from fusionlib.errors import FusionError
from fusionlib.evaluation import choose, evaluate, evaluate_folder, evaluate_folders, summary
from fusionlib.inference import fuse
from fusionlib.metrics import CONVENTIONS, METRICS, PRINTED, score


@pytest.fixture
def store(tmp_path_factory, monkeypatch):
    """A run store of the test's own."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("FUSIONLIB_STORE", str(folder))
    return folder


@dataclass
class ToyPair:
    name: str
    size: tuple[int, int]
    digest: str = "1"

    def __post_init__(self):
        generator = torch.Generator().manual_seed(sum(self.name.encode()))
        shapes = (1, *self.size), (3, *self.size)
        self.ir, vi_rgb = (torch.rand(shape, generator=generator) for shape in shapes)
        self.vi_rgb = images.quantise(vi_rgb)
        self.vi = images.grey_of(self.vi_rgb)


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, ir, vi):
        self.calls += 1
        return 0.7 * ir + 0.2 * vi


@dataclass
class ToyRun:
    folder: Path
    key: str = "abc123"
    spec: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(total_steps=9, channels=1, kind="fusion")
    )
    models: list = field(default_factory=list)

    def model(self, step=None):
        self.models.append(Mean())
        return self.models[-1]

    @property
    def calls(self):
        return sum(model.calls for model in self.models)


def toy_pairs(count=3, digest="1"):
    sizes = [(48, 60), (64, 50), (45, 45)]
    return PairSet(
        "toy", "test", tuple(ToyPair(f"{i:02d}N", sizes[i % 3], digest) for i in range(count))
    )


def cache_files(run):
    return sorted((run.folder / "scores").iterdir())


@pytest.mark.parametrize("protocol", ["plain", "released"])
def test_rows_are_the_metrics_of_each_fused_image(protocol):
    pairs = toy_pairs()
    rows = evaluate(Mean(), pairs, protocol, "ssvif", ("SSIM", "EN", "MI"), progress=False)
    assert list(rows.columns) == ["image", "SSIM", "EN", "MI"]
    assert tuple(rows["image"]) == pairs.names
    for row, pair in zip(rows.to_dict("records"), pairs, strict=True):
        ir, vi = pair.ir[None], pair.vi[None]
        expected = score(fuse(Mean(), ir, vi, protocol), ir, vi, ("SSIM", "EN", "MI"), "ssvif")
        assert {k: row[k] for k in expected} == {k: v.item() for k, v in expected.items()}


def test_the_table_says_under_which_conditions_it_was_made(tmp_path):
    pairs = toy_pairs(1)
    rows = evaluate(ToyRun(tmp_path), pairs, "whole+stretch", metrics=("EN",), step=40)
    assert rows.attrs == {
        "dataset": "toy",
        "split": "test",
        "fingerprint": pairs.fingerprint,
        "protocol": "whole+stretch",
        "convention": "bsp",
        "precision": "float32",
        "step": 40,
        "key": "abc123",
    }
    assert evaluate(Mean(), pairs, metrics=("EN",)).attrs["key"] is None


def test_a_run_is_scored_once_and_read_back_exactly(tmp_path):
    run = ToyRun(tmp_path)
    first = evaluate(run, toy_pairs(), "plain")
    again = evaluate(run, toy_pairs(), "plain")
    assert run.calls == 3
    assert len(run.models) == 1
    assert first.equals(again)
    assert first.attrs == again.attrs


def test_the_last_step_is_the_same_with_and_without_its_number(tmp_path):
    run = ToyRun(tmp_path)
    last = evaluate(run, toy_pairs(), "plain", metrics=("EN",))
    named = evaluate(run, toy_pairs(), "plain", metrics=("EN",), step=9)
    assert run.calls == 3
    assert last.attrs["step"] == named.attrs["step"] == 9


def test_a_cached_table_may_hold_fewer_metrics_than_are_kept(tmp_path):
    run = ToyRun(tmp_path)
    whole = evaluate(run, toy_pairs(), "plain", metrics=("EN", "SSIM"))
    part = evaluate(run, toy_pairs(), "plain", metrics=("SSIM",))
    assert run.calls == 3
    assert part.equals(whole[["image", "SSIM"]])


def test_a_further_metric_is_added_to_the_kept_ones(tmp_path):
    run = ToyRun(tmp_path)
    evaluate(run, toy_pairs(), "plain", metrics=("EN",))
    evaluate(run, toy_pairs(), "plain", metrics=("MI",))
    both = evaluate(run, toy_pairs(), "plain", metrics=("MI", "EN"))
    assert run.calls == 6
    assert both.equals(evaluate(Mean(), toy_pairs(), "plain", metrics=("MI", "EN")))


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "released"},
        {"convention": "standard"},
        {"precision": "bfloat16"},
        {"step": 5},
        {"pairs": toy_pairs(2, digest="2")},
    ],
)
def test_what_changes_a_number_is_scored_anew(tmp_path, change):
    run = ToyRun(tmp_path)
    usual = {"pairs": toy_pairs(2), "protocol": "plain", "metrics": ("MI",), "progress": False}
    evaluate(run, **usual)
    evaluate(run, **{**usual, **change})
    assert len(run.models) == 2
    # Other pixels stand beside the first rows; another way to score has a file of its own.
    assert len(cache_files(run)) == (1 if "pairs" in change else 2)


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path, monkeypatch):
    run, pairs, calls = ToyRun(tmp_path), toy_pairs(12), []

    def killed(*args):
        calls.append(args)
        # As a kill leaves it: nothing is written after the last regular save.
        if len(calls) == 11:
            monkeypatch.setattr("fusionlib.rows._write", lambda *_: None)
            raise KeyboardInterrupt
        return score(*args)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "score", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluate(run, pairs, "plain", metrics=("EN",), progress=False)
    monkeypatch.undo()
    assert run.calls == 11
    rows = evaluate(run, pairs, "plain", metrics=("EN",), progress=False)
    assert run.calls == 11 + 4
    assert rows.equals(evaluate(Mean(), pairs, "plain", metrics=("EN",), progress=False))


def test_an_interrupted_evaluation_keeps_every_row(tmp_path, monkeypatch):
    run = ToyRun(tmp_path)
    pairs = toy_pairs()
    broken = PairSet("toy", "test", (*pairs[:2], ToyPair("02N", (45, 45))))
    broken[2].ir = broken[2].ir * torch.nan
    with pytest.raises(FusionError, match="NaN"):
        evaluate(run, broken, "plain", metrics=("EN",))
    evaluate(run, pairs, "plain", metrics=("EN",))
    assert run.calls == 3 + 1


def test_no_half_file_is_left_when_the_disk_is_full(tmp_path, monkeypatch):
    run = ToyRun(tmp_path)
    evaluate(run, toy_pairs(), "plain", metrics=("EN",))
    before = [path.read_text() for path in cache_files(run)]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FusionError, match="No space left"):
        evaluate(run, toy_pairs(), "plain", metrics=("MI",))
    assert [path.read_text() for path in cache_files(run)] == before


def test_rows_of_a_model_are_kept_where_a_folder_is_named(tmp_path):
    model, keep = Mean(), tmp_path / "released" / "mean-0123"
    first = evaluate(model, toy_pairs(), "plain", metrics=("EN", "MI"), keep=keep)
    assert model.calls == 3
    again = evaluate(model, toy_pairs(), "plain", metrics=("MI",), keep=str(keep))
    assert model.calls == 3
    assert again.equals(first[["image", "MI"]])
    evaluate(model, toy_pairs(), "released", metrics=("MI",), keep=keep)
    assert model.calls > 3  # another protocol
    assert len(list((keep / "scores").iterdir())) == 2


def test_a_model_scores_alike_with_and_without_a_folder_and_leaves_nothing_else(tmp_path, store):
    keep = tmp_path / "rows"
    kept = evaluate(Mean(), toy_pairs(), "plain", metrics=("EN",), keep=keep)
    bare = evaluate(Mean(), toy_pairs(), "plain", metrics=("EN",))
    assert bare.equals(kept)
    assert bare.attrs == kept.attrs
    assert list(tmp_path.iterdir()) == [keep]
    assert not list(store.iterdir())


def test_a_folder_for_rows_is_refused_where_it_makes_no_sense(tmp_path):
    run = ToyRun(tmp_path)
    with pytest.raises(FusionError, match="a run keeps its rows in its own folder"):
        evaluate(run, toy_pairs(1), keep=tmp_path / "rows")
    file = tmp_path / "cnn.model"
    file.touch()
    model = Mean()
    with pytest.raises(FusionError, match=r"cnn\.model is a file"):
        evaluate(model, toy_pairs(1), keep=file)
    assert not run.models
    assert model.calls == 0


def test_step_without_a_run_is_refused():
    with pytest.raises(FusionError, match="step"):
        evaluate(Mean(), toy_pairs(1), step=3)


def test_a_metric_that_is_not_settled_has_a_column_for_each_candidate(tmp_path):
    run, labels = ToyRun(tmp_path), ["AG (pixels)", "AG (inner)", "SF"]
    rows = evaluate(run, toy_pairs(), "plain", "regionfuse", ("AG", "SF"))
    assert list(rows.columns) == ["image", *labels]
    assert evaluate(run, toy_pairs(), "plain", "regionfuse", ("AG", "SF")).equals(rows)
    assert run.calls == 3


def test_metrics_that_there_are_not_are_refused_before_anything_is_fused():
    model = Mean()
    with pytest.raises(FusionError, match="mean Qabf"):
        evaluate(model, toy_pairs(1), metrics="Qabv")
    assert model.calls == 0


def test_a_model_takes_names_of_metrics_as_a_folder_does():
    pairs = PairSet("toy", "test", (ToyPair("a", (180, 176)),))
    rows = evaluate(Mean(), pairs, "plain", "ssvif", None)
    assert list(rows.columns) == ["image", *PRINTED["ssvif"]]
    assert rows.equals(evaluate(Mean(), pairs, "plain", "ssvif", PRINTED["ssvif"]))
    assert list(evaluate(Mean(), pairs, "plain", metrics="ssim, ms_ssim").columns) == [
        "image", "SSIM", "MS-SSIM"
    ]  # fmt: skip
    assert set(evaluate(Mean(), pairs, "plain", metrics="all")) == {"image", *METRICS}


# --- in colour ------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_in_colour_it_is_scored_as_its_files_would_be(tmp_path, channels):
    pairs = toy_pairs()
    rows = evaluate(Mean(), pairs, "plain", "ssvif", ("MI", "ΔE", "SSIM"), channels=channels)
    for pair in pairs:
        if channels == 3:
            fused = fuse(Mean(), pair.ir[None].expand(-1, 3, -1, -1), pair.vi_rgb[None])[0]
        else:
            grey = fuse(Mean(), pair.ir[None], pair.vi[None])[0]
            levels = images.to_uint8(pair.vi_rgb).transpose(1, 2, 0)
            fused = images.recolour(grey, levels) / 255
        images.write(tmp_path / f"{pair.name}.png", fused)
    files = evaluate_folder(tmp_path, pairs, "ssvif", ("MI", "ΔE", "SSIM"))
    pd.testing.assert_frame_equal(rows, files, rtol=0, atol=1e-6, check_exact=False)
    assert rows["ΔE"].min() > 1


def test_a_run_of_three_channels_is_scored_in_colour_whatever_the_metrics(tmp_path):
    run, pairs = ToyRun(tmp_path), toy_pairs(2)
    run.spec.channels = 3
    rows = evaluate(run, pairs, "plain", metrics=("EN",))
    assert rows.equals(evaluate(Mean(), pairs, "plain", metrics=("EN",), channels=3))
    assert rows.attrs["images"] == "colour"
    both = evaluate(run, pairs, "plain", "bsp", ("EN", "ΔE"))
    assert both["EN"].equals(rows["EN"])
    assert run.calls == 4  # the rows of before lack ΔE


def test_rows_in_colour_are_kept_apart_from_grey_ones(tmp_path):
    run, pairs = ToyRun(tmp_path), toy_pairs(1)
    evaluate(run, pairs, "plain", metrics=("EN",))
    evaluate(run, pairs, "plain", metrics=("EN", "ΔE"))
    assert run.calls == 2
    assert len(cache_files(run)) == 2


# --- folders of fused images ----------------------------------------------------------------


def write_fused(folder, pairs, name="{}.png"):
    folder.mkdir(exist_ok=True)
    for pair in pairs:
        fused = fuse(Mean(), pair.ir[None], pair.vi[None])[0]
        images.write(folder / name.format(pair.name), fused)
    return folder


def write_colour(folder, pairs):
    for pair in pairs:
        images.write(folder / f"{pair.name}.png", 0.5 * pair.vi_rgb + 0.2)
    return folder


def test_a_folder_of_fused_images_scores_as_its_model_does(tmp_path):
    pairs = toy_pairs()
    write_fused(tmp_path, pairs)
    rows = evaluate_folder(tmp_path, pairs, "bsp", ("EN", "MI", "VIF"))
    assert rows.equals(evaluate(Mean(), pairs, "plain", "bsp", ("EN", "MI", "VIF")))
    assert rows.attrs["folder"] == str(tmp_path)
    assert rows.attrs["fingerprint"] == pairs.fingerprint


def test_several_folders_come_method_by_method(tmp_path):
    pairs = toy_pairs(2)
    first = write_fused(tmp_path / "first", pairs)
    second = write_colour(tmp_path, pairs)
    rows = evaluate_folders({"ours": second, "theirs": first}, pairs, metrics="mi,en")
    assert list(rows.columns) == ["method", "image", "MI", "EN"]
    assert list(rows["method"]) == ["ours", "ours", "theirs", "theirs"]
    for method, folder in (("ours", second), ("theirs", first)):
        alone = evaluate_folder(folder, pairs, metrics=("MI", "EN"))
        part = rows[rows["method"] == method].drop(columns="method").reset_index(drop=True)
        assert part.equals(alone)


def test_colour_fused_images_are_read_as_grey(tmp_path):
    pairs = toy_pairs(1)
    grey = torch.rand(1, *pairs[0].size)
    images.write(tmp_path / "00N.png", torch.cat((grey, grey * 0.5, grey * 0.2)))
    rows = evaluate_folder(tmp_path, pairs, metrics=("EN",))
    fused = images.read_grey(tmp_path / "00N.png")[None]
    expected = score(fused, pairs[0].ir[None], pairs[0].vi[None], ("EN",))["EN"].item()
    assert rows["EN"].item() == expected


def test_colour_is_scored_in_colour_and_changes_no_grey_metric(tmp_path):
    pairs = toy_pairs()
    write_colour(tmp_path, pairs)
    rows = evaluate_folder(tmp_path, pairs, metrics=("MI", "ΔE", "SSIM"))
    grey = evaluate_folder(tmp_path, pairs, metrics=("MI", "SSIM"))
    assert rows[["image", "MI", "SSIM"]].equals(grey)
    for value, pair in zip(rows["ΔE"], pairs, strict=True):
        fused = images.read_colour(tmp_path / f"{pair.name}.png")[None]
        assert value == METRICS["ΔE"](fused, None, pair.vi_rgb[None]).item()


def test_by_default_a_folder_is_scored_as_its_paper_does(tmp_path):
    pairs = PairSet("toy", "test", (ToyPair("a", (180, 176)),))
    assert list(evaluate_folder(write_colour(tmp_path, pairs), pairs, "ssvif").columns) == [
        "image", *PRINTED["ssvif"]
    ]  # fmt: skip
    # A grey image and a small one do not allow all of them.
    rows = evaluate_folder(write_fused(tmp_path, pairs), pairs, "ssvif")
    assert list(rows.columns) == ["image", "EN", "MI", "VIF", "Qabf", "SSIM", "MS-SSIM"]
    assert rows.attrs["left_out"] == {"ΔE": f"ΔE needs colour, but {tmp_path / 'a.png'} is grey"}
    pairs = toy_pairs()
    rows = evaluate_folder(write_colour(tmp_path, pairs), pairs, "ssvif", "all")
    assert set(METRICS) - set(rows) == {"MS-SSIM"}
    assert "02N (45x45 pixels)" in rows.attrs["left_out"]["MS-SSIM"]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_has_metrics_of_its_own(convention):
    assert choose(None, convention) == (list(PRINTED[convention]), False)


def test_names_are_taken_in_any_spelling_that_is_clear():
    assert choose("en, ms_ssim,QABF,deltaE,MS-SSIM", "bsp")[0] == ["EN", "MS-SSIM", "Qabf", "ΔE"]
    assert choose(["dE", "Δe"], "bsp") == (["ΔE"], True)
    assert choose("All", "bsp") == (list(METRICS), False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("EN,Qabv", "bsp"), r"'Qabv' \(did you mean Qabf\?\): choose from EN, "),
        (("zzzz", "bsp"), "'zzzz': choose from EN, .* or all"),
        (("", "bsp"), "no metric '': choose"),
        ((None, "bps"), "convention is 'bps': choose from bsp"),
    ],
)
def test_unknown_names_are_refused(arguments, says):
    with pytest.raises(FusionError, match=says):
        choose(*arguments)


def test_bad_folders_are_refused_before_anything_is_scored(tmp_path, monkeypatch):
    pairs = toy_pairs()
    write_fused(tmp_path, pairs)
    monkeypatch.setattr(evaluation, "make_rows", lambda *_, **__: pytest.fail("was scored"))
    with pytest.raises(FusionError, match="no metric 'NE'"):
        evaluate_folder(tmp_path, pairs, metrics="NE")
    with pytest.raises(FusionError, match=r"ΔE .*00N\.png is grey: leave ΔE out of the metrics"):
        evaluate_folder(tmp_path, pairs, metrics="EN,ΔE")
    with pytest.raises(FusionError, match=r"MS-SSIM needs larger images than 02N \(45x45 pixels\)"):
        evaluate_folder(tmp_path, pairs, metrics="MS-SSIM")
    (tmp_path / "01N.png").unlink()
    with pytest.raises(FusionError, match="lacks 1 of the pairs' images"):
        evaluate_folder(tmp_path, pairs)


def test_no_folder_is_refused():
    with pytest.raises(FusionError, match="no folder to score"):
        evaluate_folders({}, toy_pairs())


def test_a_damaged_image_is_named(tmp_path):
    pairs = toy_pairs(6)
    write_fused(tmp_path, pairs)
    good = (tmp_path / "04N.png").read_bytes()
    (tmp_path / "04N.png").write_bytes(good[: len(good) // 2])
    with pytest.raises(FusionError, match=r"04N\.png cannot be read"):
        evaluate_folder(tmp_path, pairs, metrics=("EN",))


def test_a_changed_image_is_scored_anew(tmp_path):
    pairs = toy_pairs(2)
    before = evaluate_folder(write_fused(tmp_path, pairs), pairs, metrics=("EN",))
    after = evaluate_folder(write_colour(tmp_path, pairs), pairs, metrics=("EN",))
    assert (before["EN"] != after["EN"]).all()


def test_folders_are_always_scored_and_leave_nothing_behind(tmp_path, store, monkeypatch):
    pairs = toy_pairs(2)
    write_fused(tmp_path, pairs)
    files = sorted(tmp_path.iterdir())
    before = evaluate_folder(tmp_path, pairs, metrics=("EN",))
    monkeypatch.setattr(  # a metric's code has changed
        evaluation, "score", lambda *a: {k: v + 1 for k, v in score(*a).items()}
    )
    after = evaluate_folder(tmp_path, pairs, metrics=("EN",))
    assert after["EN"].tolist() == pytest.approx((before["EN"] + 1).tolist(), rel=1e-6)
    assert sorted(tmp_path.iterdir()) == files
    assert not list(store.iterdir())


def test_the_next_image_is_read_while_one_is_scored_and_no_more(tmp_path, monkeypatch):
    pairs, read, most = toy_pairs(9), [], []
    write_fused(tmp_path, pairs)
    real = images.read_grey

    def reading(path):
        assert threading.current_thread() is not threading.main_thread()
        read.append(path)
        return real(path)

    def scoring(fused, *rest):
        # The next image may be on its way, never the one after it.
        most.append(len(read) - len(most))
        return score(fused, *rest)

    monkeypatch.setattr(images, "read_grey", reading)
    monkeypatch.setattr(evaluation, "score", scoring)
    evaluate_folder(tmp_path, pairs, metrics=("EN",))
    assert len(read) == 9
    assert max(most) <= 2


def test_summary_is_the_mean_of_each_metric():
    rows = evaluate(Mean(), toy_pairs(), "plain", metrics=("EN", "MI"))
    assert summary(rows).to_dict() == {"EN": rows["EN"].mean(), "MI": rows["MI"].mean()}
