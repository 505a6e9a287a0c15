"""The lesson's training: it sees the pairs that it was given, and no others."""

import numpy as np
import pytest
import torch

from fusionlib import metrics
from fusionlib.data import open_pairs
from fusionlib.data.base import Base
from fusionlib.errors import FusionError
from fusionlib.experiments import short_training as training
from fusionlib.inference import fuse
from fusionlib.losses import BSPLoss
from tests.report.pairing_toys import small_base


def weights(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def trained(base, pairs, steps=6, **options):
    return training.learn(base, np.array(pairs), BSPLoss(), steps, batch=2, **options)


def test_only_the_pairs_count():
    base = small_base()
    other = Base(base.ir.clone(), base.vi.clone())
    other.ir[2], other.vi[0] = 0, 0  # neither is in the pairing
    pairs = [(0, 1), (1, 2), (1, 1)]
    once, again = weights(trained(base, pairs)), weights(trained(other, pairs))
    assert torch.equal(once, again)
    assert not torch.equal(once, weights(trained(other, [*pairs, (2, 0)])))
    assert not torch.equal(once, weights(trained(base, pairs, seed=1)))


def test_it_learns_from_mismatched_pairs():
    base = small_base()
    pairs = training.all_pairs("unpaired", 3, 3)
    ir, vi = base.gather(torch.from_numpy(pairs))
    first, last = (
        BSPLoss()(trained(base, pairs, steps, crop=16)(ir, vi), ir, vi)["total"].item()
        for steps in (1, 60)
    )
    assert last < 0.8 * first


def test_no_pair_is_refused():
    with pytest.raises(FusionError, match="at least one patch"):
        training.learn(small_base(), np.empty((0, 2), np.int64), BSPLoss(), 1)


def test_all_pairs_of_a_small_base():
    assert training.all_pairs("strict", 2, 2).tolist() == [[0, 0], [1, 1]]
    assert training.all_pairs("unpaired", 2, 3).tolist() == [[0, 1], [0, 2], [1, 0], [1, 2]]
    assert len(training.all_pairs("arbitrary", 3, 4)) == 12


def test_scores_are_those_of_the_metric():
    test = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(64, 96))
    network = trained(small_base(), [(0, 1)])
    table = training.scores({("yours", 3): network}, test, "plain")
    assert table[["pairing", "seed", "image"]].values.tolist() == [
        ["yours", 3, "0000D"], ["yours", 3, "0001N"],
    ]  # fmt: skip
    pair = test[1]
    ir, vi = pair.ir[None], pair.vi[None]
    value = metrics.ssim(fuse(network, ir, vi, "plain"), ir, vi).item()
    assert table["SSIM"].iloc[1] == pytest.approx(value, abs=1e-6)
