"""Rendered scenes: what a fusion model may rely on when it meets them."""

import time
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.data import scene_sensors as sensors
from fusionlib.data.labels import MSRS as CLASSES
from fusionlib.data.scene_canvas import ASPHALT
from fusionlib.data.scene_layout import Light, Smoke, draw
from fusionlib.data.scenes import SMALLEST, render
from fusionlib.errors import FusionError

SIZE = 120, 160
CAR, PERSON = CLASSES.index("car"), CLASSES.index("person")
scene = cache(render)


def _scenes():
    return [scene(seed, night, *SIZE) for seed in range(16) for night in (False, True)]


def _visible(canvas, lights, smoke, night):
    return sensors.visible(canvas, lights, smoke, night, np.random.default_rng(1))


@pytest.mark.parametrize("size", [(32, 32), (96, 128), (130, 130), (75, 301), (480, 640)])
@pytest.mark.parametrize("night", [False, True])
def test_shapes_types_and_ranges(size, night):
    ir, vi_rgb, labels = render(3, night, *size)
    assert (ir.shape, vi_rgb.shape, labels.shape) == ((1, *size), (3, *size), size)
    assert (ir.dtype, vi_rgb.dtype, labels.dtype) == (torch.float32, torch.float32, torch.int64)
    for image in (ir, vi_rgb):
        assert ((image >= 0) & (image <= 1)).all()  # false for NaN
        assert image.is_contiguous()


@pytest.mark.parametrize("night", [False, True])
def test_same_seed_same_bytes(night):
    for first, second in zip(render(5, night, *SIZE), render(5, night, *SIZE), strict=True):
        assert first.numpy().tobytes() == second.numpy().tobytes()


def test_other_seed_or_other_hour_is_another_scene():
    plain = scene(0, False, *SIZE)
    for other in (scene(1, False, *SIZE), scene(0, True, *SIZE)):
        assert (plain.labels != other.labels).any()
        assert (plain.ir - other.ir).abs().mean() > 0.005
        assert (plain.vi_rgb - other.vi_rgb).abs().mean() > 0.02


def test_size_changes_the_sampling_not_the_scene():
    small, large = scene(2, False, *SIZE), scene(2, False, 240, 320)
    assert (small.labels == large.labels[::2, ::2]).float().mean() > 0.97


def test_labels_are_the_nine_classes_and_all_occur():
    present = torch.cat([s.labels.unique() for s in _scenes()]).unique()
    assert present.tolist() == list(range(len(CLASSES))) == list(range(9))


def test_people_are_warmer_than_what_surrounds_them():
    seen = 0
    for s in _scenes():
        people = s.labels.numpy() == PERSON
        if people.sum() < 20:
            continue
        seen += 1
        near = ndimage.binary_dilation(people, iterations=8) & (s.labels.numpy() == 0)
        ir = s.ir[0].numpy()
        assert ir[people].mean() > ir[near].mean() + 0.1
    assert seen >= 10


def test_cars_are_warmer_than_the_scene_on_average():
    scenes = [s for s in _scenes() if (s.labels == CAR).sum() > 50]
    assert len(scenes) >= 10
    excess = [
        (s.ir[0][s.labels == CAR].mean() - s.ir[0][s.labels == 0].mean()).item() for s in scenes
    ]
    assert np.mean(excess) > 0.05


def test_night_is_darker_in_the_visible_and_hides_people():
    def contrast(s):
        people = s.labels.numpy() == PERSON
        near = ndimage.binary_dilation(people, iterations=8) & (s.labels.numpy() == 0)
        grey = s.vi_rgb.mean(0).numpy()
        return abs(grey[people].mean() - grey[near].mean()) if people.sum() > 20 else None

    days, nights = _scenes()[::2], _scenes()[1::2]
    mean = [np.mean([s.vi_rgb.mean() for s in group]) for group in (days, nights)]
    assert 0.28 < mean[0] < 0.55
    assert 0.05 < mean[1] < 0.2
    by_day, by_night = (
        [c for c in map(contrast, group) if c is not None] for group in (days, nights)
    )
    assert np.median(by_night) < 0.6 * np.median(by_day)


def test_ground_has_texture_in_the_visible_only():
    canvas, lights, _ = draw(np.random.default_rng(0), False, 240, 320)
    visible = _visible(canvas, lights, None, False).mean(0)
    infrared = sensors.infrared(canvas, False, np.random.default_rng(1))
    road = ndimage.binary_erosion(sensors.texture_codes(canvas) == ASPHALT, iterations=4)
    assert road.sum() > 1000

    def roughness(image):  # local standard deviation, on the road
        square, mean = (ndimage.uniform_filter(v, 7) for v in (image**2, image))
        return np.sqrt(np.maximum(square - mean**2, 0))[road].mean()

    assert roughness(visible) > 3 * roughness(infrared)


def test_smoke_hides_what_is_behind_it_from_the_visible():
    canvas, lights, _ = draw(np.random.default_rng(0), False, 240, 320)
    at = (canvas.camera.x, 1.2, 8.0)
    ((column, row),) = canvas.camera.project(np.array([at])).astype(int)
    window = np.s_[:, row - 12 : row + 1, column - 12 : column + 12]
    clear = _visible(canvas, lights, None, False)[window]
    hidden = _visible(canvas, lights, Smoke(at, 2.0), False)[window]
    assert hidden.std() < 0.6 * clear.std()


def test_a_lamp_brightens_the_road_at_night():
    canvas, _, _ = draw(np.random.default_rng(0), True, *SIZE)
    lamp = Light((canvas.camera.x, 4.0, 8.0), (1.0, 0.9, 0.7), 4.5)
    dark, lit = (_visible(canvas, lights, None, True) for lights in ([], [lamp]))
    assert (lit - dark).mean() > 0.02


def test_glare_is_visible_only():
    canvas, lights, _ = draw(np.random.default_rng(0), True, *SIZE)
    glaring = _visible(canvas, lights, None, True)
    heat = sensors.infrared(canvas, True, np.random.default_rng(1))
    glow = np.asarray(canvas.body.getchannel("A"))[::2, ::2] > 200
    assert glaring[:, glow].mean() > 0.8  # NaN, so false, without any
    canvas.body.putalpha(0)  # all lamps and windows out
    assert (glaring - _visible(canvas, lights, None, True)).max() > 0.4
    assert (sensors.infrared(canvas, True, np.random.default_rng(1)) == heat).all()


@pytest.mark.parametrize(
    ("arguments", "named"), [((-1, False), "seed"), ((0, False, SMALLEST - 1, 640), "31x640")]
)
def test_refuses_what_it_cannot_draw(arguments, named):
    with pytest.raises(FusionError, match=named):
        render(*arguments)


def test_is_fast_enough_to_draw_while_one_waits():
    start = time.process_time()
    render(7, True)
    assert time.process_time() - start < 2.0
