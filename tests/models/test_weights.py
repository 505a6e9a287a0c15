"""Weights files of both formats: what fits is loaded, what does not is named."""

import pickle
import re

import pytest
import torch
from safetensors.torch import save_file

from fusionlib.errors import FusionError
from fusionlib.models import MODELS, create_model, load_weights
from fusionlib.models.bsp_transformer import band


def drawn(name="bsp-cnn", channels=1):
    """A network without a tensor that is all 0 or 1, so that a mix-up shows."""
    model = create_model(name, channels)
    for value in model.state_dict().values():
        value.copy_(torch.rand(value.shape) if value.is_floating_point() else torch.tensor(7))
    return model.eval()


def as_published(model):
    """The state dict as the authors write it: other names, the same order, linear layers, masks."""
    state = {}
    for index, (name, value) in enumerate(model.state_dict().items()):
        part, _, kind = name.rpartition(".")
        if part.endswith(("expand", "reduce")) and kind == "weight":
            value = value.flatten(1)
        if part.endswith("neighbours"):
            state[f"net.{index}.eca.conv.mask"] = band(len(value))
        state[f"net.{index}.{kind}"] = value
    return state


def equal(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def published(tmp_path, state):
    torch.save(state, tmp_path / "their.model")
    return tmp_path / "their.model"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["bsp-cnn", "bsp-transformer", "bsp-gan"])
def test_the_authors_format_comes_back(tmp_path, name, channels):
    model = drawn(name, channels)
    file = published(tmp_path, as_published(model))
    for given in (name, None):
        loaded = load_weights(file, given)
        assert type(loaded) is MODELS[name]
        assert not loaded.training
        assert equal(loaded, model)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["bsp-cnn", "bsp-transformer"])
def test_our_format_comes_back(tmp_path, name, channels):
    model = drawn(name, channels)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "w.safetensors"
    )
    assert equal(load_weights(tmp_path / "w.safetensors"), model)
    assert equal(load_weights(str(tmp_path / "w.safetensors"), name), model)


def test_what_torch_save_makes_of_our_network_is_read_too(tmp_path):
    model = drawn("bsp-transformer")
    assert equal(load_weights(published(tmp_path, model.state_dict())), model)
    assert equal(load_weights(published(tmp_path, {"state_dict": model.state_dict()})), model)
    # As DataParallel names them, and as half precision keeps them.
    half = {f"module.{name}": value.half() for name, value in model.state_dict().items()}
    loaded = load_weights(published(tmp_path, half))
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[name].half().float())


def test_loading_does_not_move_the_seed(tmp_path):
    file = published(tmp_path, drawn().state_dict())
    before = torch.get_rng_state()
    load_weights(file)
    assert torch.equal(torch.get_rng_state(), before)


def refusal(file, name=None):
    with pytest.raises(FusionError) as caught:
        load_weights(file, name)
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    assert not re.search(r"\. [A-Z]", message)  # one sentence
    return message


def test_another_architecture_is_refused_by_its_first_wrong_tensor(tmp_path):
    file = published(tmp_path, as_published(drawn("bsp-transformer")))
    assert (
        "weights of bsp-cnn (its tensor net.2.weight is float32 (64, 16), where encode1.1.weight is"
        " float32 (16,))" in refusal(file, "bsp-cnn")
    )
    file = published(tmp_path, as_published(drawn("bsp-cnn")))
    message = refusal(file, "bsp-transformer")
    assert "net.2.weight is float32 (16,), where fuse1.expand.weight is float32 (64, 16)" in message
    assert equal(load_weights(file, "bsp-gan"), load_weights(file, "bsp-cnn"))


