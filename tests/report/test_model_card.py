"""A run becomes part of the package: its weights, where they come from, and a card."""

import dataclasses
import re

import pandas as pd
import pytest
import torch

from fusionlib.data import open_pairs
from fusionlib.data.base import joined, patch_source
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.models import load_trained, load_weights, trained
from fusionlib.report import model_card
from fusionlib.report.model_card import expected, ship
from fusionlib.training import Spec, open_run, train

SIZE = (64, 96)


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """The folder of the package's weights, empty, and an empty store."""
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(trained, "FOLDER", tmp_path / "package")
    return tmp_path / "package"


def spec(**changes):
    pairs = open_pairs("scenes", "train", names=["0000D", "0001N"], size=SIZE)
    ir, vi = (patch_source(pairs, modality, 32, 32) for modality in ("ir", "vi"))
    given = dict(model="bsp-cnn", ir=ir, vi=vi, relation="unpaired", pairs=8, steps=2, seed=3)
    return Spec(**{**given, **changes})


@pytest.fixture
def run():
    return train(spec(), device="cpu", quiet=True)


@pytest.fixture
def scores():
    table = pd.DataFrame({"test_set": ["MSRS"], "images": [1361], "EN": [6.58349], "VIF": [0.93]})
    table.attrs = {"protocol": "released", "convention": "bsp"}
    return table


def test_the_weights_are_the_runs_last(run, scores, package):
    assert ship(run, scores) == package / "bsp-cnn.safetensors"
    assert sorted(file.name for file in package.iterdir()) == ["bsp-cnn.md", "bsp-cnn.safetensors"]
    for model in (load_trained(), load_weights(package / "bsp-cnn.safetensors")):
        for name, value in run.model().state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name


def test_the_card_says_what_the_run_was(run, scores, package):
    ship(run, scores)
    card = trained.card()
    size = (package / "bsp-cnn.safetensors").stat().st_size
    for text in (
        "# bsp-cnn: ",
        "(B, 1, H, W)",
        "`bsp-cnn`. The CNN baseline of Beyond Strict Pairing",
        f"214,882 parameters, {size / 1e6:.2f} MB",
        f"- infrared: 12 patches, 32 pixels apart, of 2 images of scenes train (fingerprint"
        f" {run.spec.ir.fingerprint}): 0000D, 0001N",
        f"- visible: 12 patches, 32 pixels apart, of 2 images of scenes train (fingerprint"
        f" {run.spec.vi.fingerprint}): 0000D, 0001N",
        'relation "unpaired": 8 an epoch, new ones each epoch',
        "2 steps of 8 pairs, 16 in all; Adam, learning rate 0.0001, seed 3; the network in float32",
        f"Objective: `{run.spec.loss}`.",
        f"Run {run.key}: ",
        f"torch {torch.__version__}",
        f"commit {run.provenance['commit'] or 'unknown'}",
        "protocol released, convention bsp",
        "| MSRS | 1,361 | 6.583 | 0.930 |",
        "2 scenes of scenes alone, in patches of 32 × 32",
        "It fuses grey images",
        "- scenes: rendered by fusionlib, free to use.",
    ):
        assert text in card
    assert "{" not in card.replace("{'", "")
    assert "discriminator" not in card


def test_the_cards_code_makes_the_same_spec(run, scores, package):
    ship(run, scores, "mine")
    code = re.search("```python\n(.*?)```", trained.card("mine"), re.S)[1]
    seconds = run.provenance["seconds"]
    names = {}
    exec(code, names)  # the run is in the store: it is not trained again
    assert names["run"].spec == run.spec
    assert names["run"].key == run.key == trained.origin("mine")["key"]
    assert names["run"].provenance["seconds"] == seconds


