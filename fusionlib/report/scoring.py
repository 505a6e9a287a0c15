"""How metrics answer when one thing about a fused image is changed: measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from fusionlib.data import Pair, PairSet, open_pairs
from fusionlib.errors import FusionError
from fusionlib.images import rgb_to_ycbcr, ycbcr_to_rgb
from fusionlib.inference import to_levels
from fusionlib.metrics import CONVENTIONS, DIRECTION, METRICS, OF_COLOUR, metric_of, score, ssim_map
from fusionlib.metrics.ssim import K2
from fusionlib.metrics.windows import frame, local_moments, uniform, whole
from fusionlib.progress import progress

RULES = {"mean": lambda ir, vi: (ir + vi) / 2, "max": torch.maximum}
# The first pair is looked at; the others tell whether it is typical.
_REAL = ("MSRS/00055D", "MSRS/00754N", "RoadScene/FLIR_04602")
PAIRS = {"smoke": ("scenes/0000D", "scenes/0001N"), "quick": _REAL, "paper": _REAL}
SCENE_SIZE = (240, 320)  # MS-SSIM needs 176 pixels a side
MOVES = 1.0  # per cent; a metric that changes by less hardly moves
GREY = tuple(name for name in METRICS if name not in OF_COLOUR)
WINDOW = 7  # of the field's usual SSIM


@dataclass(frozen=True)
class Disturbance:
    """One way to change a fused image, weaker or stronger.

    Args:
        unit: what the strength counts.
        strengths: those that are measured, in order.
        nothing: the strength that changes nothing.
        tried: those that the table of rewards shows, under their names.
        damages: names among them that no viewer would call better fusion.
        apply: (fused, ir, vi, strength, seed) -> image, any range.
    """

    unit: str
    strengths: tuple[float, ...]
    nothing: float
    tried: dict[str, float]
    damages: tuple[str, ...]
    apply: Callable[[Tensor, Tensor, Tensor, float, int], Tensor]


def _noise(fused: Tensor, ir: Tensor, vi: Tensor, sigma: float, seed: int) -> Tensor:
    # One pattern for all strengths, so that curves differ by the strength alone.
    pattern = torch.randn(fused.shape, generator=torch.Generator().manual_seed(seed))
    return fused + sigma / 255 * pattern


def _blur(fused: Tensor, ir: Tensor, vi: Tensor, sigma: float, seed: int) -> Tensor:
    blurred = gaussian_filter(fused.numpy(), (0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(blurred)


def _contrast(fused: Tensor, ir: Tensor, vi: Tensor, gain: float, seed: int) -> Tensor:
    return fused.mean() + gain * (fused - fused.mean())


def _copy(fused: Tensor, ir: Tensor, vi: Tensor, share: float, seed: int) -> Tensor:
    return torch.lerp(fused, vi if share > 0 else ir, abs(share))


DISTURBANCES = {
    "noise": Disturbance(
        "σ in grey levels", (0, 1, 2, 3, 5, 7, 10, 14, 20), 0,
        {"noise σ 10": 10}, ("noise σ 10",), _noise,
    ),
    "blur": Disturbance(
        "σ in pixels", (0, 0.3, 0.5, 0.7, 1, 1.4, 2, 2.8, 4), 0,
        {"blur σ 2": 2}, ("blur σ 2",), _blur,
    ),
    "contrast": Disturbance(
        "times the distance from the mean", (0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5), 1,
        {"contrast ×0.5": 0.5, "contrast ×1.5": 1.5}, ("contrast ×0.5",), _contrast,
    ),
    "copying": Disturbance(
        "share of a source: -1 infrared, 1 visible",
        (-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1), 0,
        {"only infrared": -1, "only visible": 1}, ("only infrared", "only visible"), _copy,
    ),
}  # fmt: skip


def examples(profile: str, data: str | None = None, image: str = "") -> list[PairSet]:
    """The pairs of a profile, each a set of one; the first is looked at.

    Args:
        profile: "smoke", "quick" or "paper".
        data: folder of the datasets; None reads FUSIONLIB_DATA.
        image: "set/name" of another pair to look at.

    Raises FusionError for an unknown pair, or one that can't be read.
    """
    wanted = list(dict.fromkeys([*([image] if image else []), *PAIRS[profile]]))
    found = []
    for text in wanted:
        dataset, slash, name = text.partition("/")
        if not slash:
            raise FusionError(f"image is {text!r}: give set/name, such as {PAIRS[profile][0]}.")
        size = SCENE_SIZE if dataset == "scenes" else None
        found.append(open_pairs(dataset, "test", data, [name], size).verify())
    return found


def simple_fusion(pair: Pair, rule: str = "mean") -> Tensor:
    """Fuse without a network: float32 (1, 1, H, W) in [0, 1], not rounded.

    `rule` is "mean" or "max" of the two grey levels; FusionError for another.
    """
    if rule not in RULES:
        raise FusionError(f"rule is {rule!r}: choose from {', '.join(RULES)}.")
    return RULES[rule](pair.ir[None], pair.vi[None])


def disturb(fused: Tensor, pair: Pair, name: str, strength: float, seed: int = 0) -> Tensor:
    """The image after a disturbance, again on 8-bit levels: (1, 1, H, W).

    Args:
        fused: (1, 1, H, W) on 8-bit levels.
        name: from `DISTURBANCES`.
        strength: any, in that disturbance's unit.
        seed: of the noise.
    """
    kind = DISTURBANCES[name]
    return to_levels(kind.apply(fused, pair.ir[None], pair.vi[None], strength, seed))


def scores(fused: Tensor, pair: Pair, convention: str = "bsp") -> pd.Series:
    """All metrics of one image (1, 1, H, W) under a convention, by label.

    For ΔE, the fused image is luma and takes its colours from the visible one.
    """
    ir, vi = pair.ir[None], pair.vi_rgb[None]
    values = score(fused, ir, pair.vi[None], GREY, convention)
    coloured = torch.cat([fused, rgb_to_ycbcr(vi)[:, 1:]], 1)
    values |= score(ycbcr_to_rgb(coloured).clamp(0, 1), ir, vi, tuple(OF_COLOUR), convention)
    return pd.Series({label: value.item() for label, value in values.items()})


def direction(label: str) -> str:
    """Which way a metric is better: "higher" or "lower"."""
    return DIRECTION[metric_of(label)]


def gains(values: pd.Series, start: pd.Series) -> pd.Series:
    """By how many per cent of `start` each metric is better, by its own direction."""
    signs = np.array([1 if direction(label) == "higher" else -1 for label in values.index])
    return 100 * signs * (values - start) / start.abs().where(start != 0, 1) + 0.0  # never -0


def measure(
    fused: Tensor, pair: Pair, convention: str = "bsp", seed: int = 0, only_tried: bool = False
) -> pd.DataFrame:
    """Score an image under every disturbance and strength.

    Args:
        fused: (1, 1, H, W) on 8-bit levels, the undisturbed image.
        convention: see `fusionlib.metrics.score`.
        seed: of the noise.
        only_tried: measure the strengths of the table of rewards alone.

    Returns columns disturbance, strength, metric, value, and gain: by how many
    per cent of the undisturbed value the metric is better.
    """
    start = scores(fused, pair, convention)
    steps = [
        (name, strength)
        for name, kind in DISTURBANCES.items()
        for strength in (kind.tried.values() if only_tried else kind.strengths)
    ]
    tables = []
    for name, strength in progress(steps, f"score {pair.name}"):
        values = start
        if strength != DISTURBANCES[name].nothing:
            values = scores(disturb(fused, pair, name, strength, seed), pair, convention)
        here = {"disturbance": name, "strength": float(strength), "metric": start.index}
        tables.append(
            pd.DataFrame(here | {"value": values.values, "gain": gains(values, start).values})
        )
    return pd.concat(tables, ignore_index=True)


def tried(curves: pd.DataFrame) -> pd.DataFrame:
    """The gains at the tried strengths: a row a metric, a column a disturbance."""
    columns = {}
    for name, kind in DISTURBANCES.items():
        for label, strength in kind.tried.items():
            here = (curves["disturbance"] == name) & (curves["strength"] == strength)
            columns[label] = curves[here].set_index("metric")["gain"]
    return pd.DataFrame(columns).reindex(curves["metric"].unique())


def common_sign(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """1 or -1 where a metric rises or falls on every pair, else 0.

    `tables` are what `tried` gives, one a pair.
    """
    signs = [table.gt(MOVES).astype(int) - table.lt(-MOVES).astype(int) for table in tables]
    return sum(signs).where(sum(signs).abs() == len(signs), 0) // len(signs)


def fooled(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """Which damages every pair's score calls an improvement: text, by metric."""
    damages = [name for kind in DISTURBANCES.values() for name in kind.damages]
    risen = common_sign(tables)[damages] > 0
    return risen.apply(lambda row: ", ".join(row.index[row]), axis=1).rename("fooled by")


