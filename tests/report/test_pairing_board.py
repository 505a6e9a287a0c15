"""The grid that a reader clicks: relations, pictures, the widget behind it."""

import io
import time

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.report import pairing_play, pairing_pull
from fusionlib.report.pairing_board import Pairing, read_pairs
from fusionlib.report.style import PARADIGM_COLOURS
from tests.report.pairing_toys import small_base


@pytest.fixture(scope="module")
def met():
    return pairing_pull.meetings(small_base(), BSPLoss(), steps=3)


@pytest.fixture
def pairing(met):
    return Pairing(met, np.array([[1, 1], [0, 2]]), "rendered scenes")


def test_pairs_are_read_as_they_are_told(pairing):
    assert read_pairs("2-0, 0-1 2-0", 3, 3) == [(0, 1), (2, 0)]
    assert read_pairs("", 3, 3) == []
    assert read_pairs(pairing.code, 3, 3) == pairing.pairs == [(0, 2), (1, 1)]
    assert pairing.indices.tolist() == [[0, 2], [1, 1]]
    with pytest.raises(FusionError, match="'0:1'"):
        read_pairs("0:1", 3, 3)
    with pytest.raises(FusionError, match="visible ones to 2"):
        read_pairs("0-3", 3, 3)


def test_a_mismatched_relation_is_looked_at_first(met, pairing):
    assert pairing.looked == (0, 2)
    assert Pairing(met, []).looked == (0, 0)
    with pytest.raises(FusionError, match="no relation 0-3"):
        Pairing(met, [(0, 3)])
    assert Pairing(met, []).indices.shape == (0, 2)


def test_the_sprite_holds_every_patch_at_its_place(pairing, met):
    sprite = pairing.sprite().reshape(4, 24, 4, 24).swapaxes(1, 2)
    assert (sprite[0, 0] == 255).all()
    for i, patch in enumerate(met.ir.numpy()):
        assert np.corrcoef(sprite[i + 1, 0].ravel(), patch.ravel())[0, 1] > 0.99
    assert np.corrcoef(sprite[0, 2].ravel(), met.vi[1].numpy().ravel())[0, 1] > 0.99
    assert np.corrcoef(sprite[1, 3].ravel(), met.best[0, 2].numpy().ravel())[0, 1] > 0.99


def test_the_figure_frames_the_chosen_relations(pairing):
    grid, *views, bars = pairing.figure().axes
    frames = [(patch.get_xy(), to_rgba(patch.get_edgecolor())) for patch in grid.patches]
    places = [(round(x // 24) - 1, round(y // 24) - 1) for (x, y), _ in frames]
    assert places == [(2, 0), (1, 1), (2, 0)]  # column, row; the last marks what is looked at
    colours = [to_rgba(PARADIGM_COLOURS[mode]) for mode in ("UPTP", "SPTP")]
    assert [colour for _, colour in frames[:2]] == colours
    assert views[0].get_ylabel() == "ir 0, vi 2"
    shown = [view.get_images()[0].get_array() for view in views]
    np.testing.assert_allclose(shown[0], pairing.meetings.ir[0])
    np.testing.assert_allclose(shown[1], pairing.meetings.vi[2])
    np.testing.assert_allclose(shown[3], pairing.meetings.best[0, 2])
    dark = [bar.get_alpha() == 1 for bar in bars.patches[:9]]
    assert [k for k, chosen in enumerate(dark) if chosen] == [2, 4]
    heights = [bar.get_height() for bar in bars.patches[:9]]
    assert heights == pytest.approx(pairing.meetings.terms["intensity"].tolist())


def test_a_click_is_answered_at_once(pairing):
    first, times = pairing.png(), []
    for _ in range(3):
        began = time.process_time()
        pairing.pairs, pairing.looked = [(0, 2)], (2, 1)
        answer = pairing.png()
        times.append(time.process_time() - began)
    assert answer != first
    assert min(times) < 0.2
    with Image.open(io.BytesIO(answer)) as image:
        assert image.size == (726, 495)


def test_play_elsewhere_is_a_figure(pairing, monkeypatch, tmp_path):
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: False)
    assert isinstance(pairing_play.play(pairing, tmp_path / "pairing.png"), Figure)
    with Image.open(tmp_path / "pairing.png") as image:
        assert image.width > 1000


@pytest.fixture
def parts(pairing, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert pairing_play.play(pairing, tmp_path / "pairing.png") is None
    return shown[0].parts


def test_the_pairing_follows_the_grid(pairing, parts):
    grid, before = parts["grid"], parts["picture"].value
    assert (grid.rows, grid.columns) == (3, 3)
    assert grid.pairs == [[0, 2], [1, 1]]
    with Image.open(io.BytesIO(grid.sprite)) as sprite:
        assert sprite.size == (96, 96)
    # As the page tells a click: both traits in one message.
    grid.set_state({"looked": [2, 0], "pairs": [[0, 2], [1, 1], [2, 0]]})
    assert pairing.pairs == [(0, 2), (1, 1), (2, 0)]
    assert pairing.looked == (2, 0)
    assert parts["picture"].value != before
    assert "0-2 1-1 2-0" in parts["code"].value
    grid.set_state({"looked": [0, 2], "pairs": [[1, 1]]})
    assert pairing.pairs == [(1, 1)]


def test_buttons_draw_anew(pairing, parts):
    buttons = {button.description: button for button in parts["buttons"]}
    buttons["strict"].click()
    assert pairing.pairs == [(0, 0), (1, 1), (2, 2)]
    drawn = set()
    for _ in range(6):
        buttons["unpaired"].click()
        assert len(pairing.pairs) == 3
        assert all(i != j for i, j in pairing.pairs)
        drawn.add(pairing.code)
    assert len(drawn) > 1
    buttons["none"].click()
    assert pairing.pairs == parts["grid"].pairs == []
