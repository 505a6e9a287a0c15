"""Receptive fields: how far a network can look, and how far it does.

The *local* field is what convolutions and other layers of a fixed reach read.
Norms over a whole image and attention over channels bring every pixel in
besides, through a few numbers for the image. The *effective* field is what a
pixel of the output answers to: its gradient with respect to the sources
(Luo et al., Understanding the effective receptive field, NeurIPS 2016).
"""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from fusionlib.errors import FusionError
from fusionlib.models.batch_norm import BatchNorm
from fusionlib.models.bsp_cnn import GlobalFusion
from fusionlib.models.bsp_transformer import ChannelAttention
from fusionlib.models.layers import GroupNorm
from fusionlib.models.stages import parts_of, tapped

# What stays of a layer that no longer looks at the whole image, nor bends a value.
_LOCAL: dict[type[nn.Module], Callable[[nn.Module], nn.Module]] = {
    **dict.fromkeys((nn.ReLU, nn.LeakyReLU, nn.Tanh, BatchNorm), lambda _: nn.Identity()),
    **dict.fromkeys((GroupNorm, ChannelAttention), lambda _: nn.Identity()),
    GlobalFusion: lambda layer: nn.Sequential(layer.expand, layer.reduce),
}


def local_fields(model: nn.Module, side: int = 128) -> dict[str, Tensor]:
    """Which pixels the central pixel of every stage reads by layers of a fixed reach.

    All weights become positive, and norms and attention over the image are
    left out: then a pixel has a gradient exactly where it is read.

    Args:
        model: the CNN or the Transformer baseline; left as it is.
        side: of the square input, large enough that no field meets its border.

    Returns stage -> (side, side) bool. The central pixel is (H/2, W/2) of the
    stage's map.

    Raises FusionError as `parts_of`, and where a field meets the border.
    """
    skeleton = copy.deepcopy(model).double().eval()
    for name, layer in list(skeleton.named_modules()):
        if type(layer) in _LOCAL:
            skeleton.set_submodule(name, _LOCAL[type(layer)](layer))
    for weight in skeleton.parameters():
        weight.data.fill_(1 / weight[0].numel() if weight.ndim > 1 else 0)
    grey = torch.ones(1, 1, side, side, dtype=torch.float64)
    slopes = _slopes(skeleton, grey, grey, torch.ones_like)
    fields = {name: slope[0].sum(0) > 0 for name, slope in slopes}
    inside = sum(field[1:-1, 1:-1].sum() for field in fields.values())
    if inside < sum(field.sum() for field in fields.values()):
        raise FusionError(f"side={side} is too small, a field meets the border: take more pixels.")
    return fields


def effective_fields(model: nn.Module, ir: Tensor, vi: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """How strongly the central pixel of every stage answers to each pixel of the sources.

    Args:
        model: the CNN or the Transformer baseline, in eval mode.
        ir, vi: some inputs to take the mean over, (B, 1, H, W) in [0, 1].
        seed: of the random signs that stand for the channels.

    Returns stage -> (H, W): the root of the mean over inputs of the sum, over
    channels c and both sources s, of (dy_c / dx_s)^2. Channels are added with
    random signs: the square of such a sum is, on average, the sum of squares.
    The fused image has one channel, so there it is exact.

    Raises FusionError as `parts_of`, and for sides that the network would pad.
    """
    random = torch.Generator().manual_seed(seed)

    def signs(centre: Tensor) -> Tensor:
        return torch.randint(0, 2, centre.shape, generator=random) * 2.0 - 1

    slopes = _slopes(model, ir, vi, signs)
    return {name: slope.square().sum(1).mean(0).sqrt() for name, slope in slopes}


def judged_field(critic: nn.Module, images: Tensor) -> Tensor:
    """How strongly a discriminator's number answers to each pixel: (P, P).

    Args:
        critic: in the mode that it is to be looked at in; in a game it trains,
            and its batch norms mix the images of a batch.
        images: (B, 1, P, P) in [0, 1]; the root of the mean square over them.
    """
    images = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(critic(images).sum(), images)
    return slope.square().mean((0, 1)).sqrt()


def _slopes(
    model: nn.Module, ir: Tensor, vi: Tensor, weigh: Callable[[Tensor], Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Each stage, and the gradient (B, 2, H, W) of its weighed central pixel."""
    if any(side % model.multiple for side in ir.shape[2:]):
        size = "x".join(map(str, ir.shape[2:]))
        raise FusionError(f"Fields need sides that are multiples of {model.multiple}, not {size}.")
    sources = torch.cat((ir, vi), 1).requires_grad_()
    with tapped(model) as given:
        model(*sources.chunk(2, 1))
    for part in parts_of(model):
        made = given[part.name]
        centre = made[..., made.shape[2] // 2, made.shape[3] // 2]
        total = (centre * weigh(centre)).sum()
        yield part.name, torch.autograd.grad(total, sources, retain_graph=True)[0]


def extent(local: Tensor) -> tuple[int, int]:
    """Rows and columns of the smallest box around a local field."""
    return tuple(
        int(places.max() - places.min()) + 1
        for places in (local.any(1 - d).nonzero() for d in (0, 1))
    )


def side_of(field: Tensor, local: Tensor, share: float = 0.9) -> int:
    """Side of the smallest square about the centre with that share of an effective field.

    Only what lies inside the local field is counted: the faint rest of a large
    image would outweigh it.
    """
    height, width = field.shape
    rows, columns = (torch.arange(n) - n // 2 for n in (height, width))
    ring = torch.maximum(rows.abs()[:, None], columns.abs())  # 0 at the centre
    sums = torch.zeros(int(ring.max()) + 1, dtype=torch.float64)
    sums.scatter_add_(0, ring[local], field[local].double())
    within = sums.cumsum(0) / sums.sum()
    return 2 * int((within < share).sum()) + 1


def share_outside(field: Tensor, local: Tensor) -> float:
    """The share of an effective field that lies outside the local one."""
    return float(field[~local].sum() / field.sum())
