import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fusionlib import evaluation, images
from fusionlib.data import PairSet
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate, evaluate_folder, summary
from fusionlib.inference import fuse
from fusionlib.metrics import score


@dataclass
class ToyPair:
    name: str
    size: tuple[int, int]
    digest: str = "1"

    def __post_init__(self):
        generator = torch.Generator().manual_seed(sum(self.name.encode()))
        self.ir, self.vi = (torch.rand(1, *self.size, generator=generator) for _ in range(2))


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
    spec: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(total_steps=9))
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
            monkeypatch.setattr(evaluation, "_write_rows", lambda *_: None)
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


def test_step_without_a_run_is_refused():
    with pytest.raises(FusionError, match="step"):
        evaluate(Mean(), toy_pairs(1), step=3)


def write_fused(folder, pairs, suffix=".png"):
    for pair in pairs:
        images.write(folder / f"{pair.name}{suffix}", fuse(Mean(), pair.ir[None], pair.vi[None])[0])


def test_a_folder_of_fused_images_scores_as_its_model_does(tmp_path):
    pairs = toy_pairs()
    write_fused(tmp_path, pairs)
    images.write(tmp_path / "unrelated.png", torch.zeros(1, 9, 9))
    rows = evaluate_folder(tmp_path, pairs, "bsp", ("EN", "MI", "VIF"))
    assert rows.equals(evaluate(Mean(), pairs, "plain", "bsp", ("EN", "MI", "VIF")))
    assert rows.attrs["folder"] == str(tmp_path)


def test_colour_fused_images_are_read_as_grey(tmp_path):
    pairs = toy_pairs(1)
    grey = torch.rand(1, *pairs[0].size)
    images.write(tmp_path / "00N.png", torch.cat((grey, grey * 0.5, grey * 0.2)))
    rows = evaluate_folder(tmp_path, pairs, metrics=("EN",))
    fused = images.read_grey(tmp_path / "00N.png")[None]
    expected = score(fused, pairs[0].ir[None], pairs[0].vi[None], ("EN",))["EN"].item()
    assert rows["EN"].item() == expected


def test_bad_folders_are_refused_before_anything_is_scored(tmp_path, monkeypatch):
    pairs = toy_pairs()
    monkeypatch.setattr(evaluation, "score", lambda *_: pytest.fail("something was scored"))
    with pytest.raises(FusionError, match="nowhere"):
        evaluate_folder(tmp_path / "nowhere", pairs)
    write_fused(tmp_path, pairs[:2])
    with pytest.raises(FusionError, match="02N"):
        evaluate_folder(tmp_path, pairs)
    images.write(tmp_path / "02N.png", torch.zeros(1, 45, 44))
    with pytest.raises(FusionError, match=r"02N\.png is 44x45 .* 45x45"):
        evaluate_folder(tmp_path, pairs)
    images.write(tmp_path / "02N.bmp", torch.zeros(1, 45, 45))
    with pytest.raises(FusionError, match=r"02N\.bmp and 02N\.png"):
        evaluate_folder(tmp_path, pairs)
    (tmp_path / "02N.bmp").unlink()
    (tmp_path / "02N.png").write_bytes((tmp_path / "01N.png").read_bytes()[:200])
    with pytest.raises(FusionError, match=r"02N\.png"):
        evaluate_folder(tmp_path, pairs)


def test_summary_is_the_mean_of_each_metric():
    rows = evaluate(Mean(), toy_pairs(), "plain", metrics=("EN", "MI"))
    assert summary(rows).to_dict() == {"EN": rows["EN"].mean(), "MI": rows["MI"].mean()}
