"""The canvas of a rendered scene: shapes in metres, drawn into several layers at once.

A shape writes its colour, its heat, its class, its texture and its depth into the same pixels,
so the two modalities and the labels of a scene are registered by construction.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 2
FAR = 1e4  # depth of the sky, and of the ground, whose true depth the camera knows
GLOW_MAX = 6.0  # radiance of a full-scale glow; a white wall by day has 1

# MSRS classes; 0 is unlabelled.
CAR, PERSON, BIKE, CURVE, CAR_STOP, GUARDRAIL, COLOUR_CONE, BUMP = range(1, 9)

DARK = (0.05, 0.05, 0.06)
STEEL = (0.5, 0.52, 0.53)
WHITE = (0.86, 0.86, 0.84)
SAFFRON = (0.85, 0.66, 0.1)

# Texture codes; `scenes` holds how strongly each shows in either modality.
PLAIN, SKY, ASPHALT, PAVING, GRASS, FOLIAGE, WALL, CLOTH = range(8)


def pick(rng: np.random.Generator, choices):
    """One of the choices, all equally likely."""
    return choices[rng.integers(len(choices))]


class Paint(NamedTuple):
    """What a shape is made of: colour (RGB), heat (infrared), both in [0, 1]."""

    colour: tuple[float, float, float]
    heat: float
    label: int = 0
    texture: int = PLAIN
    glow: float = 0.0  # light of its own, in units of GLOW_MAX

    def tinted(self, factor: float, warmth: float = 1.0) -> "Paint":
        """The same material, its colour scaled by `factor` and its heat by `warmth`."""
        return self._replace(colour=tuple(c * factor for c in self.colour), heat=self.heat * warmth)


class Camera(NamedTuple):
    """A pinhole camera above a road that bends: X right, Y up, Z ahead, in metres."""

    focal: float  # pixels
    centre: float  # column of the vanishing point, pixels
    horizon: float  # row, pixels
    x: float  # lateral position on the road
    y: float  # height above the ground
    bend: float  # the road's lateral shift is bend * Z ** 2

    def project(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) metres to (n, 2) columns and rows in pixels."""
        x, y, z = np.asarray(points, float).T
        z = np.maximum(z, 0.3)
        column = self.centre + self.focal * (x - self.x + self.bend * z * z) / z
        return np.stack((column, self.horizon + self.focal * (self.y - y) / z), 1)

    def positions(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X, Y, Z in metres of each pixel, from the (H, W) depths of the ground."""
        height, width = depth.shape
        below = np.arange(height, dtype=np.float32)[:, None] + 0.5 - self.horizon
        ground = np.where(below > 0, self.focal * self.y / np.maximum(below, 1e-3), FAR)
        z = np.minimum(depth, ground.astype(np.float32))
        aside = np.arange(width, dtype=np.float32) + 0.5 - self.centre
        x = self.x + aside * (z / self.focal) - np.float32(self.bend) * z * z
        return x, self.y - below * (z / self.focal), z


class Canvas:
    """Layers of one scene. Later shapes hide earlier ones: draw from far to near."""

    def __init__(self, camera: Camera, height: int, width: int):
        size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
        self.camera = camera
        self.look = Image.new("RGB", size)
        self.body = Image.new("RGBA", size)  # heat, label, texture, glow
        self.depth = Image.new("F", size, FAR)
        self.shadow = Image.new("L", size)  # read on the ground only
        self._pens = [ImageDraw.Draw(i) for i in (self.look, self.body, self.depth)]
        self._shadow_pen = ImageDraw.Draw(self.shadow)

    def _draw(self, shape: str, outline: list, paint: Paint, depth: float, **options):
        colour = tuple(min(int(255 * c), 255) for c in paint.colour)
        body = (
            min(int(255 * paint.heat + 0.5), 255),
            paint.label,
            paint.texture,
            min(int(255 * paint.glow), 255),
        )
        for pen, fill in zip(self._pens, (colour, body, float(depth)), strict=True):
            getattr(pen, shape)(outline, fill=fill, **options)

    def _pixels(self, points) -> list:
        pixels = self.camera.project(points) * SUPERSAMPLING
        return np.clip(pixels, -1e5, 1e5).ravel().tolist()

    def polygon(self, points, paint: Paint, depth: float | None = None):
        """Fill a polygon, (n, 3) in metres; its depth is its mean Z unless given."""
        points = np.asarray(points, float)
        self._draw(
            "polygon", self._pixels(points), paint, points[:, 2].mean() if depth is None else depth
        )

    def strip(self, x0: float, x1: float, z0: float, z1: float, paint: Paint, y: float = 0.0):
        """Fill the strip of ground X in [x0, x1], Z in [z0, z1]; it follows the bend."""
        z = np.geomspace(z0, z1, 24 if z1 > 3 * z0 else 4)
        outline = [(x0, y, v) for v in z] + [(x1, y, v) for v in z[::-1]]
        self.polygon(outline, paint, FAR)

    def line(self, points, width: float, paint: Paint):
        """Draw a line of round joints and ends through (n, 3) points, `width` in metres."""
        points = np.asarray(points, float)
        depth = points[:, 2].mean()
        pixels = max(round(width * self.camera.focal * SUPERSAMPLING / depth), 1)
        self._draw("line", self._pixels(points), paint, depth, width=pixels, joint="curve")
        if pixels > 3:
            self.discs(points[[0, -1]], [width / 2] * 2, [paint] * 2)

    def discs(self, centres, radii, paints: list[Paint], flatness: float = 1.0):
        """Fill discs that face the camera, in order: (n, 3) centres, n radii (m)."""
        centres = np.asarray(centres, float)
        middle = self.camera.project(centres) * SUPERSAMPLING
        radius = np.asarray(radii) * self.camera.focal * SUPERSAMPLING / centres[:, 2]
        reach = np.stack((radius, radius * flatness), 1)
        boxes = np.concatenate((middle - reach, middle + reach), 1).tolist()
        for box, paint, depth in zip(boxes, paints, centres[:, 2], strict=True):
            self._draw("ellipse", box, paint, depth)

    def shade(self, points, darkness: float):
        """Take light off the ground inside a polygon, (n, 3) in metres with Y = 0."""
        if darkness > 0:
            self._shadow_pen.polygon(self._pixels(points), fill=int(255 * darkness))
