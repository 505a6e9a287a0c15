"""The package's own weights: what a file beside its card becomes, and what is there."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import fusionlib.models
from fusionlib.errors import FusionError
from fusionlib.models import MODELS, create_model, load_trained, trained, trained_names

NOTE = {"model": "bsp-cnn", "key": "0123456789ab", "commit": None, "spec": {"steps": 20}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package's folder that holds two networks, one of them under a name of its own."""
    for name, model in (("bsp-gan", "bsp-gan"), ("night", "bsp-transformer")):
        state = {k: v.contiguous() for k, v in create_model(model).state_dict().items()}
        note = json.dumps({**NOTE, "model": model})
        save_file(state, tmp_path / f"{name}.safetensors", {"fusionlib": note})
        (tmp_path / f"{name}.md").write_text(f"# {name}\n", encoding="utf-8")
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    return tmp_path


def test_a_file_becomes_its_network(folder):
    assert trained_names() == ("bsp-gan", "night")
    for name, kind in (("bsp-gan", "bsp-gan"), ("night", "bsp-transformer")):
        model = load_trained(name)
        assert type(model) is MODELS[kind]
        assert not model.training
        assert trained.card(name) == f"# {name}\n"
        assert trained.origin(name) == {**NOTE, "model": kind}
        with torch.no_grad():
            fused = model(torch.rand(1, 1, 20, 30), torch.rand(1, 1, 20, 30))
        assert fused.isfinite().all()


@pytest.mark.parametrize("read", [load_trained, trained.card, trained.origin])
def test_other_names_are_refused_with_a_list(folder, read):
    with pytest.raises(FusionError, match=r"no trained weights 'bsp-cnm'; it holds bsp-gan, night"):
        read("bsp-cnm")
    with pytest.raises(FusionError, match=r"holds no trained weights 'bsp-cnn'"):
        read()
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(FusionError, match=r"it holds none"):
        read("night")


def test_what_the_package_ships_is_whole_and_small():
    files = sorted(Path(fusionlib.models.__file__).parent.rglob("*.safetensors"))
    assert [file.stem for file in files] == list(trained_names())
    for name in trained_names():
        assert (trained.FOLDER / f"{name}.safetensors").stat().st_size < 1_000_000
        model, card, origin = load_trained(name), trained.card(name), trained.origin(name)
        count = sum(weights.numel() for weights in model.parameters())
        assert f"{count:,} parameters" in card
        assert card.startswith(f"# {name}: ")
        assert re.search(rf"\bRun {origin['key']}\b", card)
        assert origin["spec"]["model"] == origin["model"]
