"""The maps of Eq. 2-6 are those of the loss, and a pixel's numbers are in them."""

import pytest
import torch

from fusionlib.losses import BSPLoss
from fusionlib.losses.windows import gradient
from fusionlib.report import loss_figures, loss_maps


@pytest.fixture
def images():
    fused, ir, vi = torch.rand(3, 2, 1, 20, 24, generator=torch.Generator().manual_seed(1))
    return fused, 0.5 * ir, vi


@pytest.mark.parametrize("form", ["paper", "released"])
def test_the_means_of_the_residuals_are_the_terms(images, form):
    terms = BSPLoss(form=form)(*images)
    maps = loss_maps.term_maps(*images, form)
    assert [*maps, "total"] == [*terms]
    for term, m in maps.items():
        assert m.residual.mean().item() == pytest.approx(terms[term].item(), rel=1e-5)
        assert m.residual.shape == images[0].shape
        torch.testing.assert_close(m.w_infrared + m.w_visible, torch.ones_like(m.mixture),
                                   atol=1e-3, rtol=0)  # fmt: skip


def test_a_pixel_by_hand(images):
    fused, ir, vi = images
    maps, loss = loss_maps.term_maps(*images), BSPLoss(form="paper", gradient=0.5)
    table = loss_maps.pixel_table(maps, loss, 7, 3)
    a, b, o = (x[0, 0, 7, 3].item() for x in (ir, vi, fused))
    row = table.loc["intensity"]
    assert row["mixture"] == pytest.approx((a * a + b * b) / (a + b))
    assert row["w_infrared"] == pytest.approx(a / (a + b))
    assert row["residual"] == row["cost"] == pytest.approx(abs(o - row["mixture"]))
    row = table.loc["gradient"]
    assert row["infrared"] == gradient(ir)[0, 0, 7, 3].item()
    assert row["cost"] == pytest.approx(0.5 * row["residual"])
    total = 20 * 24 * loss(*(x[:1] for x in images))["total"].item()
    expected = 1e6 * table["cost"].sum() / total
    assert table["share"].sum() == pytest.approx(expected, rel=1e-4)


def test_a_batch_shares_one_weight_in_the_released_form(images):
    table = loss_maps.ssim_shares(*images, ["a", "b"])
    assert [*table.index] == ["a", "b", "as one batch"]
    batch, means = table.loc["as one batch"], table.loc[["a", "b"]].mean()
    for column in ("SSIM infrared", "SSIM visible", "term, paper", "% outside"):
        assert batch[column] == pytest.approx(means[column], abs=1e-5)
    one, other = batch["SSIM infrared"], batch["SSIM visible"]
    assert batch["share"] == pytest.approx(one / (one + other), abs=1e-5)
    assert batch["term, released"] != pytest.approx(means["term, released"], abs=1e-4)
    assert batch["% outside"] > 0  # of noise, SSIM is often negative
    assert batch["largest"] > 1
    terms = BSPLoss()(*images)
    assert batch["term, released"] == pytest.approx(terms["ssim"].item(), abs=1e-6)


def test_apart_is_each_pair_alone(images):
    for form in ("paper", "released"):
        together = loss_maps.apart(BSPLoss(form=form), *images)
        for k in range(2):
            alone = BSPLoss(form=form)(*(x[k : k + 1] for x in images))
            for name, value in alone.items():
                assert together[name][k].item() == pytest.approx(value.item(), rel=1e-4)


def test_maps_figure_marks_weights_that_are_no_shares(images):
    figure = loss_figures.maps_figure(loss_maps.term_maps(*images), "rendered scenes")
    titled = {axis.get_title(): axis for axis in figure.axes}
    image = titled["$S_{ir}$"].get_images()[0]
    assert image.get_clim() == (0, 1)
    assert [*image.cmap.get_over()[:3]] == pytest.approx([1, 208 / 255, 0])
    shares = loss_maps.term_maps(*images)["ssim"].w_infrared[0, 0]
    assert image.get_array().max() == pytest.approx(shares.max().item())
    assert "rendered scenes" in figure.get_supxlabel()


def test_share_figure_has_its_pole_at_the_opposite():
    share, residual = loss_figures.share_figure(0.4).axes
    x, y = share.get_lines()[0].get_data()
    assert y[abs(x - 0.4).argmin()] == pytest.approx(0.5, abs=1e-3)
    assert y[abs(x - 0).argmin()] == pytest.approx(1, abs=1e-3)
    assert y[x > -0.39].min() > 0 > y[x < -0.41].max()
    assert residual.get_lines()[0].get_ydata()[abs(x - 0.4).argmin()] == pytest.approx(
        0.6, abs=1e-3
    )
