"""What a VGG that was trained on ImageNet sees in grey images.

The weights are not part of the package. A file of them is torchvision's state
dict of vgg16 or vgg19, whole or of its `features` alone.
"""

from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fusionlib.errors import FusionError

# Convolutions of each level: a level doubles the channels, up to 512, and halves the size.
LEVELS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which weights expect


class VGG(nn.Module):
    """The convolutions of VGG, numbered as torchvision numbers them.

    Args:
        name: "vgg16" or "vgg19".

    Source: Simonyan and Zisserman, ICLR 2015, Table 1, columns D and E.
    """

    def __init__(self, name: str):
        super().__init__()
        layers, inputs, self.places = [], 3, {}
        for level, convolutions in enumerate(LEVELS[name], start=1):
            outputs = min(64 * 2 ** (level - 1), 512)
            for number in range(1, convolutions + 1):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                self.places[level, number] = len(layers)
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, taps: tuple[tuple[int, int], ...]) -> list[Tensor]:
        """The activations that `taps` name, (level, number) of relu, in order.

        images: (B, 1, H, W) in [0, 1], 16 pixels or more a side for level 5.
        """
        x = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        seen, begin = {}, 0
        for tap in sorted(taps):
            end = self.places[tap]
            x = self.features[begin:end](x)
            seen[tap], begin = x, end
        return [seen[tap] for tap in taps]


@lru_cache(maxsize=2)
def load_vgg(file: str, name: str, device: torch.device) -> VGG:
    """The frozen network that a weights file holds.

    Args:
        file: a state dict, in PyTorch's format or as .safetensors.
        name: "vgg16" or "vgg19".

    Raises FusionError where the file can't be read or holds other tensors.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise FusionError(f"There is no {name} weights file {path}: check its name.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a kind of their own for each damage
        raise FusionError(f"{path} is damaged or holds more than tensors: get it anew.") from error
    # Of `features` alone the names begin with a number; the classifier is not needed.
    state = {f"features.{key}" if key[0].isdigit() else key: v for key, v in state.items()}
    state = {key: value for key, value in state.items() if key.startswith("features.")}
    model = VGG(name)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise FusionError(
            f"{path} does not hold the weights of {name} as torchvision names them: take the state"
            " dict of that network."
        ) from error
    return model.to(device).eval().requires_grad_(False)
