"""Where the loss pulls, and where a descent on pixels comes to rest."""

import math

import pytest
import torch

from fusionlib.data import open_pairs
from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import mix
from fusionlib.report import pairing_pull, pairing_rest
from fusionlib.report.loss_maps import apart
from tests.report.pairing_toys import small_base


@pytest.fixture(scope="module")
def base():
    return small_base()


@pytest.fixture(scope="module")
def pair(base):
    return base.gather(torch.tensor([[0, 2]]))  # two scenes that never met


@pytest.fixture(scope="module")
def met(base):
    return pairing_pull.meetings(base, BSPLoss(), steps=30)


@pytest.mark.parametrize("form", ["released", "paper"])
def test_the_pull_is_what_a_small_step_gains(pair, form):
    ir, vi = pair
    loss, mean, way = BSPLoss(form=form), (ir + vi) / 2, 1e-3
    pull = pairing_pull.pull(loss, mean, ir, vi)
    before, after = (loss(mean + t * (ir - vi), ir, vi)["total"] for t in (-way, way))
    gained = ((before - after) / (2 * way)).item()
    assert pull.mean().item() == pytest.approx(gained, rel=0.03)
    assert abs(gained) > 1e-3


def test_intensity_pulls_to_the_brighter_source(pair):
    ir, vi = pair
    vi = torch.where(torch.arange(24) < 6, ir, vi)  # equally bright at the left
    pull = pairing_pull.pull(BSPLoss(gradient=0, ssim=0), (ir + vi) / 2, ir, vi)
    differ = (ir - vi).abs() > 0.01
    assert ((pull > 0) == (ir > vi))[differ].all()
    assert (pull[ir == vi] == 0).all()


def test_a_descent_lowers_each_pair_as_if_it_were_alone(base):
    ir, vi = base.gather(torch.tensor([[0, 1], [2, 2]]))
    loss, start = BSPLoss(), (ir + vi) / 2
    both = pairing_pull.descend(loss, start, ir, vi, 20)
    alone = pairing_pull.descend(loss, start[:1], ir[:1], vi[:1], 20)
    torch.testing.assert_close(both[:1], alone, atol=2e-3, rtol=0)
    before, after = (apart(loss, fused, ir, vi)["total"] for fused in (start, both))
    assert (after < before - 0.01).all()
    assert both.min() >= 0
    assert (both <= torch.maximum(ir, vi).amax((1, 2, 3), keepdim=True) + 1e-6).all()


def test_kept_knows_the_brighter_and_the_mean(pair):
    ir, vi = (x[0] for x in pair)
    of_brighter = pairing_pull.kept(torch.maximum(ir, vi), ir, vi)
    assert of_brighter["infrared brightness"] == of_brighter["visible brightness"] == 1
    of_copy = pairing_pull.kept(vi, ir, vi)
    assert of_copy["visible edges"] == 1
    assert of_copy["infrared edges"] < 0.5
    of_black = pairing_pull.kept(vi, torch.zeros_like(vi), vi)
    assert math.isnan(of_black["infrared brightness"])


def test_meetings_are_all_of_them_in_their_order(base, met):
    assert met.pull.shape == met.best.shape == (3, 3, 24, 24)
    assert [*met.terms.index] == [(i, j) for i in range(3) for j in range(3)]
    ir, vi = base.gather(torch.tensor([[2, 0]]))
    mean, loss = (ir + vi) / 2, BSPLoss()
    row = met.terms.loc[2, 0]
    assert row["total"] == pytest.approx(loss(mean, ir, vi)["total"].item(), abs=1e-6)
    assert row[["intensity", "gradient", "ssim"]].sum() == pytest.approx(row["total"])
    assert row["rest"] == pytest.approx(loss(met.best[2, 0][None, None], ir, vi)["total"].item())
    pull = pairing_pull.pull(loss, mean, ir, vi)
    torch.testing.assert_close(met.pull[2, 0], pull[0, 0], atol=1e-4, rtol=1e-4)
    assert (met.terms["rest"] < met.terms["total"]).all()


def test_a_mismatched_pair_has_one_rest():
    scenes = open_pairs("scenes", "train", names=["0000D", "0001N"], size=(128, 192))
    ir, vi = scenes[0].ir[:, 64:, :64], scenes[1].vi[:, :64, 64:128]
    starts, rests, table = pairing_rest.from_starts(BSPLoss(), ir, vi)
    assert [*starts, "mixture, Eq. 2"] == [*rests, "mixture, Eq. 2"] == [*table.index]
    descents = table.drop(index="mixture, Eq. 2")
    lowest = rests[descents["rest"].idxmin()]
    near = descents[descents["rest"] < 2 * descents["rest"].min()]
    assert len(near) >= 3
    for name, row in near.iterrows():
        assert row["levels"] == pytest.approx(255 * (rests[name] - lowest).abs().mean().item())
        assert row["levels"] < 5
    apart_at_first = 255 * (starts["grey"] - starts["mean"]).abs().mean()
    assert apart_at_first > 20
    pair = ir[None], vi[None]
    kept = table.loc["mixture, Eq. 2", "rest"]
    assert kept == pytest.approx(BSPLoss()(mix(*pair), *pair)["total"].item(), abs=1e-6)
    figure = pairing_rest.rest_figure(starts, rests, table, "rendered scenes")
    assert [axis.get_title() for axis in figure.axes[:5]] == list(starts)
