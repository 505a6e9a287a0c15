"""Segmentation networks: counts, sizes, what they see, and weights from files."""

import os
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.models.segmentation import MEAN, STD, SegmentationHead, load_encoder, segformer
from tests.models.small_images import parameters, untrained


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return segformer("b0", 9).eval()


# --- the head ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "classes", "count"),
    [((60,), 15, 72_527), ((96,), 9, 92_873), ((8, 16, 32, 32), 15, 88_655)],
)
def test_number_of_parameters_of_a_head(channels, classes, count):
    assert parameters(SegmentationHead(channels, classes)) == count


def test_scales_are_brought_to_the_first_and_joined():
    head = SegmentationHead((3, 2), 4, width=5)
    large, small = torch.rand(2, 3, 8, 12), torch.rand(2, 2, 4, 6)
    up = F.interpolate(small, scale_factor=2, mode="bilinear")
    joined = torch.cat((large, up), 1)
    logits = head((large, small))
    assert logits.shape == (2, 4, 8, 12)
    torch.testing.assert_close(logits, head.layers(joined))
    torch.testing.assert_close(logits, SegmentationHead.forward(head, joined))


def test_a_head_sees_two_pixels_around_and_no_batch():
    head, maps = SegmentationHead((3,), 2), torch.rand(2, 3, 9, 9)
    moved = maps.clone()
    moved[0, :, 4, 4] += 1
    changed = (head(moved) != head(maps)).any(1)
    assert changed[0, 2:7, 2:7].all()
    assert changed.sum() == 25


def test_every_weight_of_a_head_is_trained():
    head = SegmentationHead((3, 2), 4)
    features = [torch.rand(2, 3, 8, 8, requires_grad=True), torch.rand(2, 2, 4, 4)]
    head(tuple(features)).square().mean().backward()
    assert untrained(head) == []
    assert features[0].grad.abs().max() > 0


# --- SegFormer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "classes", "count"),
    [
        ("b0", 15, 3_717_999), ("b0", 9, 3_716_457), ("b1", 15, 13_681_103),
        ("b1", 9, 13_679_561), ("b3", 15, 47_233_999), ("b3", 9, 47_229_385),
    ],
)  # fmt: skip
def test_number_of_parameters_of_segformer(size, classes, count):
    with torch.device("meta"):
        assert parameters(segformer(size, classes)) == count


def test_the_default_is_that_of_the_paper():
    with torch.device("meta"):
        assert parameters(segformer()) == 47_233_999


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_logits_have_the_size_of_the_image(network, size):
    with torch.no_grad():
        logits = network(torch.rand(2, 3, *size))
    assert logits.shape == (2, 9, *size)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


def test_logits_are_those_of_a_quarter_of_the_size(network):
    images = torch.rand(1, 3, 32, 64)
    normal = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        small = network.layers(normal).logits
        assert small.shape == (1, 9, 8, 16)
        logits = network(images)
    torch.testing.assert_close(logits, F.interpolate(small, scale_factor=4, mode="bilinear"))


@pytest.mark.parametrize("size", [(31, 64), (64, 20)])
def test_small_images_are_refused(network, size):
    with pytest.raises(FusionError, match=f"32 pixels or more a side, not of {size[0]}x{size[1]}"):
        network(torch.rand(1, 3, *size))


def test_grey_is_seen_as_three_equal_channels(network):
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


def test_of_one_channel():
    one = segformer("b0", 9, channels=1).eval()
    # The first convolution, 7x7 to 32 maps, has two channels less.
    assert parameters(one) == 3_716_457 - 2 * 32 * 49
    assert one(torch.rand(1, 1, 32, 32)).shape == (1, 9, 32, 32)


