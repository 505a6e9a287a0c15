"""Score a segmenter: one row an image, whole numbers, and IoU of a test set."""

from collections.abc import Sequence
from functools import cache as once

import pandas as pd
import torch
from torch import Tensor

from fusionlib.data import Pair, PairSet
from fusionlib.data.labels import classes_of, labels_of
from fusionlib.errors import FusionError
from fusionlib.metrics import confusion
from fusionlib.rows import kept_in, make_rows
from fusionlib.training import Run, scaled, shown

COUNTS = ("tp", "fp", "fn")


def segment_scores(
    run: Run,
    pairs: PairSet,
    step: int | None = None,
    device: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Show a segmenter what its source makes of every pair, and count pixels.

    Images are brought to the size that it was trained at. Its logits are
    brought back to the labels' size, where the largest one is the class. A
    run keeps its rows in its folder, as `evaluate` does, unless it was shown
    a folder of images, whose bytes may change.

    Args:
        run: of a `SegmenterSpec`.
        pairs: the test set, with labels of the classes that it was trained on.
        step: which of the run's snapshots; None is the last step.
        device: "cpu", "cuda", ...; default CUDA where there is one.
        progress: show a bar.

    Returns a table with the column "image" and, of each class, "tp NAME",
    "fp NAME" and "fn NAME": pixels that are rightly and wrongly given this
    class, and that wrongly have another, int64. `iou_table` makes IoU of it.
    Its `attrs` hold dataset, split, fingerprint, step, key of the run and
    images, what the run was shown.

    Raises FusionError for a run that is no segmenter, pairs of other classes
    or without labels, and as `shown`.
    """
    if run.spec.kind != "segmenter":
        raise FusionError(f"Run {run.key} fuses: name the run of a segmenter.")
    spec = run.spec
    classes = spec.classes
    if classes_of(pairs.dataset) != classes:
        raise FusionError(
            f"Run {run.key} knows the classes of {spec.source.dataset}, which are not those of"
            f" {pairs.dataset}: train a segmenter on {pairs.dataset}."
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    step = spec.total_steps if step is None else step
    labels = [f"{count} {name}" for name in classes for count in COUNTS]
    show = shown(spec.source, pairs, device)
    network = once(lambda: run.model(step).to(device))

    def load(pair: Pair) -> tuple[Pair, Tensor]:
        return pair, labels_of(pair, pairs.dataset)

    @torch.inference_mode()
    def count(pair: Pair, truth: Tensor) -> dict[str, int]:
        image = scaled(show(pair), spec.size).to(device)
        logits = scaled(network()(image[None])[0], truth.shape)
        table = confusion(logits.argmax(0, keepdim=True).cpu(), truth[None], len(classes))[0]
        hits = table.diagonal()
        counted = torch.stack((hits, table.sum(0) - hits, table.sum(1) - hits), 1)
        return dict(zip(labels, counted.flatten().tolist(), strict=True))

    conditions = {"what": "segments", "dataset": pairs.dataset, "split": pairs.split, "step": step}
    cache = None if spec.source.of_folder else kept_in(run.folder, conditions)
    title = f"segment {pairs.dataset} {pairs.split}" if progress else None
    rows = make_rows(pairs, load, count, labels, cache, title)
    table = pd.DataFrame(rows, columns=labels).astype("int64")
    table.insert(0, "image", pairs.names)
    table.attrs = {
        "dataset": pairs.dataset,
        "split": pairs.split,
        "fingerprint": pairs.fingerprint,
        "step": step,
        "key": run.key,
        "images": spec.source.images,
    }
    return table


def iou_table(rows: pd.DataFrame, by: str | Sequence[str] = ()) -> pd.DataFrame:
    """IoU of each class and mIoU over all images of a table, from 0 to 1.

    The pixels of all images are counted together, as papers do; the mean of
    the images' own IoU is another number.

    Args:
        rows: as `segment_scores` makes them, also several tables in one, with
            columns that tell them apart.
        by: those columns; one row each, in the order in which they come.

    Returns the columns `by`, one a class, and "mIoU", the mean over the
    classes that are labelled or predicted in any image. NaN for the others.
    """
    by = [by] if isinstance(by, str) else list(by)
    names = [column.removeprefix("tp ") for column in rows if column.startswith("tp ")]
    columns = [f"{count} {name}" for name in names for count in COUNTS]
    if by:
        sums = rows.groupby(by, sort=False)[columns].sum()
    else:
        sums = rows[columns].sum().to_frame().T
    found = pd.DataFrame(index=sums.index)
    for name in names:
        hits = sums[f"tp {name}"]
        found[name] = hits / sum(sums[f"{count} {name}"] for count in COUNTS)
    found["mIoU"] = found[names].mean(axis=1)
    return found.reset_index() if by else found


def iou_by_image(rows: pd.DataFrame) -> pd.DataFrame:
    """Each image's part in the IoU of all, so that a mean over images is it.

    IoU is a ratio of two sums over images, not a mean, and a bootstrap needs
    one value an image. So it is linearised where every image counts once: an
    image's value is the IoU of all, and what more of this image would add to
    it. The values' mean is exactly the IoU of all images together, and their
    spread is what resampling images does to it, to first order.

    Args:
        rows: of one run on one test set, as `segment_scores` makes them.

    Returns columns image, one a class, and "mIoU", in per cent as papers
    print; a value of one image may lie outside 0 to 100. NaN for a class
    that no image shows or has predicted, and such a class is not in the mean.
    """
    names = [column.removeprefix("tp ") for column in rows if column.startswith("tp ")]
    found = pd.DataFrame({"image": rows["image"]})
    for name in names:
        hits, either = rows[f"tp {name}"], sum(rows[f"{count} {name}"] for count in COUNTS)
        whole = hits.sum() / either.sum() if either.sum() else float("nan")
        # The derivative of sum(w * hits) / sum(w * either) to an image's weight w, at 1
        found[name] = 100 * (whole + (hits - whole * either) / either.mean())
    found["mIoU"] = found[names].mean(axis=1)
    return found