def test_other_runs_are_told_apart(run, scores, package):
    ship(run, scores)
    card = trained.card()
    pairs = open_pairs("scenes", "train", names=["0002D"], size=SIZE)
    vi = patch_source(pairs, "vi", 32, 16, first=2)
    other = spec(vi=vi, redraw=False, pairs=16, steps=1)
    ship(train(other, device="cpu", quiet=True), scores)
    changed = trained.card()
    assert "2 infrared images of scenes and 1 visible images of scenes alone" in changed
    assert "- visible: 2 patches, 16 pixels apart" in changed
    assert "the same ones in new order" in changed
    assert changed != card


def test_a_gans_card_says_what_is_inferred(scores, package):
    gan = train(spec(model="bsp-gan", steps=1), device="cpu", quiet=True)
    ship(gan, scores)
    card = trained.card("bsp-gan")
    assert "two discriminators" in card
    assert "inferred" in card
    assert f"`{gan.spec.adversarial}`" in card
    assert trained.origin("bsp-gan")["model"] == "bsp-gan"


def test_colour_and_datasets_in_the_card():
    assert "infrared image is to be repeated" in model_card._colour(3)
    assert "non-commercial" in model_card._licence("LLVIP")
    assert "Jia et al." in model_card._licence("LLVIP")


def test_every_part_of_a_joined_source_is_named(scores, package):
    pairs = open_pairs("scenes", "train", names=["0000D", "0001N"], size=SIZE)
    own = dataclasses.replace(patch_source(pairs, "vi", 32, 32), dataset="LLVIP")
    vi = joined(patch_source(pairs, "vi", 32, 32, first=2), own)
    ir = patch_source(pairs, "ir", 32, 32)
    told = model_card._scenes(ir, vi)
    assert told == "2 infrared images of scenes and 4 visible images of scenes and LLVIP"
    ship(train(spec(vi=joined(*[patch_source(pairs, "vi", 32, 32)] * 2)), device="cpu"), scores)
    card = trained.card()
    assert card.count("- visible:") == 2
    assert card.count("- infrared:") == 1


def test_expected_scores_are_the_means_of_the_evaluation(run):
    sets = [open_pairs("scenes", "test", names=names, size=SIZE) for names in (["0000D"], None)]
    sets[1] = sets[1].select(sets[1].names[:2])
    table = expected(run, sets, "whole+clip")
    assert list(table.images) == [1, 2]
    assert table.attrs == {"protocol": "plain", "convention": "bsp"}
    rows = evaluate(run, sets[1], "plain", progress=False)
    assert table.EN[1] == pytest.approx(rows.EN.mean())
    assert list(table.columns) == ["test_set", "images", *rows.columns[1:]]


def test_an_unfinished_run_is_refused(run, scores, package):
    longer = open_run(dataclasses.replace(run.spec, steps=40))
    longer.save_weights(run.model(), 20)
    with pytest.raises(FusionError, match=rf"{longer.key} is not finished .*step 20"):
        ship(longer, scores)
    assert not package.exists()


def test_weights_that_are_too_large_are_refused(run, scores, package, monkeypatch):
    monkeypatch.setattr(model_card, "MOST_BYTES", 800_000)
    with pytest.raises(FusionError, match=r"take 8\d\d,\d{3} bytes.*at most 800,000"):
        ship(run, scores)
    assert not package.exists()


def test_the_command_scores_and_ships(run, package, monkeypatch, capsys):
    few = open_pairs("scenes", "test", names=["0000D", "0001N"], size=SIZE)
    monkeypatch.setattr(model_card, "open_pairs", lambda *given: few)
    assert model_card.main([run.key, "scenes", "--name", "mine", "--protocol", "plain"]) == 0
    assert str(package / "mine.safetensors") in capsys.readouterr().out
    means = evaluate(run, few, "plain", progress=False).EN.mean()
    assert f"| scenes | 2 | {means:.3f} |" in trained.card("mine")
    assert model_card.main(["0123456789ab", "scenes"]) == 2
    assert "no run 0123456789ab in the store" in capsys.readouterr().err
