"""Structural similarity over several scales: MS-SSIM."""

from torch.nn import functional as F

from fusionlib.metrics.inputs import check_choice, check_images, check_positive, stacked_levels
from fusionlib.metrics.safely import is_zero
from fusionlib.metrics.ssim import similarity
from fusionlib.metrics.windows import frame, total

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # one a scale, finest first
WINDOW_SIZE, SIGMA = 11, 1.5


def ms_ssim(fused, ir, vi, data_range=1.0, odd="pad", reduction="sum"):
    """Structural similarity to both sources over five scales (MS-SSIM).

    ``MS-SSIM(fused, ir) + MS-SSIM(fused, vi)``. With l and cs the means of
    SSIM's luminance times contrast-structure, and of contrast-structure alone,
    over all 11x11 Gaussian windows (sigma 1.5) inside the image at scale j,

        MS-SSIM = cs_1^0.0448 cs_2^0.2856 cs_3^0.3001 cs_4^0.2363 l_5^0.1333

    where a negative mean counts as 0; each scale halves the one before by means
    of 2x2 pixels. No unit; from 0 to 2 as a sum, from 0 to 1 as a mean.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1], at least 176 pixels
            a side, 161 with ``odd="pad"``. Scored on the 0..255 scale,
            unrounded.
        data_range: as for `ssim`, in grey levels. 1 fits what SSIVF prints;
            255 is what the paper means and gives 1.4 where 1 gives 1.0.
        odd: what halving does where a side is odd: "pad" puts a line of zeros
            on either side first, "crop" leaves out the last line.
        reduction: "sum" or "mean" over the two sources.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range, or too small;
            another parameter that can't be.

    Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image
    quality assessment", Asilomar 2003, Eq. 7. IVIF_ZOO pads, like the package
    pytorch-msssim; torchmetrics crops. Tang's evaluator calls another measure,
    MEF-SSIM from 0 to 1, by this name.
    """
    check_choice("odd", odd, ("pad", "crop"))
    check_choice("reduction", reduction, ("sum", "mean"))
    check_positive("data_range", data_range)
    halvings = 2 ** (len(WEIGHTS) - 1)
    smallest = WINDOW_SIZE * halvings if odd == "crop" else (WINDOW_SIZE - 1) * halvings + 1
    check_images(smallest, fused=fused, ir=ir, vi=vi)
    maps, product = stacked_levels(fused, ir, vi), 1
    for scale, weight in enumerate(WEIGHTS, start=1):
        framed = frame(maps)
        luminance, structure = similarity(
            framed, fused.dtype, data_range, "gaussian", WINDOW_SIZE, SIGMA, False
        )
        if scale == len(WEIGHTS):
            structure = luminance * structure
        height, width = (side - WINDOW_SIZE + 1 for side in maps.shape[-2:])
        product = product * _power(total(structure, width) / (height * width), weight)
        maps = _halve(maps, odd)
    return product.sum(0) if reduction == "sum" else product.mean(0)


def _power(x, exponent):
    # The slope of x ** 0.04 at 0 is infinite: zeros, and what is below, are kept out of it.
    x = x.clamp_min(0)
    zero = is_zero(x)
    return (x + zero) ** exponent * (1 - zero)


def _halve(maps, odd):
    padding = [side % 2 if odd == "pad" else 0 for side in maps.shape[-2:]]
    return F.avg_pool2d(maps, 2, padding=padding)
