"""A weights file of any origin becomes a network: the tensors say which one.

Two formats are read, neither by unpickling code: safetensors with our names,
as runs and the package keep them, and PyTorch's own, in which the authors of
Beyond Strict Pairing released theirs. Their names differ from ours and their
order does not, so that these are matched one after the other.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fusionlib.errors import FusionError
from fusionlib.models.bsp_transformer import band
from fusionlib.models.registry import MODELS, channels_of, create_model

# The constant that the authors' Transformer keeps beside its weights, and ours makes anew.
_MASK = ".eca.conv.mask"
# What PyTorch's layers call their tensors: a weight never stands where a bias belongs.
_KINDS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def load_weights(file: str | Path, name: str | None = None) -> nn.Module:
    """The network that a weights file holds, in eval mode, on the CPU.

    Args:
        file: .safetensors with our names (a run's snapshot, the package's
            own), else a state dict that `torch.save` wrote, with the authors'
            names or ours; their order counts. No code is unpickled.
        name: the architecture, one of `MODELS`; None takes the first one
            that the tensors fit. The GAN baseline's generator is the CNN, so
            that both are "bsp-cnn" then.

    The network takes 1 or 3 channels, as the tensors have it.

    Raises FusionError where the file is missing, damaged or no state dict,
    holds NaN or infinity, or is of another architecture: the message names
    the first tensor that does not fit.
    """
    file = Path(file).expanduser()
    if name is not None and name not in MODELS:
        create_model(name)  # which refuses it
    theirs = _read(file)
    most, nearest = -1, ""
    for candidate in [name] if name else MODELS:
        for channels in channels_of(candidate):
            # Shapes alone: the largest network takes half a gigabyte.
            with torch.device("meta"):
                shapes = create_model(candidate, channels).state_dict()
            fitting, trouble = _match(theirs, shapes, _by_name(file))
            if not trouble:
                _check_finite(file, fitting)
                # Its first weights are drawn, which must not move the user's seed.
                with torch.random.fork_rng(devices=[]):
                    model = create_model(candidate, channels)
                model.load_state_dict(fitting)
                return model.eval()
            if len(fitting) > most:
                most, nearest = len(fitting), f"{candidate} ({trouble})"
    wanted = nearest if name else f"any of {', '.join(MODELS)}, the nearest being {nearest}"
    raise FusionError(
        f"{file} does not hold weights of {wanted}: take a file of that architecture."
    )


def _by_name(file: Path) -> bool:
    # safetensors keeps no order, and nobody's names but ours.
    return file.suffix == ".safetensors"


def _read(file: Path) -> dict[str, Tensor]:
    """The named tensors in a file, without the constants of the authors' masks."""
    if not file.exists():
        raise FusionError(f"There is no weights file {file}: check its name.")
    if file.is_dir():
        raise FusionError(f"{file} is a folder: name a weights file in it.")
    try:
        if _by_name(file):
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FusionError(f"{file} cannot be read ({error.strerror}): check the file.") from error
    except Exception as error:  # torch and safetensors raise a kind of their own for each damage
        raise FusionError(
            f"{file} is damaged or holds more than tensors (no code is unpickled): get it anew, or"
            " save model.state_dict() alone."
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]  # as checkpoints wrap it
    if not (isinstance(state, dict) and state and all(map(torch.is_tensor, state.values()))):
        raise FusionError(f"{file} holds no state dict: save model.state_dict() alone.")
    return _without_masks(file, {str(name): value for name, value in state.items()})


def _without_masks(file: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    for name, mask in state.items():
        if name.endswith(_MASK) and not torch.equal(mask.float(), band(max(mask.shape, default=0))):
            raise FusionError(
                f"{file} does not hold weights of bsp-transformer: {name} is not 1 on the three"
                " central diagonals and 0 elsewhere; take the file of that architecture."
            )
    return {name: value for name, value in state.items() if not name.endswith(_MASK)}


def _match(
    theirs: dict[str, Tensor], ours: dict[str, Tensor], by_name: bool
) -> tuple[dict[str, Tensor], str]:
    """Our names -> their values up to the first wrong one, and what is wrong or ""."""
    fitting = {}
    for their, our in _pairs(theirs, ours, by_name):
        if our is None:
            return fitting, f"the tensor {their}, {_about(theirs[their])}, is one too many"
        if their is None:
            return fitting, f"{our}, {_about(ours[our])}, is missing"
        value, place = theirs[their], ours[our]
        kinds = {name.rpartition(".")[2] for name in (their, our)}
        if (
            _core(value) != _core(place)
            or value.is_floating_point() != place.is_floating_point()
            or (len(kinds) == 2 and kinds <= _KINDS)
        ):
            return fitting, (
                f"its tensor {their} is {_about(value)}, where {our} is {_about(place)}"
            )
        fitting[our] = value.reshape(place.shape)
    return fitting, ""


def _pairs(theirs: dict, ours: dict, by_name: bool) -> Iterator[tuple[str | None, str | None]]:
    if not by_name:
        yield from zip_longest(theirs, ours)
        return
    yield from ((name if name in theirs else None, name) for name in ours)
    yield from ((name, None) for name in theirs if name not in ours)


def _core(value: Tensor) -> tuple[int, ...]:
    # A linear layer (out, in) is a 1x1 convolution (out, in, 1, 1).
    shape = list(value.shape)
    while shape and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def _about(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


def _check_finite(file: Path, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        if not value.isfinite().all():
            raise FusionError(
                f"{file} holds NaN or infinity (in {name}): take weights of a sound training."
            )
