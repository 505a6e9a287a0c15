"""What a visible camera and an infrared camera see of a drawn scene."""

import numpy as np
from PIL import Image
from scipy import ndimage

from fusionlib.data.scene_canvas import (
    ASPHALT,
    GLOW_MAX,
    GRASS,
    PAVING,
    SKY,
    SUPERSAMPLING,
    Camera,
    Canvas,
)
from fusionlib.data.scene_layout import Light, Smoke

# How strongly each texture code shows, relative to the colour or the heat it lies on.
#                              plain  sky asphalt paving grass foliage wall cloth
VISIBLE_TEXTURE = np.float32([0.02, 0.00, 0.20, 0.16, 0.42, 0.42, 0.12, 0.12])
INFRARED_TEXTURE = np.float32([0.03, 0.05, 0.03, 0.03, 0.06, 0.17, 0.08, 0.13])


def visible(
    canvas: Canvas, lights: list[Light], smoke: Smoke | None, night: bool, rng: np.random.Generator
) -> np.ndarray:
    """The visible image, float32 (3, H, W) in [0, 1]."""
    code = texture_codes(canvas)
    height, width = shape = code.shape
    scale = height / 480
    albedo = _reduced(canvas.look)
    x, y, z = canvas.camera.positions(np.asarray(canvas.depth)[::SUPERSAMPLING, ::SUPERSAMPLING])
    ground = (code >= ASPHALT) & (code <= GRASS)
    sky = code == SKY
    fine, middle, coarse = (_noise(rng, shape, cells) for cells in (190, 70, 20))
    leaves = 0.8 * fine + 0.45 * middle + 0.3 * coarse
    relief = np.where(ground, _ground_texture(rng, x, z, code), leaves)
    reflected = 1 + VISIBLE_TEXTURE[code] * relief
    reflected *= 1 - _reduced(canvas.shadow) * ground
    image = albedo * np.maximum(reflected, 0.1)

    if night:
        image *= np.where(sky, np.float32(1), _lamplight(lights, x, y, z, rng))
    else:
        clouds = sky * np.clip(0.4 * coarse + 0.7 * _noise(rng, shape, 6), 0, 1) * 0.25
        image += clouds * (1 - image)
        haze = (1 - np.exp(z * (-1 / rng.uniform(150, 500)))) * ~sky
        image += haze * (np.float32((0.8, 0.85, 0.88))[:, None, None] - image)
    if smoke:
        wisps = 0.4 * coarse + _noise(rng, shape, 9)
        image = _smoked(image, smoke, canvas.camera, z, wisps, night)
    emitted = albedo * (_reduced(canvas.body.getchannel("A")) * np.float32(GLOW_MAX))
    image += emitted + _glare(emitted, scale)

    exposure = rng.uniform(0.9, 1.35) if night else rng.uniform(0.34, 0.5) / image.mean()
    warmth = 1 + rng.uniform(-0.06, 0.06) * np.array((1, 0, -1))
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    image *= 1 - rng.uniform(0.05, 0.15) * (rows[:, None] ** 2 + columns**2)
    image *= np.float32(exposure * warmth)[:, None, None]
    bright = image > 0.7  # soft highlights
    image[bright] = 1 - 0.3 * np.exp((0.7 - image[bright]) / 0.3)
    blur = rng.uniform(0.5, 0.8) * max(scale, 0.5)
    image = ndimage.gaussian_filter(image, (0, blur, blur), truncate=2.5)
    noise = rng.standard_normal((3, height, width), dtype=np.float32)
    image += noise * (0.003 + 0.012 * np.sqrt(np.maximum(image, 0)))
    return np.clip(image, 0, 1)


def infrared(canvas: Canvas, night: bool, rng: np.random.Generator) -> np.ndarray:
    """The infrared image, float32 (H, W) in [0, 1]: heat only, whatever the light."""
    code = texture_codes(canvas)
    heat = _reduced(canvas.body.getchannel("R"))
    uneven = 0.7 * _noise(rng, code.shape, 150) + 0.5 * _noise(rng, code.shape, 30)
    heat *= 1 + INFRARED_TEXTURE[code] * uneven
    heat = heat * rng.uniform(0.9, 1.4) + (rng.uniform(-0.02, 0.02) - 0.02 * night)
    blur = rng.uniform(0.6, 1.0) * max(code.shape[0] / 480, 0.5)
    heat = ndimage.gaussian_filter(heat, blur, truncate=2.5)
    heat += rng.standard_normal(code.shape, dtype=np.float32) * np.float32(0.004)
    heat += rng.standard_normal(code.shape[1], dtype=np.float32) * np.float32(0.0015)  # columns
    return np.clip(heat, 0, 1)


