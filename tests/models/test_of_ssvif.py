"""What the architectures that SSVIF trains have in common: sizes, features, counts, colour."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models import MODELS, create_model, load_weights
from fusionlib.models.cost import cost
from tests.models.layer_macs import layer_macs
from tests.models.small_images import flat, images, off_by_autocast, parameters, untrained

# Parameters; those never called; fvcore's count for 256 x 256 in units of 10^9, as printed. The
# layer norms' values, and multiply-accumulates of scores and of what they weight, for each pixel:
# 28 streams of windowed attention, in each 64 pixels and 60 channels; heads of C / 8 channels in
# EMMA's 4 blocks at each scale (two encoders, fusion, decoder).
PIXELS = 256 * 256
COUNTS = {
    ("swinfusion", 1): (973_681, 8_430, 75.980),
    ("swinfusion", 3): (975_033, 8_970, 76.069),
    ("seafusion", 1): (166_883, 226, 10.879),
    ("seafusion", 3): (167_753, 230, 10.936),
    ("emma", 1): (1_517_657, 0, 8.623),
    ("emma", 3): (1_518_091, 0, 8.652),
}
NORMED = {"swinfusion": PIXELS * 60 * (2 * 28 + 10), "seafusion": 0, "emma": 0}
ATTENTION = {
    "swinfusion": PIXELS * 28 * 2 * 64 * 60,
    "seafusion": 0,
    "emma": sum(
        (PIXELS >> 2 * scale) * 4 * 2 * 8 * (width // 8) ** 2
        for scale, width in enumerate((8, 16, 32, 32))
    ),
}
NAMES = tuple(NORMED)
HOLDING_UNUSED = ("swinfusion", "seafusion")
every = pytest.mark.parametrize("name", NAMES)
both = pytest.mark.parametrize("channels", [1, 3])


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(1)
    return {key: create_model(*key).eval() for key in COUNTS}


def shapes_alone(name, channels):
    with torch.device("meta"):
        return create_model(name, channels).eval()


@every
@both
def test_number_of_parameters(models, name, channels):
    total, unused, _ = COUNTS[name, channels]
    model = models[name, channels]
    assert parameters(model) == total
    if name in HOLDING_UNUSED:
        assert parameters(model.unused) == unused
        assert parameters(MODELS[name](channels, unused=False)) == total - unused


@every
@both
def test_work_is_the_published_one(name, channels):
    model = shapes_alone(name, channels)
    layers, normed = layer_macs(model, 256, 256, channels)
    assert normed == NORMED[name]
    found = cost(model, 256, 256, channels)
    assert found.macs == layers + ATTENTION[name]
    as_fvcore = cost(model, 256, 256, channels, convention="fvcore")
    assert as_fvcore.macs == found.macs + 5 * normed
    assert f"{as_fvcore.macs / 1e9:.3f}" == f"{COUNTS[name, channels][2]:.3f}"
    assert as_fvcore.parameters == COUNTS[name, channels][0]


@every
def test_work_is_the_same_on_a_device_that_computes(models, name):
    counts = [
        cost(model, 24, 16, 1, "fvcore") for model in (models[name, 1], shapes_alone(name, 1))
    ]
    assert counts[0] == counts[1]


@every
@both
@pytest.mark.parametrize("size", [(16, 24), (17, 9), (8, 8), (2, 3), (1, 1), (1, 20)])
def test_any_size_comes_back(models, name, channels, size):
    ir, vi = images(*size, channels=channels)
    with torch.no_grad():
        fused = models[name, channels](ir, vi)
    assert fused.shape == ir.shape
    assert fused.dtype == torch.float32
    assert fused.isfinite().all()
    if name != "swinfusion":  # whose last layer is linear
        assert 0 < fused.min() <= fused.max() < 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["swinfusion", "seafusion", "emma"])
def test_grey_images_where_colour_is_needed_are_named_and_the_reverse(models, name, channels):
    grey, colour = torch.rand(1, 1, 16, 16), torch.rand(1, 3, 16, 16)
    wrong = grey if channels == 3 else colour
    for ir, vi in ((wrong, wrong), (grey, colour), (colour, grey)):
        told = f"channels={channels}, not {ir.shape[1]} .infrared. and {vi.shape[1]} .visible."
        with pytest.raises(FusionError, match=told):
            models[name, channels](ir, vi)


@pytest.mark.parametrize("name", ["swinfusion", "emma"])
def test_what_is_padded_is_mirrored_and_cropped(models, name):
    ir, vi = images(19, 30)
    padded = [torch.nn.functional.pad(image, (0, 2, 0, 5), "reflect") for image in (ir, vi)]
    with torch.no_grad():
        fused, whole = models[name, 1](ir, vi), models[name, 1](*padded)
    torch.testing.assert_close(fused, whole[..., :19, :30], atol=1e-6, rtol=1e-5)


@every
@both
def test_decoded_features_are_the_fused_image(models, name, channels):
    model = models[name, channels]
    ir, vi = images(16, 24, channels=channels)
    with torch.no_grad():
        features = model.features(ir, vi)
        assert torch.equal(model.decode(features), model(ir, vi))
    several = len(model.feature_channels) > 1
    assert isinstance(features, tuple) == several
    assert [tuple(scale.shape) for scale in (features if several else [features])] == [
        (2, width, 16 >> k, 24 >> k) for k, width in enumerate(model.feature_channels)
    ]


def test_how_many_channels_the_features_have():
    widths = {name: MODELS[name].feature_channels for name in NAMES}
    assert widths == {"swinfusion": (60,), "seafusion": (96,), "emma": (8, 16, 32, 32)}


@pytest.mark.parametrize("level", [0.0, 1.0])
@every
def test_flat_images_give_numbers_and_gradients(name, level):
    model = create_model(name).train()
    fused = model(*flat(16, 16, level))
    fused.mean().backward()
    assert fused.isfinite().all()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


@every
@both
def test_every_weight_that_is_used_is_trained(name, channels):
    model = create_model(name, channels).eval()  # where SwinFusion leaves nothing out
    model(*images(16, 24, channels=channels)).square().mean().backward()
    idle = [part for part in untrained(model) if not part.startswith("unused.")]
    # Of a single channel a head's attention is 1, whatever its temperature.
    assert idle == (
        [
            f"{block}.whole.attention.temperature"
            for block in ("encode_ir.0", "encode_vi.0", "fuse.0", "enlarge.2.block")
        ]
        if name == "emma"
        else []
    )
    if name in HOLDING_UNUSED:
        assert all(weights.grad is None for weights in model.unused.parameters())


@pytest.mark.parametrize("name", HOLDING_UNUSED)
def test_without_what_is_unused_it_is_the_same_network(name):
    torch.manual_seed(4)
    whole = MODELS[name]().eval()
    torch.manual_seed(4)
    lean = MODELS[name](unused=False).eval()
    kept = whole.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in lean.state_dict().items())
    pair = images(8, 16)
    with torch.no_grad():
        assert torch.equal(whole(*pair), lean(*pair))


@every
def test_the_modalities_have_encoders_of_their_own(models, name):
    ir, vi = images(16, 16)
    with torch.no_grad():
        fused, swapped = models[name, 1](ir, vi), models[name, 1](vi, ir)
    assert (fused - swapped).abs().max() > 1e-5


@every
def test_the_seed_alone_decides(name):
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        model = create_model(name).train()
        fused = model(*images(16, 16))
        fused.square().mean().backward()
        found.append([fused.detach()] + [w.grad for w in model.parameters() if w.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@every
def test_under_autocast_it_gives_float32_and_trains(models, name):
    limits = {"swinfusion": 0.01, "seafusion": 2e-3, "emma": 2e-3}  # untrained, images are pale
    assert off_by_autocast(models[name, 1], 24) < limits[name]
    model = create_model(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        fused = model(*images(16, 16))
    fused.square().mean().backward()
    assert all(w.grad.dtype == torch.float32 for w in model.parameters() if w.grad is not None)
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


@every
@both
def test_weights_come_back_from_a_file(models, tmp_path, name, channels):
    torch.save(models[name, channels].state_dict(), tmp_path / "weights.pt")
    loaded = load_weights(tmp_path / "weights.pt")
    assert type(loaded) is MODELS[name]
    pair = images(16, 16, channels=channels)
    with torch.no_grad():
        assert torch.equal(loaded(*pair), models[name, channels](*pair))
