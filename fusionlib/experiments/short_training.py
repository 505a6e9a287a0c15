"""Short trainings on any list of pairs, for lessons: a network comes out, nothing is kept.

`fusionlib.training` trains on relations by name, keeps what it made, and goes
on where it was killed. What is left here is what those do at heart.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import nn

from fusionlib.data import PairSet
from fusionlib.data.base import Base
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.losses import BSPLoss
from fusionlib.models import create_model
from fusionlib.pairing import decode, relation_size
from fusionlib.progress import progress


def all_pairs(relation: str, n_ir: int, n_vi: int) -> np.ndarray:
    """Every index pair (T, 2) of a relation: only for small bases."""
    numbers = np.arange(relation_size(relation, n_ir, n_vi))
    return decode(relation, numbers, n_ir, n_vi)


def learn(
    base: Base,
    pairs: np.ndarray,
    loss: BSPLoss,
    steps: int,
    model: str = "mmdrfuse",
    crop: int | None = None,
    batch: int = 5,
    lr: float = 1e-2,
    seed: int = 0,
    title: str = "train",
) -> nn.Module:
    """Train a new network on pairs, each as often as the others; returns it in eval mode.

    Args:
        base: the patches.
        pairs: (T, 2) indices, infrared first.
        loss: the objective.
        steps: of Adam, whatever T is.
        model: a name that `create_model` knows; the default has 113 weights.
        crop: side of the square that is cut from the patches of a step, at one
            place in all; None takes them whole.
        batch: pairs a step.
        lr: Adam's learning rate, high for few steps; the CNN needs 1e-3.
        seed: of the weights and of the order.
        title: stands before the progress bar.

    Raises FusionError where there is no pair.
    """
    if not len(pairs):
        raise FusionError("There is no pair to learn from: let at least one patch meet another.")
    torch.manual_seed(seed)
    network = create_model(model).train()
    adam = torch.optim.Adam(network.parameters(), lr)
    source = np.random.default_rng(seed)
    side = crop or base.ir.shape[-1]
    rounds = -(-steps * batch // len(pairs))
    order = np.concatenate([source.permutation(pairs) for _ in range(rounds)])
    for step in progress(range(steps), title):
        pair = base.gather(torch.from_numpy(order[batch * step : batch * (step + 1)]))
        y, x = source.integers(0, base.ir.shape[-1] - side + 1, 2)
        ir, vi = (image[..., y : y + side, x : x + side] for image in pair)
        adam.zero_grad()
        loss(network(ir, vi), ir, vi)["total"].backward()
        adam.step()
    return network.eval()


def scores(
    networks: Mapping[tuple[str, int], nn.Module], test: PairSet, protocol: str
) -> pd.DataFrame:
    """SSIM on every test pair of networks by (pairing, seed): pairing, seed, image, SSIM."""
    tables = [
        evaluate(network, test, protocol, metrics=["SSIM"], progress=False)
        .assign(pairing=name, seed=seed)
        for (name, seed), network in networks.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)[["pairing", "seed", "image", "SSIM"]]