def test_one_class_will_do():
    assert segformer("b0", 1).eval()(torch.rand(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_every_weight_of_segformer_is_trained(network):
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    # A bias of the keys moves all scores of a query alike, which soft-max does not see.
    assert [name for name in untrained(network) if not name.endswith("k_proj.bias")] == []
    network.zero_grad(set_to_none=True)


def test_the_seed_alone_decides():
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(torch.cat([w.flatten() for w in segformer("b0", 9).state_dict().values()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_under_autocast_logits_are_float32(network):
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        exact = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(images)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b2", 9), "sizes b0, b1, b3, not 'b2'"),
        (("b0", 0), "classes is 0"),
        (("b0", True), "classes is True"),
        (("b0", 9, 2), "channels=3 or channels=1, not 2"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, message):
    with pytest.raises(FusionError, match=message):
        segformer(*arguments)


def test_a_head_without_classes_is_refused():
    with pytest.raises(FusionError, match="classes is 0"):
        SegmentationHead((60,), 0)


def test_it_is_made_offline_and_in_silence(tmp_path):
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('it went online')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import torch\n"
        "from fusionlib.models.segmentation import segformer\n"
        "assert 'transformers' not in sys.modules\n"
        "segformer('b0', 9)(torch.rand(1, 3, 32, 32))\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "hub").exists()


# --- weights from files -----------------------------------------------------------------------


def drawn(seed, classes=9, size="b0"):
    torch.manual_seed(seed)
    return segformer(size, classes)


def file_of(tmp_path, values):
    file = tmp_path / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in values.items()}, file)
    return file


def as_published(name):
    """The name that files on the hub have."""
    rules = [
        (r"segformer\.stages\.(\d)\.patch", r"segformer.encoder.patch"),
        (r"segformer\.stages\.(\d)\.blocks\.", r"segformer.encoder.block.\1."),
        (r"segformer\.stages\.(\d)\.layer_norm", r"segformer.encoder.layer_norm.\1"),
        (r"\.q_proj", ".self.query"), (r"\.k_proj", ".self.key"), (r"\.v_proj", ".self.value"),
        (r"sequence_reduction\.sequence_reduction", "self.sr"),
        (r"sequence_reduction\.layer_norm", "self.layer_norm"),
        (r"o_proj", "output.dense"), (r"fc1", "dense1"), (r"fc2", "dense2"),
        (r"layernorm_before", "layer_norm_1"), (r"layernorm_after", "layer_norm_2"),
        (r"linear_projections", "linear_c"),
    ]  # fmt: skip
    if stage := re.search(r"stages\.(\d)\.patch_embeddings", name):
        name = name.replace(stage[0], f"encoder.patch_embeddings.{stage[1]}")
    for pattern, to in rules:
        name = re.sub(pattern, to, name)
    return name


@pytest.mark.parametrize("names", ["a run's", "transformers'", "published"])
def test_weights_of_a_file_are_taken_whole(tmp_path, names, capfd):
    one, other = drawn(1), drawn(2)
    values = one.state_dict() if names == "a run's" else one.layers.state_dict()
    if names == "published":
        values = {as_published(name): value for name, value in values.items()}
        assert "segformer.encoder.block.2.1.attention.self.query.weight" in values
        assert "segformer.encoder.patch_embeddings.3.proj.weight" in values
    load_encoder(other, file_of(tmp_path, values))
    for name, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    assert capfd.readouterr() == ("", "")


def test_of_other_classes_all_but_the_last_layer_is_taken(tmp_path):
    one, other = drawn(1, classes=15), drawn(2)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    load_encoder(other, file_of(tmp_path, one.state_dict()))
    for name, value in other.state_dict().items():
        expected = before if "classifier" in name else one.state_dict()
        assert torch.equal(value, expected[name]), name


def test_of_an_encoder_alone_the_decoder_stays(tmp_path):
    one, other = drawn(1), drawn(2)
    decoder = {name: value.clone() for name, value in other.decoder.state_dict().items()}
    values = {n: v for n, v in one.state_dict().items() if ".segformer." in n}
    load_encoder(other, file_of(tmp_path, values))
    for name, value in other.encoder.state_dict().items():
        assert torch.equal(value, one.encoder.state_dict()[name]), name
    for name, value in other.decoder.state_dict().items():
        assert torch.equal(value, decoder[name]), name


def test_a_file_of_another_encoder_is_refused(tmp_path):
    file = file_of(tmp_path, drawn(1, size="b1").state_dict())
    with pytest.raises(FusionError, match=r"lacks \d+ tensors of this SegFormer, such as segform"):
        load_encoder(drawn(2), file)
    values = drawn(1).state_dict()
    del values["layers.segformer.stages.1.layer_norm.bias"]
    with pytest.raises(FusionError, match=r"lacks 1 tensors .*stages\.1\.layer_norm\.bias"):
        load_encoder(drawn(2), file_of(tmp_path, values))


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    for name in ("bad.safetensors", "none.safetensors"):
        with pytest.raises(FusionError, match=rf"{name} can't be read as weights \(.*\): name a"):
            load_encoder(drawn(1), tmp_path / name)
