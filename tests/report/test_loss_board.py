"""The board of one pixel, and the widget that moves it."""

import io
import time

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from fusionlib.data import open_pairs
from fusionlib.losses.bsp import mix
from fusionlib.report import loss_play
from fusionlib.report.loss_board import LossBoard, telling_pixel
from fusionlib.report.loss_pixel import lowest_intensity


@pytest.fixture(scope="module")
def pair():
    return open_pairs("scenes", "test", names=["0001N"], size=(96, 128))[0]


@pytest.fixture
def board(pair):
    return LossBoard((pair.ir + pair.vi) / 2, pair.ir, pair.vi, "rendered scenes 0001N")


def test_the_telling_pixel_is_warm_and_unseen(pair):
    y, x = telling_pixel(pair.ir, pair.vi)
    assert pair.ir[0, y, x] > pair.vi[0, y, x] + 0.2
    flat = torch.full((1, 64, 64), 0.5)
    assert all(7 <= place < 57 for place in telling_pixel(flat, flat))


def test_the_board_tells_of_its_place(board, pair):
    board.move(40, 60, 3)
    a, b = (x[0, 40, 60].item() for x in (pair.ir, pair.vi))
    row = board.table().loc["intensity"]
    assert (row["infrared"], row["visible"]) == pytest.approx((a, b))
    assert board.lowest == lowest_intensity(board.fused, pair.ir, pair.vi, board.place)
    board.infrared = 0.9
    row = board.table().loc["intensity"]
    assert row["infrared"] == pytest.approx(0.9)
    assert row["mixture"] == pytest.approx(mix(torch.tensor(0.9), torch.tensor(b)).item())
    board.move(41, 60)
    assert board.place.side == 3
    assert torch.equal(board.ir, pair.ir)  # as it was


def test_the_figure_shows_the_curves(board):
    board.move(40, 60)
    scene, _, *enlarged, curve, moves = board.figure().axes
    marker = scene.get_lines()[0]
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (60, 40)
    lines = {line.get_label(): line for line in curve.get_lines()}
    expected = board.curves()
    for name in ("total", "intensity", "gradient", "ssim"):
        np.testing.assert_allclose(lines[name].get_ydata(), expected[name])
    assert lines["fused now"].get_xdata()[0] == board.fused[0, 40, 60].item()
    assert f"intensity term {board.lowest:.2f}" in curve.get_title()
    followed = next(line for line in moves.get_lines() if line.get_label().startswith("lowest int"))
    np.testing.assert_allclose(followed.get_ydata(), board.moves()["intensity"])
    square = enlarged[0].patches[0]
    assert (square.get_x(), square.get_y(), square.get_width()) == (59.5, 39.5, 1)
    assert enlarged[1].get_title() == f"visible {board.vi[0, 40, 60]:.2f}"


def test_a_click_is_answered_at_once(board):
    first, times = board.png(), []
    for y in range(30, 40):  # the least of ten, for other work slows some
        began = time.process_time()
        board.move(y, 64)
        answer = board.png()
        board.table()
        times.append(time.process_time() - began)
    assert answer != first
    assert min(times) < 0.2


def test_play_elsewhere_is_a_figure(board, monkeypatch, tmp_path):
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: False)
    assert isinstance(loss_play.play(board, tmp_path / "pixel.png"), Figure)
    with Image.open(tmp_path / "pixel.png") as image:
        assert image.width > 1000


def test_the_board_follows_the_reader(board, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert loss_play.play(board, tmp_path / "pixel.png") is None
    parts = shown[0].parts
    picker, picture, warmth = (parts[name] for name in ("picker", "picture", "warmth"))
    assert picker.place == [board.place.y, board.place.x]
    with Image.open(io.BytesIO(picker.image)) as image:
        assert image.size == (128, 96)
    seen = {picture.value}
    picker.place = [50, 70]
    assert (board.place.y, board.place.x) == (50, 70)
    assert board.infrared is None
    assert warmth.value == pytest.approx(board.ir[0, 50, 70].item(), abs=0.02)
    seen.add(picture.value)
    parts["side"].value = 7
    assert board.place.side == 7
    seen.add(picture.value)
    warmth.value = 0.8
    assert board.ir[0, 50, 70].item() == pytest.approx(0.8)
    assert "0.8000" in parts["table"].value
    seen.add(picture.value)
    assert len(seen) == 4
    warmth.value = round(board.found / 0.02) * 0.02  # as the page rounds
    assert board.infrared is None
    before = picker.image
    parts["scene"].value = "visible"
    assert picker.name == "visible"
    assert picker.image != before
