"""What every metric asks of its images before it computes anything."""

from fusionlib.errors import FusionError

# Rounding may leave a tensor this far outside [0, 1]; more is another scale.
_SLACK = 1e-3


def check_images(smallest=1, **images):
    """Refuse images that a metric can't score, naming the argument at fault.

    Args:
        smallest: least height and width in pixels that the metric can take.
        **images: tensors by argument name; a `None` is passed over. The first
            one sets the shape, dtype and device of the others.

    Raises:
        FusionError: not float32 or float64, not (B, 1, H, W), too small,
            unlike the first image, or with values outside [0, 1] or NaN.
    """
    images = {name: image for name, image in images.items() if image is not None}
    first, model = next(iter(images.items()))
    for name, image in images.items():
        _check_image(name, image, smallest)
        for what in ("shape", "dtype", "device"):
            if getattr(image, what) != getattr(model, what):
                raise FusionError(
                    f"{name} has {what} {_show(getattr(image, what))} but {first} has "
                    f"{_show(getattr(model, what))}: give all images the same {what}."
                )


def _check_image(name, image, smallest):
    if str(getattr(image, "dtype", None)) not in ("torch.float32", "torch.float64"):
        raise FusionError(
            f"{name} must be a float32 or float64 tensor: divide 8-bit levels by 255 first."
        )
    if image.ndim != 4 or image.shape[1] != 1 or image.numel() == 0:
        raise FusionError(
            f"{name} has shape {_show(image.shape)}: metrics take one grey channel, (B, 1, H, W)."
        )
    if min(image.shape[-2:]) < smallest:
        raise FusionError(
            f"{name} has {image.shape[-2]}x{image.shape[-1]} pixels: "
            f"this metric needs at least {smallest}x{smallest}."
        )
    low, high = (extreme.item() for extreme in image.detach().aminmax())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # also true of NaN
        raise FusionError(
            f"{name} has values from {low:g} to {high:g}: scale it to [0, 1] and remove NaN."
        )


def _show(value):
    return tuple(value) if hasattr(value, "__len__") else value
