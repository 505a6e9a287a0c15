"""What every metric asks of its images before it computes anything."""

import torch

from fusionlib.errors import FusionError
from fusionlib.metrics.safely import ratio
from fusionlib.metrics.sharing import shared

# Rounding may leave a tensor this far outside [0, 1]; more is another scale.
_SLACK = 1e-3
# Grey levels by which float32 may miss k/255, and a little more.
_OFF_BY_FLOAT32 = 2e-5


def check_images(smallest=1, channels=1, optional=(), **images):
    """Refuse images that a metric can't score, naming the argument at fault.

    Args:
        smallest: least height and width in pixels that the metric can take.
        channels: 1 for grey images, 3 for RGB.
        optional: names of images that may be `None`.
        **images: tensors by argument name. The first one sets the shape, dtype
            and device of the others.

    Raises:
        FusionError: not float32 or float64, not (B, channels, H, W), too small,
            unlike the first image, or with values outside [0, 1] or NaN.
    """
    for name in optional:
        if images[name] is None:
            del images[name]
    first, model = next(iter(images.items()))
    for name, image in images.items():
        _check_image(name, image, smallest, channels)
        for what in ("shape", "dtype", "device"):
            if getattr(image, what) != getattr(model, what):
                raise FusionError(
                    f"{name} has {what} {_show(getattr(image, what))} but {first} has "
                    f"{_show(getattr(model, what))}: give all images the same {what}."
                )


def check_choice(name, value, choices):
    """Refuse a value that is not among the choices, naming the parameter."""
    if value not in choices:
        raise FusionError(
            f"{name} is {value!r}: choose {' or '.join(repr(choice) for choice in choices)}."
        )


def check_positive(name, value):
    """Refuse what is not a positive number, naming the parameter."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise FusionError(f"{name} is {value!r}: give a positive number.")


@shared
def grey_levels(image):
    """Grey levels 0..255, unrounded: (B, H, W) of an image (B, 1, H, W).

    An 8-bit image has whole levels, also one in float64 that came by way of
    float32, where 1/255 is another number: some metrics ask whether two levels
    are equal.
    """
    levels = image.squeeze(1) * 255
    if image.dtype == torch.float64:
        off = (levels.round() - levels).detach()
        levels = levels + off * (off.abs().amax((-2, -1), keepdim=True) < _OFF_BY_FLOAT32)
    return levels


@shared
def stacked_levels(fused, ir, vi):
    """`grey_levels` of the three images one behind another: (3, B, H, W)."""
    return torch.stack([grey_levels(image) for image in (fused, ir, vi)])


def stretched(levels):
    """Grey levels (..., H, W) with each image's spread over 0..255, not rounded.

    An image of one level becomes 0.
    """
    low, high = levels.amin((-2, -1), keepdim=True), levels.amax((-2, -1), keepdim=True)
    return 255 * ratio(levels - low, high - low)


def _check_image(name, image, smallest, channels):
    if image is None:
        raise FusionError(f"{name} is None: this metric compares with both sources.")
    if str(getattr(image, "dtype", None)) not in ("torch.float32", "torch.float64"):
        raise FusionError(
            f"{name} must be a float32 or float64 tensor: divide 8-bit levels by 255 first."
        )
    if image.ndim != 4 or image.shape[1] != channels or image.numel() == 0:
        wanted = "one grey channel" if channels == 1 else "RGB"
        raise FusionError(
            f"{name} has shape {_show(image.shape)}: this metric takes {wanted}, "
            f"(B, {channels}, H, W)."
        )
    if min(image.shape[-2:]) < smallest:
        raise FusionError(
            f"{name} has {image.shape[-2]}x{image.shape[-1]} pixels: "
            f"this metric needs at least {smallest}x{smallest}."
        )
    low, high = _extremes(image)
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # also true of NaN
        raise FusionError(
            f"{name} has values from {low:g} to {high:g}: scale it to [0, 1] and remove NaN."
        )


@shared
def _extremes(image):
    return tuple(extreme.item() for extreme in image.detach().aminmax())


def _show(value):
    return tuple(value) if hasattr(value, "__len__") else value
