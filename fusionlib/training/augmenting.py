"""Labelled images changed at random, so that a network learns more from few, and of any kind."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.images import rgb_to_ycbcr

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


def mixed(both: Tensor) -> Tensor:
    """One image of each pair, made in a random way: no fusion is known best.

    both: (B, 4, H, W) in [0, 1], infrared and visible image.

    Returns (B, 3, H, W) in [0, 1]. Three of four images are w ir + (1 - w) vi, w drawn
    evenly; the fourth is the brighter of both, pixel by pixel. Then colours are
    made paler by a factor drawn evenly from 0 to 1. From torch's generator of
    the CPU. Source: none; the paper's segmenter is not public.
    """
    ir, vi = both[:, :1], both[:, 1:]
    weight, brighter, colour = torch.rand(3, len(both), 1, 1, 1).to(both.device)
    image = torch.where(brighter < 0.25, torch.maximum(ir, vi), weight * ir + (1 - weight) * vi)
    grey = rgb_to_ycbcr(image)[:, :1]
    return grey + colour * (image - grey)


def averaged(both: Tensor) -> Tensor:
    """The mean (B, 3, H, W) of both images (B, 4, H, W): no draw."""
    return (both[:, :1] + both[:, 1:]) / 2
