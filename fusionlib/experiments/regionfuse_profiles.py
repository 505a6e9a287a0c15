"""How much work RegionFuse's tables do in each profile."""

from dataclasses import dataclass

from fusionlib.experiments.profiles import PROFILES, profile, quick_names
from fusionlib.experiments.sizes import TestSet


@dataclass(frozen=True)
class RegionFuseSizes:
    """Sizes of RegionFuse's tables in one profile.

    Args:
        train: images that fusion learns from.
        size: (height, width) of rendered scenes; None for files.
        options: of the network, see `RegionFuse`; its usual R among them.
        regions: R of Table 1.
        grid: (E, K) of Figure 4; the first is the usual one. The text names
            (4, 2), (4, 3) and (6, 1): the others are ours.
        gradients: lambda of Table 2.
        loads: mu of Table 3.
        patch, stride: side of a patch and distance between two, in pixels.
        pairs: patches drawn an epoch.
        batch: patches a step.
        steps: of a training; None trains for `epochs`.
        epochs: see `steps`.
        piafusion_steps: of PIAFusion's own training, whose steps are quicker;
            None takes as many as the others.
        load_epochs: the first ones, with the load-balancing loss.
        lr: Adam's learning rate.
        piafusion_lr: PIAFusion's.
        seeds: of the usual row; the others have one.
        tests: images that fusion is scored on.
        panels: (data set, image) of figures.
    """

    train: tuple[TestSet, ...]
    size: tuple[int, int] | None
    options: dict[str, int]
    regions: tuple[int, ...]
    grid: tuple[tuple[int, int], ...]
    gradients: tuple[float, ...]
    loads: tuple[float, ...]
    patch: int
    stride: int
    pairs: int
    batch: int
    steps: int | None
    epochs: int | None
    piafusion_steps: int | None
    load_epochs: int
    lr: float
    piafusion_lr: float
    seeds: int
    tests: TestSet
    panels: tuple[tuple[str, str], ...]

    @property
    def length(self) -> dict[str, int]:
        """How long a training is, as a spec takes it."""
        return {"steps": self.steps} if self.steps else {"epochs": self.epochs}


_SCENES = tuple(f"{k:04d}{'DN'[k % 2]}" for k in range(4))
_GRID = ((4, 2), (4, 1), (4, 3), (6, 1))
_GRADIENTS, _LOADS = (1.0, 2.0, 5.0, 10.0, 20.0), (0.5, 1.0, 5.0, 10.0, 50.0)

REGIONFUSE = {
    "smoke": RegionFuseSizes(
        train=(TestSet("scenes", _SCENES[:2], split="train"),),
        size=(64, 96),
        options={"width": 4, "heads": 1, "decoder_blocks": 1, "hidden": 8, "region": 8},
        regions=(48, 32),
        grid=_GRID,
        gradients=(1.0, 5.0, 20.0),
        loads=(0.5, 5.0, 50.0),
        patch=32,
        stride=32,
        pairs=4,
        batch=2,
        # Enough for the load loss to spread the tokens, so that there is a routing to look at.
        steps=20,
        epochs=None,
        piafusion_steps=40,
        load_epochs=7,
        lr=1e-2,
        piafusion_lr=1e-3,  # by 3e-3 its images are black
        seeds=2,
        tests=TestSet("scenes", _SCENES[1:4:2]),
        panels=(("scenes", _SCENES[1]), ("scenes", _SCENES[2])),
    ),
    "quick": RegionFuseSizes(
        train=(
            TestSet("MSRS", PROFILES["quick"].wide, split="train"),
            TestSet("RoadScene", quick_names("RoadScene")),
        ),
        size=None,
        options={"width": 16, "heads": 1, "region": 48},
        regions=(64, 48, 32),
        grid=_GRID,
        gradients=_GRADIENTS,
        loads=_LOADS,
        patch=192,  # the least that 64 and 48 divide
        stride=96,
        # A patch takes 2.2 seconds on a CPU core, so a step takes one.
        pairs=15,
        batch=1,
        steps=400,
        epochs=None,
        # As long on the clock; after 400 steps it copies the visible image.
        piafusion_steps=800,
        load_epochs=5,
        lr=1e-3,
        piafusion_lr=1e-3,
        seeds=3,
        tests=PROFILES["quick"].tests[0],
        panels=(("MSRS", "00802N"), ("TNO", "18")),
    ),
    "paper": RegionFuseSizes(
        train=(TestSet("MSRS", split="train"),),
        size=None,
        options={"region": 48},
        regions=(64, 48, 32),
        grid=(*_GRID, (6, 2)),
        gradients=_GRADIENTS,
        loads=_LOADS,
        patch=192,
        stride=96,
        pairs=1080,
        batch=4,
        steps=None,
        epochs=50,
        piafusion_steps=None,
        load_epochs=5,
        lr=1e-4,
        piafusion_lr=1e-4,
        seeds=3,
        tests=TestSet("MSRS"),
        panels=(("MSRS", "00802N"), ("TNO", "18")),
    ),
}


def regionfuse_sizes(name: str) -> RegionFuseSizes:
    """The sizes of a profile, by name; FusionError for another name."""
    return REGIONFUSE[profile(name).name]