def ssim_by_range(
    fused: Tensor, pair: Pair, ranges: Sequence[float] = (2, 1, 255)
) -> tuple[pd.DataFrame, dict[float, Tensor], Tensor]:
    """SSIM under several data ranges, and where its second constant decides.

    Returns:
        A table with columns data_range, c2, SSIM (both sources added) and
        decided: per cent of windows whose two variances add up to less than c2.
        For each range, the map (h, w) whose mean is that SSIM.
        The variances' sums (2, h, w), with infrared and with visible.
    """
    levels = [255 * image.double() for image in (fused[0], pair.ir, pair.vi)]
    sources = torch.stack(levels[1:]).squeeze(1)
    variances = whole(
        local_moments(frame(torch.stack(levels).squeeze(1)), uniform(WINDOW))[1],
        fused.shape[-1] - WINDOW + 1,
    )
    sums = variances[:1] + variances[1:]
    maps = {r: ssim_map(levels[0], sources, r, window_size=WINDOW).sum(0) for r in ranges}
    rows = [
        {"data_range": r, "c2": (K2 * r) ** 2, "SSIM": maps[r].mean().item()}
        | {"decided": 100 * (sums < (K2 * r) ** 2).double().mean().item()}
        for r in ranges
    ]
    return pd.DataFrame(rows), maps, sums


def by_convention(fused: Tensor, pair: Pair) -> pd.DataFrame:
    """One image under all conventions: a row a metric, its labels side by side.

    Text with three decimals; a metric that a convention leaves open has several
    values in one cell. Metrics on which all agree are left out.
    """
    table = {}
    for convention in CONVENTIONS:
        cells: dict[str, list[str]] = {}
        for label, value in scores(fused, pair, convention).items():
            cells.setdefault(metric_of(label), []).append(f"{value:.3f}")
        table[convention] = {metric: " or ".join(values) for metric, values in cells.items()}
    agreed = pd.DataFrame(table).rename_axis("metric")
    return agreed[agreed.nunique(axis=1) > 1]
