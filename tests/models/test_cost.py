"""What a model costs, against counts made by hand."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cost import COUNTED, cost
from fusionlib.models.restormer import ChannelNorm
from tests.models.literal_cnn import LiteralCNN


class Tiny(nn.Module):
    """A 3x3 convolution, a grouped one, and a matrix product over channels."""

    def __init__(self, channels=1):
        super().__init__()
        self.first = nn.Conv2d(2 * channels, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 4, 1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("mask", torch.ones(100))

    def forward(self, ir, vi):
        x = self.norm(self.grouped(self.first(torch.cat((ir, vi), 1))))
        pixels = x.flatten(2)
        mixed = (pixels @ pixels.mT) @ pixels
        return mixed.unflatten(2, x.shape[2:]).mean(1, keepdim=True)


def test_counts_of_a_model_small_enough_to_count_by_hand():
    found = cost(Tiny(), 6, 5)
    pixels = 6 * 5
    assert found.parameters == (2 * 4 * 9 + 4) + 4 * 2 + 2 * 4  # no running statistics, no mask
    assert found.megabytes == found.parameters * 4 / 1048576
    assert found.macs == pixels * (2 * 4 * 9 + 4 * 2 + 4 * 4 + 4 * 4)


def test_colour_costs_more():
    assert cost(Tiny(3), 6, 5, channels=3).macs == cost(Tiny(), 6, 5).macs + 30 * 4 * 4 * 9


def test_products_into_memory_that_is_there_count_too():
    class InPlace(nn.Module):
        def forward(self, ir, vi):
            rows, columns = ir[0], vi[0].mT.contiguous()  # (1, 6, 5) and (1, 5, 6)
            found = torch.ones(1, 6, 6)
            found.baddbmm_(rows, columns)
            found[0].addmm_(rows[0], columns[0])
            torch.mm(rows[0], columns[0], out=found[0])
            torch.addmm(found[0], rows[0], columns[0], out=torch.empty(6, 6))
            return found

    assert cost(InPlace(), 6, 5).macs == 4 * 6 * 5 * 6


def test_the_work_grows_with_the_pixels():
    model = create_model("bsp-cnn")
    small, large = cost(model, 160, 240), cost(model, 320, 480)
    assert small.parameters == large.parameters
    # Four times the pixels; borders and the gates, once an image, are next to nothing.
    assert large.macs == pytest.approx(4 * small.macs, rel=0.005)


class Normed(nn.Module):
    """A layer norm over rows, called twice, one over channels, and attention of rows."""

    def __init__(self):
        super().__init__()
        self.rows, self.pixels = nn.LayerNorm(5), ChannelNorm(1)

    def forward(self, ir, vi):
        q, k = self.rows(ir), self.rows(self.pixels(vi))
        return nn.functional.scaled_dot_product_attention(q, k, vi)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_fvcore_adds_five_for_each_value_of_a_layer_norm(device):
    model = Normed().to(device)
    attention = 6 * 6 * (5 + 5)
    assert cost(model, 6, 5).macs == attention
    assert cost(model, 6, 5, convention="fvcore").macs == attention + 5 * 2 * 6 * 5
    assert not model.rows._forward_hooks
    assert cost(Tiny(), 6, 5, convention="fvcore") == cost(Tiny(), 6, 5)


def test_cddfuse_as_fvcore_counts():
    with torch.device("meta"):
        model = create_model("cddfuse")
    assert cost(model, convention="fvcore").macs == pytest.approx(552.46e9, rel=1e-5)


def test_an_unknown_convention_is_refused():
    with pytest.raises(FusionError, match="products, fvcore, thop, not 'ptflops'"):
        cost(Tiny(), 6, 5, convention="ptflops")


def dense(channels, growth):
    """Weights of a dense block, which are its multiply-accumulates a pixel."""
    return sum(c * 2 * growth + 2 * growth * growth * 9 for c in (channels, channels + growth))


@pytest.fixture(scope="module")
def cnn_as_published():
    """Multiply-accumulates of the CNN baseline for 480x640, layer by layer."""
    full, half, quarter = (480 * 640 // shrink**2 for shrink in (1, 2, 4))
    encoders = full * (2 * 16 + dense(16, 4) + 24 * 12 * 9) + half * (dense(48, 4) + 56 * 28 * 9)
    fusions = full * 8 * 16**2 + half * 8 * 48**2 + quarter * 8 * 112**2
    gates = 3 * 4 * (16 + 48 + 112)  # once an image
    decoders = quarter * dense(112, 8) + half * (32 * 64 * 9 + dense(112, 8))
    decoders += full * (32 * 64 * 9 + 82 * 32 * 9 + 32)
    return encoders + fusions + gates + decoders


def test_the_published_cnn(cnn_as_published):
    assert cost(LiteralCNN()).macs == cnn_as_published


def test_our_cnn_needs_no_more_than_the_published_one(cnn_as_published):
    found = cost(create_model("bsp-cnn"))
    assert found.parameters == 214_882
    assert round(found.megabytes, 3) == 0.820
    # Identities save a sixth at most; less would mean that something goes uncounted.
    assert 0.83 * cnn_as_published < found.macs <= cnn_as_published


def test_the_generator_is_the_cnn_and_the_transformer_is_the_smallest():
    names = ("bsp-cnn", "bsp-transformer", "bsp-gan")
    cnn, transformer, gan = (cost(create_model(name), 64, 64) for name in names)
    assert gan == cnn
    assert transformer.parameters == 187_417
    assert round(transformer.megabytes, 3) == 0.715


def test_the_model_is_left_as_it_was():
    model = create_model("bsp-cnn").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cost(model, 32, 32)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_no_pixel_no_cost(size):
    with pytest.raises(FusionError, match="1 or more"):
        cost(Tiny(), *size)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_each_gradient_of_a_convolution_takes_the_work_of_its_forward_pass(kind, groups):
    layer, x = kind(8, 8, 3, padding=1, groups=groups), torch.rand(2, 8, 5, 6)
    counts = []
    for needed in (False, True):
        counter = FlopCounterMode(display=False, custom_mapping=COUNTED)
        with counter:
            layer(x.requires_grad_(needed)).sum().backward()
        counts.append(counter.get_total_flops())
    forward = 2 * 2 * 5 * 6 * 8 * (8 // groups) * 9
    assert counts == [2 * forward, 3 * forward]
