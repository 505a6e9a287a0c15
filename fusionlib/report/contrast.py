"""How much infrared comes in where the visible image has become black (RegionFuse, Figure 3)."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from IPython.display import Image
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.data import Pair
from fusionlib.inference import fuse
from fusionlib.report.panels import panels, telling_boxes
from fusionlib.report.record import stand_in
from fusionlib.report.style import save_figure
from fusionlib.training import Run

AS_IT_IS, ENHANCED = "as it is", "enhanced"


def enhanced(visible: Tensor, k: float) -> Tensor:
    """Grey levels stretched about their mean: clip(mean + k (I - mean), 0, 1).

    visible: (1, H, W) in [0, 1]; k: 1 leaves it as it is.

    Source: inferred; RegionFuse's supplement names k alone.
    """
    mean = visible.mean()
    return (mean + k * (visible - mean)).clamp(0, 1)


def contrast_panels(
    networks: Mapping[str, Run], pair: Pair, k: float, protocol: str, caption: str, folder: Path
) -> tuple[pd.DataFrame, Figure | Image]:
    """Both versions of the visible image, fused, and what of the infrared is in them.

    Args:
        networks: runs by the name of their row.
        pair: grey infrared and visible image.
        k: of `enhanced`.
        protocol: as `fusionlib.inference.fuse` takes it.
        caption: stands below the picture; it names the data set.
        folder: gets fig3.webp; where runs are missing, its table.csv and
            fig3.webp, made elsewhere, stand in for them.

    Returns columns network, visible ("as it is" or "enhanced"), and over the
    pixels that are black in the enhanced image: correlation of fused and
    infrared, share, the slope of the fused levels on the infrared ones (1:
    all its contrast comes in), and distance, their mean difference in grey
    levels; NaN where no pixel is black. And the picture.

    Raises FusionError for a missing run without a picture.
    """
    path = folder / "fig3.webp"
    if missing := [name for name, run in networks.items() if not run.finished]:
        picture = stand_in(path, missing[0], [run.key for run in networks.values()])
        return pd.read_csv(folder / "table.csv"), picture
    versions = {AS_IT_IS: pair.vi, ENHANCED: enhanced(pair.vi, k)}
    dark = versions[ENHANCED] == 0
    shown = {"infrared": pair.ir, "visible": pair.vi, ENHANCED: versions[ENHANCED]}
    rows = []
    for name, run in networks.items():
        model = run.model().eval()
        for version, visible in versions.items():
            made = fuse(model, pair.ir[None], visible[None], protocol)[0].cpu()
            shown[f"{name}, {version}"] = made
            named = {"network": name, "visible": version}
            rows.append(named | alike(made[dark], pair.ir[dark]))
    figure = panels(shown, caption, telling_boxes(pair.ir, pair.vi), columns=3)
    return pd.DataFrame(rows), save_figure(figure, path)


def alike(fused: Tensor, ir: Tensor) -> dict[str, float]:
    """How much of the infrared levels (N,) the fused ones (N,) show, see `contrast_panels`."""
    if not len(ir):
        return dict.fromkeys(("correlation", "share", "distance"), float("nan"))
    both = torch.stack((fused, ir)).double()
    spread = both.cov(correction=0)
    return {
        "correlation": torch.corrcoef(both)[0, 1].item(),
        "share": (spread[0, 1] / spread[1, 1]).item(),
        "distance": 255 * (fused - ir).abs().mean().item(),
    }