def test_our_format_of_another_architecture_is_refused(tmp_path):
    state = {k: v.contiguous() for k, v in drawn("bsp-transformer").state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    message = refusal(tmp_path / "w.safetensors", "bsp-cnn")
    assert "bsp-cnn (encode1.0.weight, float32 (16, 2, 1, 1), is missing)" in message
    del state["decode1.2.bias"]
    save_file(state, tmp_path / "w.safetensors")
    message = refusal(tmp_path / "w.safetensors")
    assert f"any of {', '.join(MODELS)}, the nearest being bsp-transformer" in message
    assert "decode1.2.bias, float32 (1,), is missing" in message
    state |= {"decode1.2.bias": torch.zeros(1), "critic.weight": torch.zeros(3)}
    save_file(state, tmp_path / "w.safetensors")
    assert "the tensor critic.weight, float32 (3,), is one too many" in refusal(
        tmp_path / "w.safetensors", "bsp-transformer"
    )


def change(state, index, name=None, value=None):
    """The state with one tensor renamed or replaced."""
    items = list(state.items())
    items[index] = (name or items[index][0], items[index][1] if value is None else value)
    return dict(items)


def swap(state, first, second):
    items = list(state.items())
    items[first], items[second] = items[second], items[first]
    return dict(items)


# What is done to the CNN's tensors, in the authors' order, and what is said about it.
SLIPS = {
    "shape": (
        lambda state: change(state, 4, value=torch.zeros(16, 64)),
        "its tensor net.4.weight is float32 (16, 64), where fuse1.expand.weight is float32",
    ),
    "one more dimension": (
        lambda state: change(state, 4, value=torch.zeros(64, 16, 3, 1)),
        "net.4.weight is float32 (64, 16, 3, 1), where fuse1.expand.weight",
    ),
    "whole numbers": (
        lambda state: change(state, 1, value=torch.zeros(16, dtype=torch.int64)),
        "net.1.bias is int64 (16,), where encode1.0.bias is float32 (16,)",
    ),
    "a count with a fraction": (
        lambda state: change(state, 13, value=torch.tensor(1.0)),
        "net.13.num_batches_tracked is float32 (), where encode2.0.0.new.0.num_batches_tracked is",
    ),
    # Both have 16 numbers: only what they are called tells.
    "another order": (
        lambda state: swap(state, 2, 3),
        "net.3.bias is float32 (16,), where encode1.1.weight is float32 (16,)",
    ),
    "too few": (
        lambda state: dict(list(state.items())[:-1]),
        "decode1.2.bias, float32 (1,), is missing",
    ),
    "too many": (
        lambda state: {**state, "critic.weight": torch.zeros(3)},
        "the tensor critic.weight, float32 (3,), is one too many",
    ),
    "NaN": (
        lambda state: change(state, 0, value=torch.full((16, 2, 1, 1), torch.nan)),
        "holds NaN or infinity (in encode1.0.weight)",
    ),
    "infinity": (
        lambda state: change(state, 11, value=torch.full((16,), -torch.inf)),
        "holds NaN or infinity (in encode2.0.0.new.0.running_mean)",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_wrong_tensor_is_named(tmp_path, slip):
    spoil, expected = SLIPS[slip]
    state = as_published(drawn("bsp-cnn"))
    load_weights(published(tmp_path, state))  # good so far
    file = published(tmp_path, spoil(state))
    assert expected in refusal(file, "bsp-cnn")
    assert expected in refusal(file)


@pytest.mark.parametrize(
    "mask", [band(64).tril(), torch.ones(64, 64), torch.ones(3, 64), torch.tensor(1)]
)
def test_another_mask_is_another_network(tmp_path, mask):
    state = as_published(drawn("bsp-transformer"))
    (first, *_) = (name for name in state if name.endswith("mask"))
    file = published(tmp_path, {**state, first: mask})
    assert f"{first} is not 1 on the three central diagonals" in refusal(file)


class Code:
    """Pickled, this opens a file for writing when it is read."""

    def __init__(self, trap):
        self.trap = trap

    def __reduce__(self):
        return open, (str(self.trap), "w")


def test_no_code_is_unpickled(tmp_path):
    trap, file = tmp_path / "trap", tmp_path / "w.model"
    torch.save({**drawn().state_dict(), "code": Code(trap)}, file)
    assert "no code is unpickled" in refusal(file)
    file.write_bytes(pickle.dumps(Code(trap), protocol=2))
    assert "no code is unpickled" in refusal(file)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Code(trap))).close()
    assert trap.exists()  # it would have run


@pytest.mark.parametrize("suffix", [".model", ".safetensors"])
def test_damaged_files(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".model":
        torch.save(drawn().state_dict(), whole)
    else:
        save_file({k: v.contiguous() for k, v in drawn().state_dict().items()}, whole)
    content, file = whole.read_bytes(), tmp_path / f"w{suffix}"
    for part in (b"", b"no weights", content[:4], content[:5000], content[: len(content) // 2]):
        file.write_bytes(part)
        assert "damaged" in refusal(file)
    assert "is a folder" in refusal(tmp_path)
    assert "There is no weights file" in refusal(tmp_path / f"other{suffix}")


@pytest.mark.parametrize("content", [{}, [torch.zeros(3)], torch.zeros(3), {"weight": 3.0}, None])
def test_what_is_no_state_dict(tmp_path, content):
    assert "no state dict" in refusal(published(tmp_path, content))


def test_unknown_architectures_are_refused(tmp_path):
    with pytest.raises(FusionError, match="no model 'bsp-cnm'"):
        load_weights(published(tmp_path, {}), "bsp-cnm")
