"""The CNN baseline: its size, the sizes it takes, and the authors' own weights."""

import numpy as np
import pytest
import torch

from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.models import create_model, load_released
from fusionlib.models.bsp_cnn import _GatedProduct
from tests.models.literal_cnn import LiteralCNN, copy_weights
from tests.models.literal_steps import check_steps
from tests.models.small_images import images, off_by_autocast

# Outputs of the authors' code on the top-left 128 x 128 patch.
RELEASED = ("MSRS_00004N", "MSRS_00491D", "RoadScene_FLIR_00006", "RoadScene_FLIR_06660",
            "TNO_01", "TNO_30")  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    model = create_model("bsp-cnn").eval()
    # Statistics and affine weights away from 0 and 1, so that each of them counts.
    for name, value in model.state_dict().items():
        if value.ndim == 1 and value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 * ("weight" in name or "var" in name))
    return model


def parameters(model):
    return sum(weights.numel() for weights in model.parameters())


def test_number_of_parameters():
    assert parameters(create_model("bsp-cnn")) == 214_882
    # Three channels add 4 inputs to the first and to the last 3x3 convolution, and 2 outputs.
    assert parameters(create_model("bsp-cnn", 3)) == 214_882 + 4 * 16 + 4 * 9 * 32 + 2 * 33


@pytest.mark.parametrize("size", [(32, 48), (33, 50), (35, 36), (3, 5), (2, 2), (1, 1), (1, 40)])
def test_any_size_comes_back(model, size):
    ir, vi = images(*size)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.shape == ir.shape
    assert fused.dtype == torch.float32
    assert fused.isfinite().all()
    assert fused.abs().max() <= 1


def test_other_sizes_are_mirrored_below_and_to_the_right(model):
    ir, vi = images(33, 50)
    wide_ir, wide_vi = (
        torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (0, 3), (0, 2)), "reflect"))
        for x in (ir, vi)
    )
    with torch.no_grad():
        torch.testing.assert_close(model(ir, vi), model(wide_ir, wide_vi)[..., :33, :50])


def test_three_channels():
    ir, vi = images(20, 30, channels=3)
    assert create_model("bsp-cnn", 3)(ir, vi).shape == (2, 3, 20, 30)


def test_decoded_features_are_the_fused_image(model):
    ir, vi = images(16, 24)
    with torch.no_grad():
        features = model.features(ir, vi)
        assert torch.equal(model.decode(features), model(ir, vi))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, 16, 16, 24), (2, 48, 8, 12), (2, 112, 4, 6), (2, 2, 16, 24)]


def test_every_weight_is_trained():
    model = create_model("bsp-cnn").train()
    model(*images(16, 16)).square().mean().backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.isfinite().all(), name
        assert weights.grad.abs().max() > 0 or name == "fuse3.expand.bias", name


def test_in_eval_mode_an_image_does_not_depend_on_its_batch(model):
    ir, vi = images(16, 24, batch=3)
    with torch.no_grad():
        together = model(ir, vi)
        assert torch.equal(together, model(ir, vi))
        torch.testing.assert_close(model(ir[1:2], vi[1:2]), together[1:2], atol=1e-6, rtol=0)


def test_a_pixel_sees_the_mean_of_its_whole_image(model):
    ir, vi = images(8, 320, batch=1)
    far = ir.clone()
    far[..., -8:] = 1 - far[..., -8:]
    with torch.no_grad():
        assert (model(far, vi) - model(ir, vi))[..., :8].abs().max() > 1e-7


def test_the_sources_are_not_changed(model):
    ir, vi = images(16, 24)
    kept = ir.clone(), vi.clone()
    model(ir, vi)
    assert torch.equal(ir, kept[0])
    assert torch.equal(vi, kept[1])


def test_unknown_models_and_channels_are_refused():
    with pytest.raises(FusionError, match=r"'bsp-cnm'.*bsp-cnn"):
        create_model("bsp-cnm")
    with pytest.raises(FusionError, match="channels=1 or channels=3, not 2"):
        create_model("bsp-cnn", 2)


@pytest.fixture(scope="module")
def released(weights_root):
    """Our network with the authors' weights."""
    return load_released("bsp-cnn", weights_root)


@pytest.mark.parametrize("name", RELEASED)
def test_the_authors_weights_give_the_authors_patch(released, name, data_root, reference_root):
    dataset, image = name.split("_", 1)
    (pair,) = open_pairs(dataset, "test", data_root, [image])
    expected = np.load(reference_root / "released_cnn" / f"{name}_patch.npy")
    with torch.no_grad():
        fused = released(pair.ir[None, :, :128, :128], pair.vi[None, :, :128, :128])
    np.testing.assert_allclose(fused[0, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("slip", ["eps", "leaky", "groups", "modalities"])
def test_the_patch_would_show_a_slip(released, slip, data_root, reference_root, monkeypatch):
    (pair,) = open_pairs("MSRS", "test", data_root, ["00004N"])
    sources = [pair.ir[None, :, :128, :128], pair.vi[None, :, :128, :128]]
    if slip == "eps":
        monkeypatch.setattr(released.encode2[0][0].new[0], "eps", 1e-4)
    elif slip == "leaky":
        monkeypatch.setattr(released.encode1[2], "negative_slope", 0.02)
    elif slip == "groups":
        monkeypatch.setattr(released.encode1[1], "num_groups", 4)
    else:
        sources.reverse()
    with torch.no_grad():
        fused = released(*sources)[0, 0].numpy()
    expected = np.load(reference_root / "released_cnn" / "MSRS_00004N_patch.npy")
    assert abs(fused - expected).max() > 1e-5


def test_twenty_steps_have_the_published_losses_and_gradients():
    ours, theirs = create_model("bsp-cnn"), LiteralCNN()
    copy_weights(ours, theirs)
    check_steps(ours, theirs, side=48, batch=2)


def test_the_gates_own_gradients_are_the_numerical_ones():
    hidden, weight, bias, attention = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 5, 6), (3, 6), (3,), (1, 1, 3))
    )
    inputs = hidden, weight, bias, attention
    assert torch.autograd.gradcheck(lambda *values: _GatedProduct.apply(*values)[0], inputs)


def test_in_training_autocast_rounds_what_enters_and_leaves_float32():
    model, (ir, vi) = create_model("bsp-cnn").train(), images(32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        *_, sources = model.features(ir, vi)
        fused = model(ir, vi)
    assert sources.dtype == torch.bfloat16
    assert fused.dtype == torch.float32
    assert (fused - model(ir, vi)).abs().max() < 0.05
    # It is no multiple of bfloat16's step: the last layers add up in float32.
    assert (fused != fused.bfloat16().float()).float().mean() > 0.9


def test_under_autocast_it_gives_float32(model):
    assert off_by_autocast(model, 32) < 0.02
