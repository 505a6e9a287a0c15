"""Table 4 of Beyond Strict Pairing: its three baselines beside ten other methods.

A baseline is measured twice: with the authors' weights on all images at hand,
and trained here, several seeds, on a fixed list of them. The other methods
have the values that the paper prints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusionlib.data import Pair, PairSet, open_pairs
from fusionlib.data.base import PatchSource, patch_count, patch_source
from fusionlib.data.datasets import NOT_PASSED_ON
from fusionlib.experiments.bsp import BASELINES, BATCH
from fusionlib.experiments.profiles import profile, seed_range
from fusionlib.pairing import PARADIGMS
from fusionlib.progress import live_notebook
from fusionlib.published import Table
from fusionlib.training import Spec

MODE, TRAINABLE = "UPTP", 15000  # of all three rows
Specs = dict[str, tuple[Spec, ...]]  # model -> one a seed

# Pairs of the test sets as published; of TNO everybody takes another part.
PUBLISHED_PAIRS = {"MSRS": 361, "LLVIP": 3463, "RoadScene": 221}


@dataclass(frozen=True)
class Tests:
    """One test set twice: the images at hand, and the fixed list of them."""

    present: PairSet
    listed: PairSet

    __test__ = False  # no test case, whatever pytest thinks of the name

    @property
    def dataset(self) -> str:
        """The name of both."""
        return self.present.dataset


def specs(
    name: str,
    data: str | Path | None = None,
    seeds: int | None = None,
    models: Sequence[str] = BASELINES,
) -> Specs:
    """What is trained: model -> its specs, one a seed.

    Infrared and visible patches come from two data sets, so that no pair of
    them is registered; T is 15,000 and the relation unpaired.

    Args:
        name: the profile.
        data: folder that holds the datasets.
        seeds: how many; default the profile's.
        models: which baselines.
    """
    sizes = profile(name)
    cut = sizes.table4
    infrared = cut.ir.open(data, sizes.size)
    visible = open_pairs(sizes.train, "train", data, sizes.base, sizes.size)
    shared = {
        "ir": patch_source(infrared, "ir", sizes.patch, cut.ir_stride, cut.ir_first),
        "vi": patch_source(visible, "vi", sizes.patch, sizes.patch),
        "relation": PARADIGMS[MODE],
        "pairs": sizes.pairs[TRAINABLE],
        "batch": BATCH,
        "precision": sizes.precision,
        **({"steps": cut.steps} if cut.steps else sizes.length(TRAINABLE, BATCH)),
    }
    many = seed_range(seeds, cut.seeds)
    return {model: tuple(Spec(model=model, **shared, seed=k) for k in many) for model in models}


def describe(trained: Specs, data: str | Path | None = None) -> pd.DataFrame:
    """What each baseline trains on, and for how long: a table to read."""
    firsts = [many[0] for many in trained.values()]
    return pd.DataFrame(
        {
            "model": list(trained),
            "infrared": [_patches(spec.ir, data) for spec in firsts],
            "visible": [_patches(spec.vi, data) for spec in firsts],
            "T": [spec.pairs for spec in firsts],
            "steps": [spec.total_steps for spec in firsts],
            "precision": [spec.precision for spec in firsts],
            "runs": [" ".join(spec.key for spec in many) for many in trained.values()],
        }
    ).set_index("model")


def open_tests(name: str, data: str | Path | None = None) -> list[Tests]:
    """The test sets of a profile, each image read once to see that it can be."""
    sizes = profile(name)
    opened = []
    for present, listed in zip(sizes.table4.present, sizes.table4.tests, strict=True):
        pairs = present.open(data, sizes.size)
        names = listed.names or pairs.names
        opened.append(Tests(pairs, pairs.select(names)))
    return opened


def describe_tests(tests: Iterable[Tests]) -> pd.DataFrame:
    """Which images are at hand: counts, the share of those published, fingerprints."""
    return pd.DataFrame(
        {
            "test_set": test.dataset,
            "present": len(test.present),
            "published": PUBLISHED_PAIRS.get(test.dataset),
            "fingerprint": test.present.fingerprint,
            "listed": len(test.listed),
            "fingerprint of the list": test.listed.fingerprint,
        }
        for test in tests
    ).astype({"published": "Int64"})


def pictures(name: str, tests: Iterable[Tests]) -> list[tuple[Tests, Pair, str | None]]:
    """The test sets to draw: each with its pair, and the file for its picture.

    The pair is the profile's, or the set's first where that one is not at
    hand. Where the licence lets no picture be passed on, the file is None, and
    the set is drawn only while a reader sits before the notebook.
    """
    chosen = []
    for test in tests:
        wanted = profile(name).table4.panels[test.dataset]
        here = wanted if wanted in test.present.names else test.present.names[0]
        (pair,) = test.present.select([here])
        if test.dataset not in NOT_PASSED_ON:
            file = f"panels_{test.dataset}.png" if chosen else "panels.png"
            chosen.append((test, pair, file))
        elif live_notebook():
            chosen.append((test, pair, None))
    return chosen


def trainings(table: Table, trained: Specs) -> pd.DataFrame:
    """Table 8 with what was trained here beneath: a row a method, all text.

    Columns method, training sets, thousands of image pairs, processing.
    """
    shown = {
        "method": "model_printed", "training sets": "training_sets",
        "thousands of image pairs": "Num(k)", "processing": "processing",
    }  # fmt: skip
    printed = table.cells[list(shown.values())].set_axis(list(shown), axis=1)
    spec = next(iter(trained.values()))[0]
    counts = [
        f"{len(source.images) / 1000:.3f} {side}"
        for side, source in (("infrared", spec.ir), ("visible", spec.vi))
    ]
    ours = {
        "method": "trained here",
        "training sets": f"{spec.vi.dataset} {spec.ir.dataset}",
        "thousands of image pairs": ", ".join(counts),
        "processing": "crop",
    }
    return pd.concat([printed, pd.DataFrame([ours])], ignore_index=True)


def notes(name: str, trained: Specs, missing: dict[str, str]) -> list[str]:
    """What a reader must know beside the table.

    Args:
        name: the profile.
        trained: what `specs` returned.
        missing: model -> why its released weights are left out.
    """
    sizes = profile(name)
    spec = next(iter(trained.values()))[0]
    said = [
        f"trained here for {spec.total_steps:,} steps on infrared patches of "
        f"{sizes.table4.ir_note}, and on visible ones of {len(spec.vi.images)} {spec.vi.dataset} "
        "images",
        "authors' weights on all images at hand, ours on a fixed list of them",
    ]
    if "bsp-gan" in trained:
        said.append("the masks and the critics' regularisation of our GAN are inferred")
    return [*said, *missing.values()]


def _patches(source: PatchSource, data: str | Path | None) -> str:
    return f"{patch_count(source, data)} patches of {len(source.images)} {source.dataset} images"
