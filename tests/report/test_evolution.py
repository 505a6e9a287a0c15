"""Grid, slider and film of a training's images."""

import pytest
import torch
from PIL import Image

from fusionlib import report
from fusionlib.errors import FusionError

STEPS = (20, 40, 80, 160)


@pytest.fixture
def films():
    torch.manual_seed(0)
    return {
        name: {step: torch.full((1, 24, 32), step / 200 + shift) for step in STEPS}
        for name, shift in (("SPTP", 0.0), ("UPTP", 0.1))
    }


def test_the_grid_has_a_line_a_training_and_the_first_and_last_step(films):
    figure = report.evolution_grid(films, "scenes", most=3)
    titles = [axis.get_title() for axis in figure.axes]
    assert len(titles) == 6
    assert titles[0] == "step 20"
    assert titles[2] == "step 160"
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ["SPTP", "UPTP"]


def test_the_film_has_a_frame_a_step_with_the_images(films, tmp_path):
    path = tmp_path / "evolution.gif"
    report.evolution_film(films, "scenes", path)
    with Image.open(path) as film:
        assert film.n_frames == len(STEPS)
        assert film.size == (32 + 4 + 32, 24 + 32)
        for place, step in enumerate(STEPS):
            film.seek(place)
            frame = film.convert("L")
            assert abs(frame.getpixel((16, 28)) - 255 * step / 200) <= 2
            assert abs(frame.getpixel((36 + 16, 28)) - 255 * (step / 200 + 0.1)) <= 2


def test_without_a_person_the_grid_is_shown_and_kept(films, tmp_path):
    path = tmp_path / "grid.png"
    assert report.browse_evolution(films, "scenes", path) is not None
    assert path.stat().st_size > 1000


def test_a_person_gets_a_slider_that_changes_the_image(films, tmp_path, monkeypatch):

    shown = []
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert report.browse_evolution(films, "scenes", tmp_path / "grid.png") is None
    slider, picture = shown[0].children
    assert slider.options == STEPS
    first = picture.value
    slider.value = 160
    assert picture.value != first
    slider.value = 20
    assert picture.value == first


def test_trainings_of_other_steps_make_no_film(films):
    del films["UPTP"][40]
    with pytest.raises(FusionError, match="same steps"):
        report.evolution_grid(films)
