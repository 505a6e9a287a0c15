"""What stands still in a rendered scene, drawn in metres on a canvas: street furniture, trees
and buildings. Most of it has the temperature of the air.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fusionlib.data.scene_canvas import (
    BUMP,
    COLOUR_CONE,
    FOLIAGE,
    GUARDRAIL,
    PLAIN,
    SAFFRON,
    STEEL,
    WALL,
    WHITE,
    Canvas,
    Paint,
    pick,
)

WALLS = (
    (0.45, 0.24, 0.18),
    (0.62, 0.54, 0.42),
    (0.5, 0.5, 0.5),
    (0.72, 0.69, 0.63),
    (0.4, 0.33, 0.28),
    (0.55, 0.4, 0.32),
)
GREENS = (
    (0.2, 0.32, 0.13),
    (0.27, 0.36, 0.15),
    (0.15, 0.25, 0.12),
    (0.38, 0.36, 0.14),
    (0.44, 0.32, 0.14),
)


class Sun(NamedTuple):
    """Where shadows fall, per metre of height, and the light they take (0 to 1)."""

    aside: float
    ahead: float
    strength: float


def box(canvas: Canvas, x: float, z: float, size, paint: Paint):
    """A block of (width, height, length), its near side at Z = z."""
    w, h, d = size[0] / 2, size[1], size[2]
    canvas.polygon([(x - w, h, z), (x + w, h, z), (x + w, h, z + d), (x - w, h, z + d)], paint)
    side = -w if x > canvas.camera.x else w
    canvas.polygon(
        [(x + side, 0, z), (x + side, h, z), (x + side, h, z + d), (x + side, 0, z + d)],
        paint.tinted(0.8),
    )
    canvas.polygon([(x - w, 0, z), (x - w, h, z), (x + w, h, z), (x + w, 0, z)], paint.tinted(0.65))


def cone(canvas: Canvas, rng, x: float, z: float):
    """A traffic cone, orange with white bands."""
    orange = Paint((0.9, 0.3, 0.08), rng.uniform(0.06, 0.1), COLOUR_CONE)
    canvas.shade(
        [
            (x - 0.3, 0, z - 0.2),
            (x + 0.3, 0, z - 0.2),
            (x + 0.3, 0, z + 0.2),
            (x - 0.3, 0, z + 0.2),
        ],
        0.5,
    )
    box(canvas, x, z - 0.18, (0.4, 0.05, 0.36), orange.tinted(0.8))
    for low, high, paint in (
        (0.05, 0.28, orange),
        (0.28, 0.4, orange._replace(colour=WHITE)),
        (0.4, 0.52, orange),
        (0.52, 0.6, orange._replace(colour=WHITE)),
        (0.6, 0.72, orange),
    ):
        a, b = 0.17 - 0.19 * low, 0.17 - 0.19 * high
        canvas.polygon(
            [(x - a, low, z), (x - b, high, z), (x + b, high, z), (x + a, low, z)], paint
        )
        canvas.polygon(
            [(x + a * 0.3, low, z), (x + b * 0.3, high, z), (x + b, high, z), (x + a, low, z)],
            paint.tinted(0.75),
        )


def bump(canvas: Canvas, x0: float, x1: float, z: float):
    """A speed bump across the lane, striped in yellow and black."""
    edges = np.linspace(x0, x1, 15)
    for i, (a, b) in enumerate(pairwise(edges)):
        paint = Paint(SAFFRON if i % 2 else (0.12, 0.12, 0.12), 0.075 + 0.01 * (i % 2), BUMP)
        canvas.polygon(
            [(a, 0, z), (a, 0.06, z + 0.15), (b, 0.06, z + 0.15), (b, 0, z)], paint.tinted(0.8)
        )
        canvas.polygon(
            [(a, 0.06, z + 0.15), (a, 0.03, z + 0.5), (b, 0.03, z + 0.5), (b, 0.06, z + 0.15)],
            paint,
        )


def guardrail(canvas: Canvas, rng, x: float, z0: float, z1: float):
    """A rail of pipes along the kerb."""
    paint = Paint(pick(rng, (WHITE, STEEL, (0.45, 0.3, 0.2))), rng.uniform(0.05, 0.1), GUARDRAIL)
    posts = np.arange(z1, z0 - 0.1, -1.5)
    for far, near in pairwise(posts):
        canvas.line([(x, 0, far), (x, 0.8, far)], 0.07, paint.tinted(0.8))
        for rail in (0.4, 0.75):
            canvas.line([(x, rail, far), (x, rail, near)], 0.07, paint)
    canvas.line([(x, 0, posts[-1]), (x, 0.8, posts[-1])], 0.08, paint)


def lamp_post(canvas: Canvas, rng, x: float, z: float, tint, night: bool):
    """A street lamp that reaches over the road; returns the (X, Y, Z) of its light."""
    tall, arm = rng.uniform(4.2, 6.0), -np.sign(x) * rng.uniform(0.5, 1.2)
    post = Paint((0.25, 0.27, 0.27), 0.09)
    canvas.line([(x, 0, z), (x, tall, z), (x + arm, tall + 0.15, z)], 0.12, post)
    light = (x + arm, tall + 0.1, z)
    canvas.discs([light], [0.26], [Paint(tint, 0.11, glow=1.0 * night)], 0.6)
    return light


def sign(canvas: Canvas, rng, x: float, z: float):
    """A traffic sign: seen in the visible, lost in the infrared."""
    canvas.line([(x, 0, z), (x, 2.5, z)], 0.07, Paint(STEEL, 0.08))
    colour = pick(rng, ((0.75, 0.1, 0.1), (0.1, 0.25, 0.65), (0.1, 0.45, 0.25)))
    canvas.discs([(x, 2.4, z)] * 2, [0.36, 0.27], [Paint(WHITE, 0.085), Paint(colour, 0.085)])
    canvas.line([(x - 0.15, 2.4, z), (x + 0.15, 2.4, z)], 0.09, Paint(WHITE, 0.085))


def tree(canvas: Canvas, rng, x: float, z: float, sun: Sun):
    """A tree with a crown of leaf clumps, lit from above."""
    tall, spread = rng.uniform(5.0, 9.0), rng.uniform(1.6, 3.0)
    bark = Paint((0.22, 0.17, 0.12), rng.uniform(0.09, 0.13), texture=WALL)
    fork = (x, tall * 0.5, z)
    canvas.line([(x, 0, z), fork], 0.35, bark)
    for lean in (-0.5, 0.1, 0.6):
        canvas.line([fork, (x + lean * spread, tall * 0.78, z)], 0.16, bark)
    count = int(np.clip(2200 / z, 40, 170))
    turn, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    across, up = radius * np.cos(turn), radius * np.sin(turn)
    order = np.argsort(up + rng.normal(0, 0.35, count))
    green = np.array(pick(rng, GREENS)) * rng.uniform(0.8, 1.15)
    heat = rng.uniform(0.09, 0.15)
    core = Paint(tuple(green * 0.45), heat * 0.95, texture=FOLIAGE)
    canvas.discs(
        [(x + lean * spread, tall * 0.68, z) for lean in (-0.3, 0, 0.35)],
        [0.55 * spread] * 3,
        [core] * 3,
        0.9,
    )
    centres = np.c_[x + spread * across, tall * 0.68 + tall * 0.3 * up, np.full(count, z)][order]
    light = np.clip(0.75 + 0.4 * up[order] + rng.normal(0, 0.16, count), 0.25, 1.5)
    paints = [Paint(tuple(green * v), heat * (0.92 + 0.12 * v), texture=FOLIAGE) for v in light]
    canvas.discs(centres, rng.uniform(0.5, 1.6, count) * spread / count**0.5, paints, 0.85)
    ring = np.linspace(0, 2 * np.pi, 16)
    ragged = spread * rng.uniform(0.7, 1.2, 16)
    canvas.shade(
        np.c_[
            x + sun.aside * tall * 0.6 + ragged * np.cos(ring),
            np.zeros(16),
            np.maximum(z + sun.ahead * tall * 0.6 + ragged * np.sin(ring), 1.5),
        ],
        sun.strength,
    )


def hedge(canvas: Canvas, rng, x: float, z0: float, z1: float):
    """A hedge along the pavement."""
    green = Paint(pick(rng, GREENS[:3]), rng.uniform(0.08, 0.11), texture=FOLIAGE)
    tall = rng.uniform(0.6, 1.3)
    steps = np.arange(z1, z0, -0.8)
    for z in steps:
        canvas.polygon(
            [(x, 0, z), (x, tall, z), (x, tall, z - 0.8), (x, 0, z - 0.8)],
            green.tinted(rng.uniform(0.55, 0.8)),
        )
        canvas.discs(
            [(x + np.sign(x) * 0.2, tall, z - 0.4)],
            [0.42],
            [green.tinted(rng.uniform(0.9, 1.2))],
            0.6,
        )


def building(canvas: Canvas, rng, x: float, z0: float, z1: float, night: bool, sun: Sun):
    """A block of flats at X = x: its facade and its near end, with windows."""
    tall = rng.integers(2, 7) * 3.1 + 0.8
    wall = Paint(pick(rng, WALLS), rng.uniform(0.09, 0.17), texture=WALL)
    lit = rng.uniform(0.08, 0.45) if night else 0.0
    away = x + np.sign(x) * rng.uniform(8, 14)
    opening = rng.uniform(0.45, 0.7), rng.uniform(0.45, 0.62)
    _facade(
        canvas,
        rng,
        (x, z1),
        (x, z0),
        tall,
        wall.tinted(0.75 + 0.2 * (sun.aside * x > 0)),
        lit,
        opening,
    )
    _facade(canvas, rng, (away, z0), (x, z0), tall, wall.tinted(0.95, 0.93), lit, opening)


def _facade(canvas, rng, far, near, tall, wall, lit, opening):
    far, near = np.array(far), np.array(near)
    bays = max(int(np.abs(far - near).max() / 2.8), 1)
    storeys = int(tall / 3.1)
    blinds = rng.random((bays, storeys, 4))

    def quad(u0, u1, y0, y1):
        a, b = far + (near - far) * u0 / bays, far + (near - far) * u1 / bays
        return [(a[0], y0, a[1]), (a[0], y1, a[1]), (b[0], y1, b[1]), (b[0], y0, b[1])]

    margin = (1 - opening[0]) / 2
    for bay in range(bays):
        canvas.polygon(quad(bay, bay + 1, 0, tall), wall)
        for storey in range(storeys):
            low = storey * 3.1 + 1.0
            hue, level, drawn, on = blinds[bay, storey]
            frame = quad(bay + margin, bay + 1 - margin, low, low + 3.1 * opening[1])
            canvas.polygon(frame, wall.tinted(1.35, 0.9)._replace(texture=PLAIN))
            if on < lit:
                pane = Paint(
                    (1.0, 0.82 + 0.15 * hue, 0.5 + 0.4 * hue), 0.12, glow=0.03 + 0.13 * level**2
                )
            else:
                grey = 0.12 + 0.3 * level * drawn
                pane = Paint((grey, grey * 1.08, grey * 1.15), 0.065 + 0.02 * drawn)
            canvas.polygon(
                quad(
                    bay + margin + 0.06,
                    bay + 1 - margin - 0.06,
                    low + 0.1,
                    low + 3.1 * opening[1] - 0.1,
                ),
                pane,
            )
    for y in np.arange(1, storeys + 1) * 3.1:
        canvas.polygon(quad(0, bays, y - 0.08, y + 0.12), wall.tinted(0.7))
