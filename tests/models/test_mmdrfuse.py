"""MMDRFuse, student and teacher: published size and work, and the sizes they take."""

import pytest
import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from tests.models.small_images import flat, images, off_by_autocast, parameters, untrained

NAMES = ("mmdrfuse", "mmdrfuse-teacher")


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    torch.manual_seed(1)
    return create_model(request.param).eval()


def test_number_of_parameters():
    assert [parameters(create_model(name)) for name in NAMES] == [113, 556_489]


def test_the_students_work_is_the_published_one():
    found = cost(create_model("mmdrfuse"), 480, 640)
    assert found.macs == 480 * 640 * (2 * 4 * 9 + 4 * 9)
    assert round(found.macs / 1e9, 3) == 0.033


def test_the_teachers_work_is_that_of_its_layers():
    full = 2 * 32 + 32 * 32 + 96 * 32 + 64 * 4 + 4
    half = (64 + 64 + 128 + 192 + 64 + 3 * 128) * 64
    assert cost(create_model("mmdrfuse-teacher"), 32, 48).macs == 9 * (
        32 * 48 * full + 16 * 24 * half
    )


@pytest.mark.parametrize("size", [(16, 24), (17, 9), (2, 3), (1, 1), (1, 20)])
def test_any_size_comes_back(model, size):
    ir, vi = images(*size)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.shape == ir.shape
    assert fused.dtype == torch.float32
    assert fused.abs().max() < 1


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_images_stay_flat(model, level):
    ir, vi = flat(12, 12, level)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.isfinite().all()
    assert fused.std() < 1e-5  # every layer mirrors the border


def test_decoded_maps_are_the_fused_image(model):
    ir, vi = images(16, 24)
    with torch.no_grad():
        maps = model.features(ir, vi)
        assert torch.equal(model.decode(maps), model(ir, vi))
    assert maps.shape == (2, 4, 16, 24)
    assert maps.min() >= 0


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_trained(name):
    torch.manual_seed(3)
    model = create_model(name).train()
    for bias in (layer.bias for layer in model.modules() if isinstance(layer, nn.Conv2d)):
        nn.init.constant_(bias, 0.5)  # no map is dead
    model(*images(16, 16)).square().mean().backward()
    assert untrained(model) == []


def test_both_end_alike():
    student, teacher = map(create_model, NAMES)
    student.last.load_state_dict(teacher.last.state_dict())
    maps = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(student.decode(maps), teacher.decode(maps))


def test_the_teacher_written_out():
    """The decoder meets the encoder's maps in the opposite order."""
    torch.manual_seed(0)
    model = create_model("mmdrfuse-teacher")
    ir, vi = images(8, 12)
    step = torch.relu
    e1 = step(model.full[0](torch.cat((ir, vi), 1)))
    e2 = step(model.full[1](e1))
    d0 = step(model.dense[0](torch.cat((e1, e2), 1)))
    d1 = step(model.dense[1](d0))
    d2 = step(model.dense[2](torch.cat((d0, d1), 1)))
    d3 = step(model.dense[3](torch.cat((d0, d1, d2), 1)))
    assert d3.shape == (2, 64, 4, 6)
    x = step(model.back[0](d3))
    for layer, skipped in zip(model.back[1:], (d2, d1, d0)):
        x = step(layer(torch.cat((x, skipped), 1)))
    x = nn.functional.interpolate(x, scale_factor=2, mode="bicubic")
    x = step(model.out[0](torch.cat((x, e2), 1)))
    x = step(model.out[1](torch.cat((x, e1), 1)))
    torch.testing.assert_close(model(ir, vi), model.last(x).tanh())


def test_under_autocast_it_gives_float32(model):
    assert off_by_autocast(model, 16) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_colour_is_refused(name):
    with pytest.raises(FusionError, match=f"{name} was published for grey images: .*channels=1"):
        create_model(name, 3)
