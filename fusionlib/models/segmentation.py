"""Networks that name the class of each pixel: of fused features, and of an image.

SSVIF (section III-C) trains both beside a fusion model, from scratch: a small
head on what the model's `features` return, and SegFormer on the fused image.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError

# Widths and depths of the four stages, width of the decoder (Xie et al., Tables 1 and 6).
SIZES = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2), 256),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3), 768),
}
LEAST_SIDE = 32  # pixels; of fewer the first stage's attention has no key
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class SegmentationHead(nn.Module):
    """Classes of fused features: two 3x3 convolutions, then a 1x1.

    Args:
        feature_channels: of each map that the fusion model's `features`
            return, its class attribute `feature_channels`.
        classes: n; 15 in the paper, on both datasets.
        width: channels between the convolutions.

    Shapes: a map (B, C, H, W), or a tuple of maps of several scales, which
    are brought to the size of the first and joined; logits (B, n, H, W).
    72,527 parameters for 60 channels and 15 classes.

    Source: SSVIF, section III-C. Inferred: 64 channels, ReLU, no batch norm,
    zeros outside the map, and how scales are joined (bilinear).

    Raises FusionError for what is no number of classes.
    """

    def __init__(self, feature_channels: tuple[int, ...], classes: int, width: int = 64):
        super().__init__()
        _check_classes(classes)
        self.layers = nn.Sequential(
            nn.Conv2d(sum(feature_channels), width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, classes, 1),
        )

    def forward(self, features: Tensor | tuple[Tensor, ...]) -> Tensor:
        maps = (features,) if isinstance(features, Tensor) else features
        size = maps[0].shape[2:]
        joined = torch.cat([x if x.shape[2:] == size else _resized(x, size) for x in maps], 1)
        return self.layers(joined)


class Segformer(nn.Module):
    """`logits = network(images)`, SegFormer with weights from scratch.

    Args: see `segformer`.

    Shapes: images (B, C, H, W) in [0, 1], 32 pixels or more a side; logits
    (B, classes, H, W) float32. Of a network for three channels a grey image
    (B, 1, H, W) is seen as three equal ones.

    Source: Xie et al., "SegFormer", NeurIPS 2021; the layers are those of
    Hugging Face's transformers. Its logits, at a quarter of the size, are
    brought to the image's bilinearly. Inferred: that, and the image's
    normalisation by ImageNet's mean and deviation, which SegFormer was
    published with; SSVIF names neither.

    Raises FusionError for images of less than 32 pixels a side.
    """

    def __init__(self, size: str, classes: int, channels: int):
        super().__init__()
        # Seconds of import, which who fuses images need not wait for.
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        widths, depths, decoder = SIZES[size]
        self.layers = SegformerForSemanticSegmentation(
            SegformerConfig(
                num_channels=channels,
                num_labels=classes,
                hidden_sizes=list(widths),
                depths=list(depths),
                decoder_hidden_size=decoder,
            )
        )
        self.channels = channels
        for name, values in (("mean", MEAN), ("std", STD)):
            values = torch.tensor(values).view(3, 1, 1)
            values = values if channels == 3 else values.mean(0, keepdim=True)
            self.register_buffer(name, values, persistent=False)

    @property
    def encoder(self) -> nn.Module:
        """The four stages."""
        return self.layers.segformer

    @property
    def decoder(self) -> nn.Module:
        """What joins the stages and names the classes."""
        return self.layers.decode_head

    def forward(self, images: Tensor) -> Tensor:
        size = images.shape[2:]
        if min(size) < LEAST_SIDE:
            raise FusionError(
                f"SegFormer sees images of {LEAST_SIDE} pixels or more a side, not of"
                f" {size[0]}x{size[1]}: take larger ones."
            )
        seen = images.expand(-1, self.channels, -1, -1)
        logits = self.layers((seen - self.mean) / self.std).logits
        return _resized(logits.float(), size)


def segformer(size: str = "b3", classes: int = 15, channels: int = 3) -> Segformer:
    """SegFormer with freshly drawn weights; nothing is downloaded.

    Args:
        size: "b0", "b1" or "b3", which the paper takes: 3.7, 13.7 and 47.2
            million parameters.
        classes: n; 15 in the paper, on both datasets.
        channels: of the images, 3 or 1.

    Raises FusionError for another size, and for what is no number of classes
    or of channels.
    """
    if size not in SIZES:
        raise FusionError(f"SegFormer has the sizes {', '.join(SIZES)}, not {size!r}.")
    _check_classes(classes)
    if channels not in (1, 3):
        raise FusionError(f"SegFormer takes channels=3 or channels=1, not {channels!r}.")
    return Segformer(size, classes, channels)


def load_encoder(network: Segformer, file: str | Path) -> None:
    """Give a network the weights in a file, in place; what the file lacks stays.

    Args:
        network: what `segformer` made.
        file: .safetensors with the names of transformers, of any version, or
            of a run's snapshot. The encoder must be there whole. Of the
            decoder what fits is taken, so that a file of other classes, or of
            ImageNet's network, will do.

    Raises FusionError where the file is missing, damaged, or lacks a tensor of
    the encoder.
    """
    from transformers.utils import logging

    file = Path(file).expanduser()
    try:
        state = load_file(file)
    except Exception as error:  # safetensors raises a kind of its own for each damage
        raise FusionError(
            f"{file} can't be read as weights ({error}): name a .safetensors file."
        ) from error
    state = {name.removeprefix("layers."): value for name, value in state.items()}
    layers, level, bars = network.layers, logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # It knows the names that earlier versions gave.
        loaded, told = type(layers).from_pretrained(
            None,
            config=layers.config,
            state_dict=state,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
    drawn = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    if lacking := sorted(name for name in drawn if name.startswith("segformer.")):
        raise FusionError(
            f"{file} lacks {len(lacking)} tensors of this SegFormer, such as {lacking[0]}, or has"
            " them at another size: take weights of the same encoder."
        )
    taken = {name: value for name, value in loaded.state_dict().items() if name not in drawn}
    layers.load_state_dict(taken, strict=False)


def _check_classes(classes: int) -> None:
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise FusionError(f"classes is {classes!r}: give the number of classes.")


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
