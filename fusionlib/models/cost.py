"""What a model costs: its parameters, their size, and the work for one pair."""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fusionlib.errors import FusionError
from fusionlib.models.restormer import ChannelNorm

CONVENTIONS = "products", "fvcore", "thop"
NORM = 5  # operations of a layer norm for each value, as fvcore takes them


def _product(_, a: torch.Size, b: torch.Size, **others) -> int:
    """Floating-point operations of a product of shapes (..., M, K) and (..., K, N)."""
    return 2 * a.numel() * b[-1]


def _backward(grad, x, weight, bias, stride, padding, dilation, transposed, *others, **out) -> int:
    """Operations of a convolution's backward pass: each gradient's are the forward pass's."""
    wanted = others[2]  # whether the input's, the weights' and the bias's gradient
    places = (x if transposed else grad)[2:].numel()
    return 2 * sum(wanted[:2]) * x[0] * places * weight.numel()


def _attention(q: torch.Size, k: torch.Size, v: torch.Size, *others, **out) -> int:
    """Operations of scores and of what they weight: q (..., M, K), k (..., N, K), v (..., N, D)."""
    return 2 * q[:-1].numel() * k[-2] * (k[-1] + v[-1])


# What PyTorch's counter lacks: products into memory that is there already, which it passes
# over, attention on the CPU, and groups of convolutions, which it takes for one in the backward
# pass.
COUNTED = dict.fromkeys((torch.ops.aten.addmm_, torch.ops.aten.baddbmm_), _product)
COUNTED[torch.ops.aten._scaled_dot_product_flash_attention_for_cpu] = _attention
COUNTED[torch.ops.aten.convolution_backward] = _backward


@dataclass(frozen=True)
class Cost:
    """What `cost` counted.

    parameters: trained numbers.
    megabytes: of them as float32, in 2^20 bytes.
    macs: multiply-accumulates that fuse one pair, under a convention.
    """

    parameters: int
    megabytes: float
    macs: int


def cost(
    model: nn.Module,
    height: int = 480,
    width: int = 640,
    channels: int = 1,
    convention: str = "products",
) -> Cost:
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
        convention: "products" counts as above. "fvcore" gives the number
            that this tool finds for the published form, as SSVIF prints it
            (Table IV): the same, and 5 for each value of a layer norm. It
            passes over softmax, activations and what is written out element
            by element, as the norms over a map's channels are in EMMA and
            CDDFuse (inferred: only without them EMMA's count is the printed
            one). Fused attention, for which it has no count, stands for the
            two products that SwinFusion writes out. Right for "swinfusion",
            "seafusion", "emma" and "cddfuse", whose products are made as
            published. Other norms and upsampling, which fvcore counts, are
            not in them and not counted here. "thop" gives what this tool
            finds, as RegionFuse prints it (Table 4): convolutions and linear
            layers that are modules, and no product between maps, so no
            attention. Right for "cddfuse", "piafusion" and "regionfuse".

    Raises FusionError for a size below one pixel or an unknown convention.
    """
    if min(height, width, channels) < 1:
        raise FusionError(
            f"height, width and channels are 1 or more, not {height}, {width} and {channels}."
        )
    if convention not in CONVENTIONS:
        raise FusionError(f"convention is one of {', '.join(CONVENTIONS)}, not {convention!r}.")
    weights = list(model.parameters())
    black = torch.zeros(1, channels, height, width, device=weights[0].device if weights else "cpu")
    counter = FlopCounterMode(display=False, custom_mapping=COUNTED)
    model, normed = copy.deepcopy(model).eval(), []
    layered = []
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm) and not isinstance(layer, ChannelNorm):
            layer.register_forward_hook(lambda _, given, made: normed.append(made.numel()))
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            # A weight's first side is that of the outputs: the others are what each one sums up.
            each = layer.weight[0].numel()
            layer.register_forward_hook(
                lambda _, given, made, each=each: layered.append(each * made.numel())
            )
    with torch.no_grad(), counter:
        model(black, black)
    parameters = sum(values.numel() for values in weights)
    # A multiply-accumulate is two floating-point operations.
    macs = counter.get_total_flops() // 2
    if convention == "fvcore":
        macs += NORM * sum(normed)
    if convention == "thop":
        macs = sum(layered)
    return Cost(parameters, parameters * 4 / 2**20, macs)
