"""Rendered road scenes: registered infrared and visible images with the nine MSRS classes.

The embedded data set: no download, any size, the same bytes for the same seed. Each scene poses
the problem of infrared and visible fusion on purpose: people and running cars are warm and, at
night, hard to see; ground, signs and painted marks have texture that the infrared lacks; lamps
glare and smoke hides in the visible only.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from fusionlib.data import scene_objects as things
from fusionlib.data.scene_canvas import (
    ASPHALT,
    FAR,
    FOLIAGE,
    GLOW_MAX,
    GRASS,
    PAVING,
    SKY,
    SUPERSAMPLING,
    Camera,
    Canvas,
    Paint,
)
from fusionlib.errors import FusionError

SCENES_VERSION = 1  # part of the fingerprint of rendered pairs: bump when a pixel changes
CLASSES = ("unlabelled", "car", "person", "bike", "curve", "car stop", "guardrail",
           "colour cone", "bump")
SMALLEST = 32  # pixels a side

# How strongly each texture code shows: relative amplitude in the visible and in the infrared.
#                        plain  sky  asphalt paving grass foliage wall cloth
VISIBLE_TEXTURE = np.float32([.02, .0, .2, .16, .42, .55, .13, .12])
INFRARED_TEXTURE = np.float32([.03, .05, .03, .03, .06, .22, .08, .13])


class Scene(NamedTuple):
    """One rendered pair: ir (1, H, W), vi_rgb (3, H, W) in [0, 1]; labels (H, W) in 0..8."""

    ir: torch.Tensor
    vi_rgb: torch.Tensor
    labels: torch.Tensor


class Light(NamedTuple):
    """A lamp: position (X, Y, Z) in metres, colour times power, and reach in metres."""

    position: tuple[float, float, float]
    colour: np.ndarray
    reach: float


def render(seed: int, night: bool, height: int = 480, width: int = 640) -> Scene:
    """Draw a road scene by day or by night.

    Parameters
    ----------
    seed: 0 or more; the same seed gives the same scene at each size, and the same bytes
        at the same size.
    night: dark, lit by lamps, instead of daylight.
    height, width: pixels, 32 or more.

    Returns
    -------
    Scene of float32 `ir` (1, H, W) and `vi_rgb` (3, H, W) in [0, 1], and int64 `labels`
    (H, W), the index in `CLASSES` of what each pixel shows.

    Raises FusionError for a negative seed or a size below 32.
    """
    if seed < 0:
        raise FusionError(f"The seed of a scene is {seed}: use 0 or more.")
    if min(height, width) < SMALLEST:
        raise FusionError(f"A scene of {height}x{width} is too small: use {SMALLEST} or more.")
    return _render(seed, night, height, width)


def _render(seed, night, height, width, effects=True) -> Scene:
    # One generator for what is there and one for each sensor: `effects` (lamps, smoke)
    # cannot change the infrared.
    what, visible_rng, infrared_rng = (
        np.random.default_rng([seed, int(night), stage]) for stage in range(3))
    canvas, lights, smoke = _draw(what, night, height, width)
    body = np.asarray(canvas.body)
    code = body[::SUPERSAMPLING, ::SUPERSAMPLING]
    labels = torch.from_numpy(code[..., 1].astype(np.int64))
    if not effects:
        lights, smoke = [], None
    vi_rgb = _visible(canvas, code[..., 2], lights, smoke, night, visible_rng, effects)
    ir = _infrared(canvas, code[..., 2], night, infrared_rng)
    return Scene(torch.from_numpy(ir)[None], torch.from_numpy(vi_rgb), labels)


# ---- what is there ---------------------------------------------------------------------------


def _draw(rng, night, height, width) -> tuple[Canvas, list[Light], tuple | None]:
    lane = rng.uniform(3.0, 4.2)  # half the road's width
    camera = Camera(
        focal=rng.uniform(1.0, 1.25) * height, centre=width * rng.uniform(0.35, 0.65),
        horizon=height * rng.uniform(0.4, 0.5), x=rng.uniform(-0.1, 0.6) * lane,
        y=rng.uniform(1.5, 2.1), bend=rng.uniform(-0.002, 0.002))
    canvas = Canvas(camera, height, width)
    sun = rng.uniform(-1, 1), rng.uniform(-0.3, 0.6)
    _ground_and_sky(canvas, rng, lane, night)
    lights: list[Light] = []
    jobs = _surroundings(canvas, rng, lane, night, sun, lights)
    jobs += _traffic(canvas, rng, lane, night, lights)
    for _, job in sorted(jobs, key=lambda job: -job[0]):
        job()
    smoke = None
    if rng.random() < 0.4:  # at a depth: it hides what stands behind
        smoke = (rng.uniform(-1, 1) * lane, rng.uniform(0.8, 1.6), rng.uniform(5, 13),
                 rng.uniform(1.2, 2.4))
    return canvas, lights, smoke


def _ground_and_sky(canvas, rng, lane, night):
    camera, far = canvas.camera, 400.0
    high = np.array((0.02, 0.03, 0.045)) if night else np.array(
        ((0.35, 0.55, 0.85), (0.55, 0.68, 0.85), (0.75, 0.78, 0.8))[rng.integers(3)])
    low = high * 1.8 + 0.01 if night else np.array((0.92, 0.93, 0.93))
    cold = rng.uniform(0.02, 0.045)
    levels = np.linspace(0, 1, 33)
    for a, b in zip(levels[:-1], levels[1:], strict=True):
        top, bottom = (camera.y + (1 - v) * far * 0.6 for v in (a, b))
        colour = tuple(high + (low - high) * b)
        canvas.polygon([(-2e3, top, far), (2e3, top, far), (2e3, bottom, far), (-2e3, bottom, far)],
                       Paint(colour, cold * (0.8 + 0.6 * b), texture=SKY), FAR)
    soil = Paint(((0.3, 0.38, 0.16), (0.33, 0.3, 0.22))[rng.integers(2)], 0.065, texture=GRASS)
    canvas.strip(-3e3, 3e3, 1.0, far, soil)
    path = rng.uniform(2.0, 3.5)
    grey = rng.uniform(0.22, 0.36)
    road = Paint((grey, grey, grey * 1.05), rng.uniform(0.05, 0.07), texture=ASPHALT)
    slab = Paint(((0.52, 0.5, 0.47), (0.55, 0.42, 0.36))[rng.integers(2)], 0.07, texture=PAVING)
    mark = Paint((0.85, 0.85, 0.82), road.heat + 0.003, texture=ASPHALT)
    for side in (-1, 1):
        canvas.strip(side * lane, side * (lane + path), 1.0, far, slab)
        if rng.random() < 0.4:  # tactile paving
            canvas.strip(side * (lane + 1), side * (lane + 1.35), 1.0, 60,
                         slab._replace(colour=things.SAFFRON))
    canvas.strip(-lane, lane, 1.0, far, road)
    for _ in range(rng.integers(0, 5)):  # patches of newer asphalt
        x, z = rng.uniform(-lane, lane * 0.5), rng.uniform(2, 20)
        canvas.strip(x, min(x + rng.uniform(0.5, 2), lane), z, z * rng.uniform(1.1, 1.6),
                     road.tinted(rng.uniform(0.7, 0.9)))
    for side in (-1, 1):
        canvas.strip(side * (lane - 0.4), side * (lane - 0.27), 1.0, 120, mark)
        label = 4 if rng.random() < 0.6 else 0
        for z0, z1 in ((1.0, 30.0), (30.0, 200.0)):  # MSRS labels the near kerb
            kerb = Paint((0.6, 0.6, 0.58), 0.085, label * (z0 < 30))
            canvas.strip(side * lane, side * (lane + 0.2), z0, z1, kerb, y=0.1)
            canvas.polygon([(side * lane, 0, z0), (side * lane, 0.1, z0), (side * lane, 0.1, z1),
                            (side * lane, 0, z1)], kerb.tinted(0.6), FAR)
    dash = rng.uniform(2, 4)
    for z in np.arange(rng.uniform(1.2, 5), 110, 2.2 * dash):
        canvas.strip(-0.07, 0.07, z, z + dash, mark)
    if rng.random() < 0.4:
        z = rng.uniform(5, 14)
        for x in np.arange(-lane + 0.6, lane - 0.8, 0.9):
            canvas.strip(x, x + 0.45, z, z + 2.5, mark)
    if rng.random() < 0.5:  # manhole
        x, z = rng.uniform(-lane * 0.7, lane * 0.7), rng.uniform(3, 9)
        turn = np.linspace(0, 2 * np.pi, 24)
        canvas.polygon(np.c_[x + 0.32 * np.cos(turn), 0 * turn, z + 0.32 * np.sin(turn)],
                       Paint((0.2, 0.19, 0.18), road.heat + 0.02, texture=ASPHALT), FAR)


def _surroundings(canvas, rng, lane, night, sun, lights) -> list:
    jobs = [(180, partial(_skyline, canvas, rng, night))]
    urban = rng.random()
    for side in (-1, 1):
        z = rng.uniform(6, 14)
        while z < 85:
            long = rng.uniform(10, 20)
            if rng.random() < urban:
                x = side * (lane + rng.uniform(4, 8))
                jobs.append((z + long, partial(things.building, canvas, rng, x, z, z + long,
                                               night, sun)))
            if rng.random() < 1.15 - 0.6 * urban:
                for depth in np.arange(z, z + long, rng.uniform(4.5, 7)):
                    x = side * (lane + rng.uniform(2.6, 5.5))
                    jobs.append((depth, partial(things.tree, canvas, rng, x, depth, sun)))
            z += long + rng.exponential(4)
        if rng.random() < 0.5:
            x, z0 = side * (lane + rng.uniform(2.5, 3.6)), rng.uniform(4, 10)
            z1 = z0 + rng.uniform(8, 40)
            jobs.append((z1, partial(things.hedge, canvas, rng, x, z0, z1)))
        if rng.random() < 0.35:
            x, z0 = side * (lane + 0.5), rng.uniform(4, 9)
            z1 = z0 + rng.uniform(6, 15)
            jobs.append((z1, partial(things.guardrail, canvas, rng, x, z0, z1)))
        if rng.random() < 0.5:
            z = rng.uniform(7, 16)
            jobs.append((z, partial(things.sign, canvas, rng, side * (lane + 0.7), z)))
        tint = ((1.0, 0.84, 0.58), (0.9, 1.0, 0.9), (1.0, 0.95, 0.85))[rng.integers(3)]
        for z in rng.uniform(7, 14) + np.arange(rng.integers(1, 4)) * rng.uniform(14, 24):
            jobs.append((z, partial(_lamp, canvas, rng, side * (lane + 0.6), z, tint, night,
                                    lights)))
    return jobs


def _skyline(canvas, rng, night):
    haze = np.array((0.04, 0.05, 0.05) if night else (0.55, 0.62, 0.62))
    edge = np.linspace(-260, 260, 66)
    tall = 9 + 6 * np.interp(edge, np.linspace(-260, 260, 14), rng.random(14)) + rng.random(66) * 2
    outline = [(-260, 0, 180), *((x, y, 180) for x, y in zip(edge, tall, strict=True)),
               (260, 0, 180)]
    canvas.polygon(outline, Paint(tuple(haze * (0.6, 0.75, 0.6)), 0.07, texture=FOLIAGE))


def _lamp(canvas, rng, x, z, tint, night, lights):
    position = things.lamp_post(canvas, rng, x, z, tint, night)
    if night:
        lights.append(Light(position, np.float32(tint) * rng.uniform(0.5, 1.0), 4.5))


def _headlamps(canvas, rng, x, z, yaw, running, night, lights):
    for position in things.car(canvas, rng, x, z, yaw, running, night):
        lights.append(Light(position, np.float32((1.0, 0.97, 0.9)) * (0.3 if night else 0.0), 2.0))


def _traffic(canvas, rng, lane, night, lights) -> list:
    jobs = []

    def add(z, make, *arguments):
        jobs.append((z, partial(make, canvas, rng, *arguments)))

    def anywhere(near, far):  # nearer places are more likely, as there is less of the far ones
        return float(np.exp(rng.uniform(np.log(near), np.log(far))))

    for _ in range(rng.integers(0, 4)):  # driving: away on the right, towards us on the left
        side, z = rng.choice((-1, 1)), anywhere(8, 50)
        add(z - 2, _headlamps, side * lane * 0.5, z, 0.0 if side > 0 else np.pi, True, night, lights)
    if rng.random() < 0.2:
        z = anywhere(10, 25)
        add(z, _headlamps, rng.uniform(-2, 2), z, rng.choice((-1, 1)) * np.pi / 2, True, night,
            lights)
    if rng.random() < 0.5:  # parked along the kerb
        side, z = rng.choice((-1, 1)), rng.uniform(7, 12)
        for _ in range(rng.integers(1, 4)):
            add(z - 2, _headlamps, side * (lane - 0.9), z, 0.0 if side > 0 else np.pi,
                rng.random() < 0.3, night, lights)
            z += rng.uniform(5.2, 9)
    for _ in range(rng.integers(0, 4)):  # people, alone or in twos
        side, z = rng.choice((-1, 1)), anywhere(4, 30)
        x = side * (lane + rng.uniform(0.4, 2.2)) if rng.random() < 0.7 else rng.uniform(-3, 3)
        for mate in range(rng.integers(1, 3)):
            add(z + 0.1 * mate, things.person, x + 0.6 * mate, z + 0.1 * mate)
    for _ in range(rng.integers(0, 3)):
        z = anywhere(5, 22)
        x = rng.uniform(-0.8, 0.8) * lane
        add(z, things.bike, x, z, rng.choice((-1, 1)) * rng.uniform(0.9, 1.57), True)
    if rng.random() < 0.4:  # a row of parked bikes
        side, z = rng.choice((-1, 1)), rng.uniform(5, 12)
        for place in range(rng.integers(2, 7)):
            add(z + place * 0.7, things.bike, side * (lane + 1.4), z + place * 0.7,
                side * rng.uniform(1.3, 1.6), False)
    if rng.random() < 0.4:
        side, z = rng.choice((-1, 1)), rng.uniform(4, 9)
        for place in range(rng.integers(2, 6)):
            depth = z + place * rng.uniform(1.2, 2.5)
            add(depth, things.cone, side * (lane - rng.uniform(0.3, 1.2)), depth)
    if rng.random() < 0.35:
        z = rng.uniform(4.5, 12)
        jobs.append((z + 0.6, partial(things.bump, canvas, -lane + 0.3, lane - 0.3, z)))
    if rng.random() < 0.45:  # wheel stops of a parking bay
        side, z = rng.choice((-1, 1)), rng.uniform(4, 9)
        yellow = rng.random() < 0.5
        paint = Paint(things.SAFFRON if yellow else (0.62, 0.61, 0.58), rng.uniform(0.08, 0.11),
                      things.CAR_STOP)
        for place in range(rng.integers(2, 5)):
            x = side * (lane + 0.9)
            jobs.append((z + 2.4 * place, partial(things.box, canvas, x, z + 2.4 * place,
                                                  (0.6, 0.14, 0.18), paint)))
    return jobs


# ---- what each sensor sees -------------------------------------------------------------------


def _noise(rng, shape, cells: int) -> np.ndarray:
    """Smooth noise of unit variance, `cells` random nodes along the shorter side."""
    step = min(shape) / cells
    size = [max(round(side / step), 2) for side in shape]
    grid = Image.fromarray(rng.standard_normal(size, dtype=np.float32))
    smooth = np.asarray(grid.resize(shape[::-1], Image.Resampling.BICUBIC))
    return smooth * np.float32(1.4)


def _reduced(image: Image.Image) -> np.ndarray:
    return np.asarray(image.reduce(SUPERSAMPLING), dtype=np.float32) / 255


def _ground_texture(rng, x, z, code) -> np.ndarray:
    """Grain, stains and paving joints, laid on the ground: finer with distance, then lost."""
    grain = rng.standard_normal((256, 256), dtype=np.float32)
    stains = ndimage.gaussian_filter(rng.standard_normal((256, 256), dtype=np.float32), 3,
                                     mode="wrap") * 8
    texture = np.zeros_like(z)
    ground = (code == ASPHALT) | (code == PAVING) | (code == GRASS)
    x, z = x[ground], z[ground]
    near = 1 / (1 + z / 12)

    def tile(image, cells):
        return image[(z * cells).astype(int) & 255, (x * cells).astype(int) & 255]

    value = near * (tile(grain, 45) * 0.7 + tile(grain, 14) * 0.5) + 0.6 * tile(stains, 6)
    slab = 0.45
    joints = ((x % slab < 0.035) | (z % slab < 0.05)) & (code[ground] == PAVING)
    texture[ground] = value - 2.4 * joints * near
    return texture


def _visible(canvas, code, lights, smoke, night, rng, effects) -> np.ndarray:
    shape = code.shape
    scale = shape[0] / 480
    albedo = _reduced(canvas.look)
    glow = _reduced(canvas.body.getchannel("A")) * (GLOW_MAX * effects)
    x, y, z = canvas.camera.positions(np.asarray(canvas.depth)[::SUPERSAMPLING, ::SUPERSAMPLING])
    grain = _ground_texture(rng, x, z, code)
    cells = 150, 60, 22
    octaves = [_noise(rng, shape, min(n, min(shape))) for n in cells]
    leaves = 0.6 * octaves[0] + 0.6 * octaves[1] + 0.4 * octaves[2]
    grounds = (code >= ASPHALT) & (code <= GRASS)
    relief = 1 + VISIBLE_TEXTURE[code] * np.where(grounds, grain, leaves)
    shadow = _reduced(canvas.shadow) * grounds
    sky = code == SKY

    if night:
        moon = np.float32(rng.uniform(0.03, 0.075)) * np.float32((0.85, 1.0, 0.9))
        light = np.broadcast_to(moon, (*shape, 3)).copy()
        if rng.random() < 0.6:  # our own headlamps
            beam = np.exp(-(x / (0.3 * z + 1.5)) ** 2) / (1 + (z / 9) ** 2) * (z > 2)
            light += beam[..., None] * np.float32((0.42, 0.4, 0.36)) * rng.uniform(0.5, 1.2)
        for lamp in lights:
            dx, dy, dz = ((a - b) / lamp.reach for a, b in zip((x, y, z), lamp.position,
                                                             strict=True))
            light += (1 / (1 + dx * dx + dy * dy + dz * dz) ** 1.5)[..., None] * lamp.colour
        light[sky] = 1.0
        image = albedo * relief[..., None] * light
    else:
        sunny = rng.uniform(0.2, 0.65)
        dapple = shadow * sunny * np.clip(1 + 0.3 * leaves, 0, 1.2)
        clouds = sky * np.clip(octaves[2] * 0.5 + _noise(rng, shape, 6) * 0.7, 0, 1) * 0.25
        image = albedo * ((relief * (1 - dapple))[..., None])
        image += clouds[..., None] * (1 - image)
        haze = (1 - np.exp(-z / rng.uniform(150, 500)))[..., None] * ~sky[..., None]
        image += haze * (np.float32((0.8, 0.85, 0.88)) - image)
    if smoke:
        wisps = 0.7 * octaves[2] + _noise(rng, shape, 8)
        image = _smoke(image, smoke, canvas.camera, z, wisps, night)
    emitted = albedo * glow[..., None]
    image += emitted
    if effects:
        image += _glare(emitted, scale)

    exposure = rng.uniform(1.0, 1.5) if night else rng.uniform(0.32, 0.5) / image.mean()
    warmth = 1 + rng.uniform(-0.06, 0.06) * np.float32((1, 0, -1))
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    vignette = 1 - rng.uniform(0.1, 0.3) * (rows[:, None] ** 2 + columns ** 2) / 2
    image *= vignette[..., None] * np.float32(exposure) * warmth
    image = np.where(image > 0.7, 1 - 0.3 * np.exp((0.7 - image) / 0.3), image)  # soft highlights
    blur = rng.uniform(0.5, 0.8) * max(scale, 0.5)
    image = ndimage.gaussian_filter(image, (blur, blur, 0), truncate=2.5)
    noise = rng.standard_normal((*shape, 3), dtype=np.float32)
    image += noise * (0.006 + 0.012 * np.sqrt(np.clip(image, 0, 1)))
    return np.ascontiguousarray(np.clip(image, 0, 1).transpose(2, 0, 1), dtype=np.float32)


def _glare(emitted, scale) -> np.ndarray:
    """Light that the lens scatters around lamps: a bright core and a wide veil."""
    height, width = emitted.shape[:2]
    step = max(round(4 * scale), 1)
    small = np.stack([np.asarray(Image.fromarray(c).reduce(step)) for c in
                      np.ascontiguousarray(emitted.transpose(2, 0, 1))])
    veil = sum(weight * ndimage.gaussian_filter(small, (0, s, s), mode="constant")
               for s, weight in ((1.2, 0.5), (4, 0.5), (13, 0.9)))
    return np.stack([np.asarray(Image.fromarray(c).resize((width, height),
                                                          Image.Resampling.BICUBIC))
                     for c in veil.astype(np.float32)], -1)


def _smoke(image, smoke, camera, z, noise, night) -> np.ndarray:
    """A cloud at a depth, in front of all that is farther."""
    at, up, depth, radius = smoke
    height, width = z.shape
    (column, row), = camera.project(np.array([(at, up, depth)]))
    size = camera.focal * radius / depth
    across = (np.arange(width, dtype=np.float32) - column) / size
    down = (np.arange(height, dtype=np.float32)[:, None] - row) / (0.8 * size)
    cover = np.exp(-(across ** 2 + down ** 2) ** 2) * (1.25 + 0.45 * noise)
    cover = np.clip(cover, 0, 0.97) * np.clip((z - depth) / 0.8 + 0.5, 0, 1)
    grey = (0.13 if night else 0.8) * (1 + 0.06 * noise[..., None])
    return image + cover[..., None] * (grey * np.float32((1, 1, 1.02)) - image)


def _infrared(canvas, code, night, rng) -> np.ndarray:
    shape = code.shape
    scale = shape[0] / 480
    heat = _reduced(canvas.body.getchannel("R"))
    texture = sum(w * _noise(rng, shape, min(n, min(shape))) for n, w in ((90, 0.8), (25, 0.5)))
    heat *= 1 + INFRARED_TEXTURE[code] * texture
    heat = heat * np.float32(rng.uniform(0.85, 1.25)) + np.float32(rng.uniform(-0.02, 0.02)
                                                                 - 0.02 * night)
    blur = rng.uniform(0.6, 1.0) * max(scale, 0.5)
    heat = ndimage.gaussian_filter(heat, blur, truncate=2.5)
    heat += rng.standard_normal(shape, dtype=np.float32) * 0.004
    heat += rng.standard_normal(shape[1], dtype=np.float32) * 0.0015  # columns of the detector
    return np.clip(heat, 0, 1).astype(np.float32)