def texture_codes(canvas: Canvas) -> np.ndarray:
    """The texture code of each pixel, uint8 (H, W)."""
    return np.asarray(canvas.body.getchannel("B"))[::SUPERSAMPLING, ::SUPERSAMPLING]


def _reduced(image: Image.Image) -> np.ndarray:
    values = np.asarray(image.reduce(SUPERSAMPLING), dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(values.transpose(2, 0, 1)) if values.ndim == 3 else values


def _noise(rng, shape, cells: int) -> np.ndarray:
    """Smooth noise of about unit variance, `cells` random nodes along the shorter side."""
    step = max(min(shape) / cells, 1)
    grid = rng.standard_normal([max(round(side / step), 2) for side in shape], dtype=np.float32)
    smooth = Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(smooth) * np.float32(1.4 if step > 1 else 1)


def _ground_texture(rng, x, z, code) -> np.ndarray:
    """Grain, stains and paving joints that lie on the ground and fade with distance."""
    grain = rng.standard_normal((256, 256), dtype=np.float32)
    stains = 8 * ndimage.gaussian_filter(
        rng.standard_normal((256, 256), dtype=np.float32), 3, mode="wrap"
    )
    ground = np.flatnonzero((code >= ASPHALT) & (code <= GRASS))
    x, z = x.ravel()[ground], z.ravel()[ground]
    near = 1 / (1 + z / 12)

    def tiled(image, cells):  # cells a metre
        return image[(z * cells).astype(np.int32) & 255, (x * cells).astype(np.int32) & 255]

    value = near * (0.7 * tiled(grain, 45) + 0.5 * tiled(grain, 14)) + 0.6 * tiled(stains, 6)
    joints = ((x % 0.45 < 0.035) | (z % 0.45 < 0.05)) & (code.ravel()[ground] == PAVING)
    texture = np.zeros(code.shape, np.float32)
    texture.ravel()[ground] = value - 2.4 * joints * near
    return texture


def _lamplight(lights, x, y, z, rng) -> np.ndarray:
    """Light that arrives at each pixel at night, (3, H, W): the sky's, ours, and the lamps'."""
    moon = rng.uniform(0.018, 0.045) * np.array((0.85, 1.0, 0.9))
    light = np.empty((3, *z.shape), np.float32)
    light[:] = np.float32(moon)[:, None, None]
    if rng.random() < 0.35:  # our own headlamps
        beam = np.exp(-((x / (0.3 * z + 1.5)) ** 2)) / (1 + (z / 9) ** 2)
        light += (
            beam * np.float32(rng.uniform(0.3, 0.8) * np.array((0.36, 0.35, 0.3)))[:, None, None]
        )
    for (at, up, depth), colour, reach in lights:
        near = 1 / (1 + ((x - at) ** 2 + (y - up) ** 2 + (z - depth) ** 2) * (1 / reach**2))
        light += near * np.sqrt(near) * np.float32(colour)[:, None, None]
    return light


def _smoked(image, smoke: Smoke, camera: Camera, z, wisps, night) -> np.ndarray:
    """The image behind a cloud that hides all that is farther."""
    ((column, row),) = camera.project(np.array([smoke.position]))
    depth = smoke.position[2]
    size = camera.focal * smoke.radius / depth
    height, width = z.shape
    across = (np.arange(width, dtype=np.float32) - np.float32(column)) / np.float32(size)
    down = (np.arange(height, dtype=np.float32) - np.float32(row)) / np.float32(0.8 * size)
    cover = np.exp(-1.5 * (across**2 + down[:, None] ** 2)) * (1.9 + 0.5 * wisps)
    cover = np.clip(cover, 0, 0.97) * np.clip((z - depth) / 0.8 + 0.5, 0, 1)
    return image + cover * ((0.1 if night else 0.8) * (1 + 0.05 * wisps) - image)


def _glare(emitted, scale: float) -> np.ndarray:
    """Light that the lens scatters around lamps: a bright core and a wide veil."""
    height, width = emitted.shape[1:]
    step = max(round(4 * scale), 1)
    planes = []
    for plane in emitted:
        small = np.asarray(Image.fromarray(plane).reduce(step))
        veil = sum(
            weight * ndimage.gaussian_filter(small, sigma, mode="constant")
            for sigma, weight in ((1.2, 0.4), (4, 0.4), (12, 0.6))
        )
        planes.append(Image.fromarray(veil).resize((width, height), Image.Resampling.BICUBIC))
    return np.maximum(np.stack(planes), 0)
