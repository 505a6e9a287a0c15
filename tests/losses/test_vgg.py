"""VGG's convolutions and their weights files, with random weights."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.losses.vgg import MEAN, STD, VGG, load_vgg

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["vgg16", "vgg19"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def network(name):
    torch.manual_seed(0)
    return VGG(name)


def test_number_of_parameters(name, network):
    # 138,357,544 and 143,667,240 as published, less the classifier's.
    classifier = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
    expected = {"vgg16": 138_357_544, "vgg19": 143_667_240}[name] - classifier
    assert sum(weights.numel() for weights in network.parameters()) == expected


def test_layers_are_numbered_as_torchvision_does(name, network):
    numbers = {int(key.split(".")[1]) for key in network.state_dict()}
    vgg16 = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}
    vgg19 = {0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34}
    assert numbers == (vgg16 if name == "vgg16" else vgg19)


def test_taps_are_what_a_relu_gives(network):
    images = torch.rand(2, 1, 16, 16)
    x = (images.repeat(1, 3, 1, 1) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(
        3, 1, 1
    )
    layers = network.features
    first = F.relu(layers[2](F.relu(layers[0](x))))
    second = F.relu(layers[5](F.max_pool2d(first, 2)))
    with torch.no_grad():
        found = network(images, ((2, 1), (1, 2)))  # in the order that is asked for
        torch.testing.assert_close(found[0], second)
        torch.testing.assert_close(found[1], first)
        deep = network(images, ((5, 1),))[0]
    assert deep.shape == (2, 512, 1, 1)
    assert deep.min() >= 0


@pytest.mark.parametrize("kind", ["whole.pth", "features.pth", "whole.safetensors"])
def test_files_of_every_form(tmp_path, kind, name, network):
    state = {key: value.clone() for key, value in network.state_dict().items()}
    if kind.startswith("features"):
        state = {key.removeprefix("features."): value for key, value in state.items()}
    else:
        state["classifier.0.weight"] = torch.zeros(2, 2)
    file = tmp_path / kind
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    loaded = load_vgg(str(file), name, CPU)
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert not any(weights.requires_grad for weights in loaded.parameters())
    assert not loaded.training


def test_what_is_no_such_file(tmp_path):
    with pytest.raises(FusionError, match=r"There is no vgg19 weights file .*none\.pth"):
        load_vgg(str(tmp_path / "none.pth"), "vgg19", CPU)
    file = tmp_path / "w.pth"
    file.write_bytes(b"no weights")
    with pytest.raises(FusionError, match="damaged or holds more than tensors"):
        load_vgg(str(file), "vgg19", CPU)
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    with pytest.raises(FusionError, match=r"w\.pth does not hold the weights of vgg19"):
        load_vgg(str(file), "vgg19", CPU)
