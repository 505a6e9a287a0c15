"""What a model costs: its parameters, their size, and the work for one pair."""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fusionlib.errors import FusionError


def _product(_, a: torch.Size, b: torch.Size, **others) -> int:
    """Floating-point operations of a product of shapes (..., M, K) and (..., K, N)."""
    return 2 * a.numel() * b[-1]


def _backward(grad, x, weight, bias, stride, padding, dilation, transposed, *others, **out) -> int:
    """Operations of a convolution's backward pass: each gradient's are the forward pass's."""
    wanted = others[2]  # whether the input's, the weights' and the bias's gradient
    places = (x if transposed else grad)[2:].numel()
    return 2 * sum(wanted[:2]) * x[0] * places * weight.numel()


# What PyTorch's counter lacks: products into memory that is there already, which it passes
# over, and groups of convolutions, which it takes for one in the backward pass.
COUNTED = dict.fromkeys((torch.ops.aten.addmm_, torch.ops.aten.baddbmm_), _product)
COUNTED[torch.ops.aten.convolution_backward] = _backward


@dataclass(frozen=True)
class Cost:
    """What `cost` counted.

    parameters: trained numbers.
    megabytes: of them as float32, in 2^20 bytes.
    macs: multiply-accumulates that fuse one pair.
    """

    parameters: int
    megabytes: float
    macs: int


def cost(model: nn.Module, height: int = 480, width: int = 640, channels: int = 1) -> Cost:
    """Count a model's parameters, and its work on one pair.

    Counted as work are convolutions and matrix products, those of attention
    among them, as they are computed here on the model's device; norms,
    activations and sums over pixels are not. A rewriting with the same result
    may thus need fewer than the published form: the channel attention of the
    Transformer baseline does, and so do convolutions that are merged into one.
    Running statistics and masks are no parameters.

    Args:
        model: `fused = model(ir, vi)`; left as it is. A copy fuses one black
            pair on its device.
        height, width: of the pair, in pixels.
        channels: of each source.

    Raises FusionError for a size below one pixel.
    """
    if min(height, width, channels) < 1:
        raise FusionError(
            f"height, width and channels are 1 or more, not {height}, {width} and {channels}."
        )
    weights = list(model.parameters())
    black = torch.zeros(1, channels, height, width, device=weights[0].device if weights else "cpu")
    counter = FlopCounterMode(display=False, custom_mapping=COUNTED)
    with torch.no_grad(), counter:
        copy.deepcopy(model).eval()(black, black)
    parameters = sum(values.numel() for values in weights)
    # A multiply-accumulate is two floating-point operations.
    return Cost(parameters, parameters * 4 / 2**20, counter.get_total_flops() // 2)
