"""Make a finished run part of the package: its weights and a model card.

For maintainers: `python -m fusionlib.report.model_card KEY MSRS RoadScene`
scores the run on these test sets and writes the two files that
`fusionlib.models.load_trained` and `card` read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from safetensors.torch import save

from fusionlib.data import PairSet, open_pairs
from fusionlib.data.base import PatchSource, patch_count
from fusionlib.data.datasets import DATASETS, OWN, SCENES_LICENCE
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate, summary
from fusionlib.files import write_whole
from fusionlib.inference import Protocol
from fusionlib.models import trained
from fusionlib.report.compare import markdown
from fusionlib.training import Run, runs

MOST_BYTES = 1_000_000  # a clone stays small

_CARD = """# {name}: weights trained by fusionlib

`fused = fusionlib.models.load_trained("{name}")(ir, vi)`, with float32 images (B, {channels}, H, W) in [0, 1].

- Architecture: `{model}`. {architecture}
- Size: {parameters:,} parameters, {megabytes:.2f} MB (10^6 bytes).
- Origin: trained from scratch by fusionlib. The authors' weights had no part in it.

## Training data

{sources}

Pairs are drawn by the relation "{relation}": {pairs:,} an epoch, {draws}.

## Training

{total_steps:,} steps of {batch} pairs, {used:,} in all; Adam, learning rate {lr:g}, seed {seed}; the network in {precision}.
Objective: `{loss}`.{opponents}

Run {key}: {seconds:,.0f} s on {device}, threads: {threads}, torch {torch}, fusionlib {fusionlib},
commit {commit}. The same specification is trained again by

```python
from fusionlib.models import trained
from fusionlib.training import Spec, train

run = train(Spec.from_dict(trained.origin("{name}")["spec"]))
```

## Scores to expect

Means over as many images of each set as the table says, protocol {protocol}, convention {convention}
(`fusionlib fuse` takes the protocol plain):

{scores}
## Limits

- It has seen {scenes} alone, in patches of {patch} × {patch} pixels: on other sensors and scenes it may do worse.
- {colour}
- Both images must be registered: what is shifted between them appears twice.
- A fused image is made to be looked at: its values measure neither temperature nor light.

## Licence

The weights are part of fusionlib (MIT). The images that they were trained on are not; their own terms hold:

