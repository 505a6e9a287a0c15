"""The stages of the baselines of Beyond Strict Pairing: what each gives, and what it costs.

Shapes, parameters and work are read off a network while it runs (forward
hooks), so they are those of the code and not of a drawing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fusionlib.errors import FusionError
from fusionlib.models.bsp_cnn import BSPCNN
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from fusionlib.models.bsp_transformer import BSPTransformer
from fusionlib.models.cost import COUNTED

SOURCES = "sources"


class Part(NamedTuple):
    """A stage as the network's class has it.

    name: in the paper's figure, such as "E2".
    reads: the stages whose outputs enter it.
    modules: whose weights are its own.
    last: the layer whose output is the stage's.
    """

    name: str
    reads: tuple[str, ...]
    modules: tuple[str, ...]
    last: str


class Stage(NamedTuple):
    """What was seen of a stage.

    shape: of its output, (C, H, W), or () for a number.
    parameters: trained numbers of its own.
    macs: multiply-accumulates for one pair, as `cost` counts them.
    """

    name: str
    reads: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    macs: int


def _unet(first: str, shuffle: str, beside: tuple[str, ...]) -> tuple[Part, ...]:
    # The last layer of R2 and the first of R1 are computed as one (`layers.in_a_row`): of R2 the
    # last map that is made is that of its shuffle, and the joint work is counted in R1.
    return (
        Part("E1", (SOURCES,), (first,), first),
        Part("E2", ("E1",), ("encode2",), "encode2"),
        Part("E3", ("E2",), ("encode3",), "encode3"),
        Part("F1", ("E1",), ("fuse1",), "fuse1"),
        Part("F2", ("E2",), ("fuse2",), "fuse2"),
        Part("F3", ("E3",), ("fuse3",), "fuse3"),
        Part("R3", ("E3", "F3"), ("decode3",), "decode3"),
        Part("R2", ("R3", "E2", "F2"), ("decode2",), shuffle),
        Part("R1", ("R2", "E1", "F1", *beside), ("decode1",), "decode1.3"),
    )


PARTS: dict[type[nn.Module], tuple[Part, ...]] = {
    BSPCNN: _unet("encode1", "decode2.1", (SOURCES,)),
    BSPTransformer: _unet("project", "decode2.1.0", ()),
    BSPDiscriminator: (
        Part("stem", (SOURCES,), ("stem1", "stem2", "stem"), "stem"),
        Part("attend", ("stem",), ("attend",), "attend"),
        Part("refine", ("stem", "attend"), ("refine",), "refine"),
        Part("widen", ("stem", "attend", "refine"), ("widen1", "widen2", "judge.0"), "judge.0"),
        Part("judge", ("widen",), ("judge.2", "judge.3"), "judge.4"),
    ),
}


def parts_of(model: nn.Module) -> tuple[Part, ...]:
    """The stages that are known of a network; FusionError for another architecture."""
    if type(model) not in PARTS:
        known = ", ".join(kind.__name__ for kind in PARTS)
        raise FusionError(f"Stages are known of {known}, not of a {type(model).__name__}.")
    return PARTS[type(model)]


@contextmanager
def tapped(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The output of every stage by its name, once the model has been called inside.

    Gradients pass through them, as the network's own.

    Raises FusionError as `parts_of`.
    """
    parts, given = parts_of(model), {}

    def keep(name: str):
        return lambda _, inputs, output: given.update({name: output})

    hooks = [
        model.get_submodule(part.last).register_forward_hook(keep(part.name)) for part in parts
    ]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def stages(model: nn.Module, *inputs: Tensor) -> list[Stage]:
    """What every stage of a network gives and costs, in the order of its parts.

    Args:
        model: a baseline's network, or a discriminator; in eval mode.
        inputs: what it takes, one pair or one image: (1, C, H, W) in [0, 1].

    The parameters, and the work, add up to the network's.

    Raises FusionError as `parts_of`.
    """
    parts, done = parts_of(model), {}
    counter = FlopCounterMode(display=False, custom_mapping=COUNTED)
    names = {part.last: part.name for part in parts}

    def note(name: str):
        # A stage's work is what was counted since the stage before it ended.
        def hook(_, given, made):
            so_far = counter.get_total_flops() // 2
            done[name] = tuple(made.shape[1:]), so_far - sum(macs for _, macs in done.values())

        return hook

    hooks = [model.get_submodule(last).register_forward_hook(note(names[last])) for last in names]
    try:
        with torch.no_grad(), counter:
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        Stage(part.name, part.reads, done[part.name][0], _own(model, part), done[part.name][1])
        for part in parts
    ]


def _own(model: nn.Module, part: Part) -> int:
    modules = (model.get_submodule(name) for name in part.modules)
    return sum(p.numel() for module in modules for p in module.parameters())
