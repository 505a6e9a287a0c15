"""SeAFusion: its parts' sizes, Sobel's kernels, a block and the ends against written-out ones."""

import torch
from torch.nn import functional as F

from fusionlib.models import create_model
from fusionlib.models.seafusion import GradientBlock, Sobel
from tests.models.small_images import images, parameters

SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])


def test_parts_have_the_published_sizes():
    model = create_model("seafusion", 3)
    encoders = parameters(model.encode_ir) + parameters(model.encode_vi)
    assert (encoders, parameters(model.decoder)) == (88_640, 78_883)


def test_gradients_begin_as_sobels():
    layer = Sobel(3)
    x = torch.rand(2, 3, 6, 7)
    across, down = (
        F.conv2d(x.flatten(0, 1)[:, None], kernel[None, None], padding=1).view_as(x)
        for kernel in (SOBEL, SOBEL.T)
    )
    with torch.no_grad():
        torch.testing.assert_close(layer(x), across.abs() + down.abs())
        # A slope of 1 from column to column: 2 pixels apart, weights 1, 2 and 1.
        ramp = torch.arange(7.0).expand(1, 3, 6, 7)
        assert torch.equal(layer(ramp)[..., 1:-1, 1:-1], torch.full((1, 3, 4, 5), 8.0))


def test_sobels_kernels_are_trained_one_for_each_channel():
    layer = Sobel(4)
    assert parameters(layer) == 2 * 4 * 9
    layer(torch.rand(1, 4, 5, 5)).square().sum().backward()
    for kernels in (layer.across.weight, layer.down.weight):
        assert kernels.grad.flatten(1).abs().amax(1).min() > 0


def test_a_block_is_a_dense_branch_and_gradients():
    block, x = GradientBlock(4, 6), torch.randn(2, 4, 7, 5)
    first, second = (layer[0] for layer in block.dense)
    with torch.no_grad():
        one = F.leaky_relu(F.conv2d(x, first.weight, first.bias, padding=1), 0.2)
        seen = torch.cat((x, one), 1)
        two = F.leaky_relu(F.conv2d(seen, second.weight, second.bias, padding=1), 0.2)
        dense = F.conv2d(torch.cat((x, one, two), 1), block.leave.weight, block.leave.bias)
        slopes = F.conv2d(block.sobel(x), block.residual.weight, block.residual.bias)
        expected = F.leaky_relu(dense + slopes, 0.1)
        torch.testing.assert_close(block(x), expected, atol=1e-6, rtol=1e-5)


def test_the_ends():
    """Each modality's own encoder, ir first; four convolutions and half a tanh."""
    model = create_model("seafusion")
    ir, vi = images(6, 9)
    with torch.no_grad():
        maps = []
        for encode, image in ((model.encode_ir, ir), (model.encode_vi, vi)):
            x = F.leaky_relu(encode[0][0](image), 0.2)
            maps.append(encode[2](encode[1](x)))
        x = torch.cat(maps, 1)
        torch.testing.assert_close(model.features(ir, vi), x, atol=1e-6, rtol=1e-5)
        for layer, _ in model.decoder[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        expected = torch.tanh(model.decoder[-1](x)) / 2 + 0.5
        torch.testing.assert_close(model(ir, vi), expected, atol=1e-6, rtol=1e-5)
