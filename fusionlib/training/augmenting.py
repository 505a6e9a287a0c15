"""Labelled images changed at random, so that a network learns more from few."""

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST = 0.5  # of an image's sides


def augmented(images: Tensor, labels: Tensor, least: float = LEAST) -> tuple[Tensor, Tensor]:
    """Enlarge a window of each image, and mirror every other one.

    Args:
        images: (B, C, H, W), enlarged bilinearly.
        labels: class numbers (B, H, W), enlarged to the nearest pixel.
        least: of the window's sides, a share of the image's, which has 1 at
            most.

    Returns both with shapes as they were. Share, place and side are drawn
    from torch's generator of the CPU, evenly.
    """
    size = height, width = labels.shape[1:]
    seen, classes = [], []
    for image, label in zip(images, labels, strict=True):
        share, down, right, mirror = torch.rand(4).tolist()
        share = least + (1 - least) * share
        rows, columns = round(share * height), round(share * width)
        top, left = round(down * (height - rows)), round(right * (width - columns))
        window = (..., slice(top, top + rows), slice(left, left + columns))
        image = F.interpolate(image[window][None], size, mode="bilinear")[0]
        label = F.interpolate(label[window][None, None].to(torch.uint8), size, mode="nearest-exact")
        label = label[0, 0].to(labels.dtype)
        if mirror < 0.5:
            image, label = image.flip(-1), label.flip(-1)
        seen.append(image)
        classes.append(label)
    return torch.stack(seen), torch.stack(classes)