{licences}
"""  # noqa: E501 (a paragraph of Markdown is one line)


def expected(
    run: Run, test_sets: Sequence[PairSet], protocol: str = "released", convention: str = "bsp"
) -> pd.DataFrame:
    """The run's mean scores, one row a test set.

    Returns the columns test_set, images (how many) and one a metric; `attrs`
    hold protocol and convention.
    """
    rows = []
    for pairs in test_sets:
        means = summary(evaluate(run, pairs, protocol, convention))
        rows.append({"test_set": pairs.dataset, "images": len(pairs), **means})
    table = pd.DataFrame(rows)
    table.attrs = {"protocol": Protocol.of(protocol).name, "convention": convention}
    return table


def ship(
    run: Run,
    scores: pd.DataFrame,
    name: str | None = None,
    data: str | Path | None = None,
) -> Path:
    """Write a run's last weights and their model card into the package.

    Args:
        run: a finished run.
        scores: what to expect of it, a table as `expected` gives it.
        name: what `load_trained` will call it; default the model's name.
        data: folder that holds the datasets, whose patches are counted;
            default FUSIONLIB_DATA.

    Returns the weights file. What had its name is replaced.

    Raises FusionError for a run that is not finished, and for weights of more
    than 1 MB.
    """
    if not run.finished:
        raise FusionError(
            f"Run {run.key} is not finished (last weights: step {max(run.steps, default=0)}):"
            " train its spec to the end first."
        )
    note = {"model": run.spec.model, "key": run.key, "commit": run.provenance["commit"]}
    note["spec"] = run.spec.to_dict()
    weights = {key: value.contiguous() for key, value in run.model().state_dict().items()}
    content = save(weights, {"fusionlib": json.dumps(note)})
    if len(content) > MOST_BYTES:
        raise FusionError(
            f"The weights of run {run.key} take {len(content):,} bytes, and the package holds at"
            f" most {MOST_BYTES:,} a network: ship a smaller model."
        )
    file = trained.FOLDER / f"{name or run.spec.model}.safetensors"
    card = model_card(run, scores, file.stem, len(content), data)
    write_whole(file.with_suffix(".md"), lambda path: path.write_text(card, encoding="utf-8"))
    write_whole(file, lambda path: path.write_bytes(content))
    return file


def model_card(
    run: Run, scores: pd.DataFrame, name: str, size: int, data: str | Path | None = None
) -> str:
    """The Markdown that `ship` writes beside weights of `size` bytes."""
    spec, model = run.spec, run.model()
    module = sys.modules[type(model).__module__]
    values = {**vars(spec), **run.provenance, **scores.attrs}
    values |= {"name": name, "key": run.key, "megabytes": size / 1e6}
    values |= {"total_steps": spec.total_steps, "patch": spec.ir.patch}
    values |= {"used": spec.total_steps * spec.batch}
    values |= {
        "architecture": module.__doc__.partition("\n")[0],
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "sources": "\n".join(_source(part, data) for part in (*spec.ir.alone, *spec.vi.alone)),
        "draws": "new ones each epoch" if spec.redraw else "the same ones in new order",
        "opponents": _opponents(spec.adversarial),
        "commit": run.provenance["commit"] or "unknown",
        "scores": markdown(scores.set_index("test_set").map(_figure)),
        "scenes": _scenes(spec.ir, spec.vi),
        "colour": _colour(spec.channels),
        "licences": "\n".join(
            _licence(name)
            for name in dict.fromkeys(part.dataset for part in spec.ir.parts + spec.vi.parts)
        ),
    }
    return _CARD.format(**values)


def _source(source: PatchSource, data: str | Path | None) -> str:
    modality = {"ir": "infrared", "vi": "visible"}[source.modality]
    return (
        f"- {modality}: {patch_count(source, data):,} patches, {source.stride} pixels apart, of"
        f" {len(source.images)} images of {source.dataset} {source.split} (fingerprint"
        f" {source.fingerprint}): {', '.join(source.images)}"
    )


def _opponents(adversarial) -> str:
    if not adversarial:
        return ""
    return (
        " The network is the generator of the GAN baseline; its two discriminators were trained"
        f" beside it, with masks and regularisation that are inferred: `{adversarial}`."
    )


def _scenes(ir: PatchSource, vi: PatchSource) -> str:
    images = [[(part.dataset, part.split, part.images) for part in of.parts] for of in (ir, vi)]
    count, others = (sum(len(names) for *_, names in several) for several in images)
    if images[0] == images[1]:
        return f"{count} scenes of {ir.where}"
    return f"{count} infrared images of {ir.where} and {others} visible images of {vi.where}"


def _colour(channels: int) -> str:
    if channels == 1:
        return "It fuses grey images; colour is to be taken from the visible image afterwards."
    return "It fuses three channels: the infrared image is to be repeated in each."


def _licence(dataset: str) -> str:
    if dataset in OWN:
        return f"- {dataset}: images of the user's own."
    if dataset not in DATASETS:
        return f"- {dataset}: {SCENES_LICENCE}."
    return f"- {dataset}: {DATASETS[dataset].licence}. {DATASETS[dataset].citation}."


def _figure(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def main(argv: list[str] | None = None) -> int:
    """Score a run of the store and ship it; returns the exit code."""
    parser = argparse.ArgumentParser(
        "python -m fusionlib.report.model_card",
        description="Make a finished run part of the package: its weights and a model card.",
    )
    parser.add_argument("key", help="of the run, as `fusionlib runs list` shows it")
    parser.add_argument("test_sets", nargs="+", metavar="DATASET", help="to score it on")
    parser.add_argument("--name", help="of the weights (default: the model's)")
    parser.add_argument("--protocol", default="released")
    parser.add_argument("--convention", default="bsp")
    parser.add_argument("--data", help="folder that holds the datasets (default: FUSIONLIB_DATA)")
    given = parser.parse_args(argv)
    try:
        found = [run for run in runs() if run.key == given.key]
        if not found:
            raise FusionError(
                f"There is no run {given.key} in the store: `fusionlib runs list` shows them."
            )
        sets = [open_pairs(dataset, "test", given.data) for dataset in given.test_sets]
        scores = expected(found[0], sets, given.protocol, given.convention)
        print(ship(found[0], scores, given.name, given.data))
    except FusionError as error:
        print(f"fusionlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
