"""SeAFusion's content loss against its two lines, written out."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.errors import FusionError
from fusionlib.losses import LOSSES, SeAFusionLoss


def slopes(image):
    return sum(abs(ndimage.sobel(image, axis, mode="constant")) for axis in (0, 1))


def written_out(fused, ir, vi):
    intensity = [abs(f - np.maximum(i, v)).mean() for f, i, v in zip(fused, ir, vi)]
    gradient = [
        abs(slopes(f) - np.maximum(slopes(i), slopes(v))).mean() for f, i, v in zip(fused, ir, vi)
    ]
    return np.mean(intensity), np.mean(gradient)


def check(fused, ir, vi, grey):
    intensity, gradient = written_out(*grey)
    terms = SeAFusionLoss()(fused, ir, vi)
    assert list(terms) == ["intensity", "gradient", "total"]
    assert terms["intensity"].item() == pytest.approx(intensity, abs=1e-6)
    assert terms["gradient"].item() == pytest.approx(gradient, abs=1e-6)
    assert terms["total"].item() == pytest.approx(intensity + 10 * gradient, rel=1e-6)


def test_grey_images_written_out():
    images = torch.rand(3, 2, 1, 9, 7).unbind(0)
    check(*images, [image[:, 0].double().numpy() for image in images])


@pytest.mark.parametrize("ir_channels", [1, 3])
def test_of_colour_it_sees_luminance(ir_channels):
    fused, vi = torch.rand(2, 2, 3, 9, 7).unbind(0)
    ir = torch.rand(2, 1, 9, 7)
    y = [np.tensordot(x.double().numpy(), (0.299, 0.587, 0.114), (1, 0)) for x in (fused, vi)]
    check(fused, ir.repeat(1, ir_channels, 1, 1), vi, [y[0], ir[:, 0].double().numpy(), y[1]])


def test_what_makes_no_loss_is_refused():
    with pytest.raises(FusionError, match="gradient is a number of 0 or more, not 'x'"):
        SeAFusionLoss(gradient="x")
    with pytest.raises(FusionError, match="Every factor of the loss is 0"):
        SeAFusionLoss(0, 0)
    with pytest.raises(FusionError, match="vi has the shape"):
        SeAFusionLoss()(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8), torch.rand(1, 3, 8, 8))
    assert LOSSES["SeAFusionLoss"] is SeAFusionLoss
