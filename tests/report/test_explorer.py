"""The explorer without a browser: views, metrics, its menus, and what is seen again."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from fusionlib import images
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.losses.bsp import weight
from fusionlib.models import create_model
from fusionlib.report.explorer import YOURS, Explorer, Seen, explore, look_closer
from fusionlib.report.views import Views
from fusionlib.training import open_run
from tests.training.small import go, tiny

TEST = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(96, 128))
OTHERS = open_pairs("scenes", "test", names=["0003N"], size=(96, 128))


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return create_model("bsp-cnn").eval()


@pytest.fixture
def explorer(model):
    published = {"scenes": {"CNN": {"EN": 6.5, "SSIM": 0.9}, "GAN": {"MI": 2.0}}}
    return Explorer({"scenes": TEST, "more": OTHERS}, {"CNN": model}, published=published)


# --- views --------------------------------------------------------------------------------


def test_views_are_what_their_names_say(model):
    views, pair = Views({"CNN": model}), TEST[0]
    assert torch.equal(views.view("infrared", pair), pair.ir)
    assert torch.equal(views.view("visible", pair), pair.vi_rgb)
    assert torch.equal(views.view("P_ir", pair), weight(pair.ir, pair.vi))
    assert views.view("G_ir", pair).shape == pair.ir.shape
    fused = views.view("CNN", pair, "plain")
    assert fused.shape == pair.vi_rgb.shape
    difference = views.view("CNN - infrared", pair, "plain")
    expected = (images.grey_of(fused[None])[0] - pair.ir) / 2 + 0.5
    torch.testing.assert_close(difference, expected)
    assert set(views.names) == {"infrared", "visible", "CNN", "CNN - infrared", "CNN - visible",
                                "P_ir", "G_ir"}  # fmt: skip


def test_scores_are_those_of_evaluate(model):
    views = Views({"CNN": model})
    expected = evaluate(model, TEST, "released", progress=False).set_index("image")
    for pair in TEST:
        found = views.scores("CNN", pair)
        assert found == pytest.approx(expected.loc[pair.name].to_dict(), rel=1e-6)


def test_colour_is_scored_in_colour():
    run = go(tiny(model="seafusion", channels=3, relation="strict", pairs=6, steps=1))
    test = open_pairs("scenes", "test", names=["0001N"], size=(168, 168))
    expected = evaluate(run, test, "plain", "ssvif", None, progress=False).iloc[0]
    found = Views({"SeAFusion": run}).scores("SeAFusion", test[0], "plain", "ssvif")
    assert found["ΔE"] == pytest.approx(expected["ΔE"], rel=1e-6)
    assert found["MI"] == pytest.approx(expected["MI"], rel=1e-6)


def test_what_was_scored_for_a_table_is_not_fused_again(monkeypatch):
    run = go(tiny(steps=1))
    expected = evaluate(run, TEST, "plain", progress=False).set_index("image")
    monkeypatch.setattr(type(run), "model", None)
    views = Views({"CNN": run})
    for pair in TEST:
        found = views.scores("CNN", pair, "plain", among=TEST)
        assert found == expected.loc[pair.name].to_dict()
    assert views.table(TEST[0], "plain").loc["CNN"].to_dict() == expected.loc["0000D"].to_dict()


def test_what_is_not_there_is_refused(model, explorer):
    with pytest.raises(FusionError, match="There is no view 'GAN': choose from infrared"):
        explorer.views.view("GAN", TEST[0])
    with pytest.raises(FusionError, match="There is no view 'CNN - CNN'"):
        explorer.views.view("CNN - CNN", TEST[0])
    with pytest.raises(FusionError, match="mine is not trained"):
        Views({"mine": open_run(tiny(steps=9))})
    with pytest.raises(FusionError, match="no pair to explore"):
        Explorer({}, {"CNN": model})
    with pytest.raises(FusionError, match="no data set 'LLVIP'"):
        explorer.pair("LLVIP", "1")
    with pytest.raises(FusionError, match="scenes has no image '9'"):
        explorer.pair("scenes", "9")


# --- the explorer -------------------------------------------------------------------------


def test_published_means_stand_below_the_metrics(explorer):
    table = explorer.table()
    rows = [f"{name}, published mean of the set" for name in ("CNN", "GAN")]
    assert table.index.tolist() == ["CNN", *rows]
    assert table.loc[rows, "EN"].tolist() == pytest.approx([6.5, np.nan], nan_ok=True)
    assert table.loc[rows, "MI"].tolist() == pytest.approx([np.nan, 2.0], nan_ok=True)
    other = Seen("more", "0003N", "infrared", "CNN")
    assert explorer.table(other).index.tolist() == ["CNN"]


def test_a_picture_is_the_view_and_is_made_once(explorer, tmp_path):
    seen = Seen("scenes", "0001N", "infrared", "visible")
    (tmp_path / "right.png").write_bytes(explorer.picture(seen, "right"))
    shown = images.read_colour(tmp_path / "right.png")
    assert torch.equal(shown, TEST[1].vi_rgb)
    assert explorer.picture(seen, "right") is explorer.picture(seen, "right")


def test_what_was_seen_can_be_drawn_again_by_its_line(explorer):
    seen = Seen("scenes", "0001N", "infrared", "CNN", "plain", 0.25, (0.4, 0.6, 0.2))
    figure = eval(seen.code, {"explorer": explorer})
    whole = figure.axes[0].images[0].get_array()
    ir = TEST[1].ir.expand(3, -1, -1).permute(1, 2, 0).numpy()
    fused = explorer.views.view("CNN", TEST[1], "plain").permute(1, 2, 0).numpy()
    assert np.array_equal(whole[:, :32], ir[:, :32])
    assert np.array_equal(whole[:, 32:], fused[:, 32:])
    side = round(0.2 * 96)
    assert figure.axes[1].images[0].get_array().shape[:2] == (side, side)


def test_your_own_pair_joins(explorer, tmp_path):
    ir, vi = TEST.write(tmp_path)
    explorer.add(ir / "0001N.png", vi / "0001N.png")
    pair = explorer.pair(YOURS, "0001N")
    assert torch.equal(pair.vi_rgb, TEST[1].vi_rgb)
    explorer.add(ir / "0001N.png", vi / "0001N.png")
    assert len(explorer.scenes[YOURS]) == 1
    Picture.new("L", (50, 50)).save(tmp_path / "small.png")
    with pytest.raises(FusionError, match="small"):
        explorer.add(tmp_path / "small.png", vi / "0001N.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(FusionError, match="text"):
        explorer.add(ir / "0001N.png", tmp_path / "text.png")


def test_without_a_reader_a_figure_is_shown(model, tmp_path, capsys):
    explored = explore({"scenes": TEST}, {"CNN": model}, tmp_path / "static.png")
    assert (tmp_path / "static.png").stat().st_size > 10_000
    assert explored.seen.right == "CNN"


def test_below_panels_it_is_for_a_reader_and_for_runs_that_are_here(monkeypatch):
    run, elsewhere = go(tiny(steps=1)), open_run(tiny(steps=1, seed=1))
    networks, published = {"SPTP": run, "UPTP": elsewhere}, {"more": {"SPTP": {"EN": 6.0}}}
    assert look_closer([TEST], networks, "plain") is None  # nobody sits there
    monkeypatch.setattr("fusionlib.report.explorer.live_notebook", lambda: True)
    parts = look_closer([TEST], networks, "plain", "bsp", published).widget().parts
    assert parts["dataset"].options == ("scenes",)
    assert parts["right"].options[:3] == ("infrared", "visible", "SPTP")
    assert "UPTP" not in parts["right"].options
    assert parts["protocol"].value == "plain"
    # Kept rows made the table: no run is here, and none is trained.
    assert look_closer([TEST], {"UPTP": elsewhere}) is None
    assert not elsewhere.steps


# --- its menus ----------------------------------------------------------------------------


def test_menus_change_what_is_shown(explorer):
    parts = explorer.widget().parts
    curtain = parts["curtain"]
    before = curtain.right
    parts["right"].value = "visible"
    assert curtain.right != before
    assert curtain.right_name == "visible"
    parts["image"].value = "0001N"
    assert explorer.seen.image == "0001N"
    assert "CNN" in parts["metrics"].value
    parts["dataset"].value = "more"
    assert parts["image"].options == ("0003N",)
    assert curtain.scene == "more 0003N"
    assert "'0003N'" in parts["code"].value


def test_a_change_of_seen_images_takes_less_than_a_fifth_of_a_second(explorer):
    parts = explorer.widget().parts
    for name in ("0001N", "0000D"):  # both are made, and scored
        parts["image"].value = name
    started = time.perf_counter()
    for name in ("0001N", "0000D", "0001N"):
        parts["image"].value = name
    assert (time.perf_counter() - started) / 3 < 0.2


def test_dragging_is_told_in_the_line_of_code(explorer):
    parts = explorer.widget().parts
    parts["curtain"].position = 0.25
    parts["curtain"].box = [0.3, 0.7, 0.2]
    assert explorer.seen.position == 0.25
    assert "position=0.25, box=(0.3, 0.7, 0.2)" in parts["code"].value
    parts["side"].value = 0.4
    assert parts["curtain"].box == [0.3, 0.7, 0.4]


def test_pictures_are_saved_where_it_is_said(explorer, tmp_path):
    parts = explorer.widget(tmp_path).parts
    parts["save"].click()
    (file,) = tmp_path.glob("*.png")
    assert file.name == "scenes_0000D_infrared_CNN.png"
    assert str(file) in parts["told"].value


def test_pictures_that_may_not_be_passed_on_are_not_saved(model):
    parts = Explorer({"LLVIP": OTHERS, "scenes": TEST}, {"CNN": model}).widget().parts
    assert parts["save"].disabled
    parts["dataset"].value = "scenes"
    assert not parts["save"].disabled


def upload(file):
    now, content = datetime.now(tz=UTC), memoryview(file.read_bytes())
    return {"name": file.name, "type": "image/png", "size": len(content), "content": content,
            "last_modified": now}  # fmt: skip


def test_uploads_become_a_data_set(explorer, tmp_path):
    ir, vi = TEST.write(tmp_path)
    parts = explorer.widget().parts
    parts["infrared"].value = (upload(ir / "0001N.png"),)
    assert YOURS not in parts["dataset"].options  # one alone is no pair
    parts["visible"].value = (upload(vi / "0001N.png"),)
    assert parts["dataset"].value == YOURS
    assert parts["curtain"].scene == f"{YOURS} 0001N"
    (tmp_path / "text.png").write_text("no image")
    parts["visible"].value = (upload(tmp_path / "text.png"),)
    assert "text.png" in parts["told"].value
