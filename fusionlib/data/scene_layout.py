"""The plan of a rendered scene: what stands where, drawn from far to near."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fusionlib.data import scene_street as street
from fusionlib.data import scene_traffic as traffic
from fusionlib.data.scene_canvas import (
    ASPHALT,
    CAR_STOP,
    CURVE,
    FAR,
    GRASS,
    PAVING,
    SAFFRON,
    SKY,
    WALL,
    Camera,
    Canvas,
    Paint,
    pick,
)


class Light(NamedTuple):
    """A lamp: position (X, Y, Z) in metres, colour times power, and reach in metres."""

    position: tuple[float, float, float]
    colour: tuple[float, float, float]
    reach: float


class Smoke(NamedTuple):
    """A cloud of smoke: position (X, Y, Z) and radius in metres."""

    position: tuple[float, float, float]
    radius: float


def draw(
    rng: np.random.Generator, night: bool, height: int, width: int
) -> tuple[Canvas, list[Light], Smoke | None]:
    """Draw all that stands in a scene; lamps and smoke are left to the sensors."""
    lane = rng.uniform(3.0, 4.2)  # half the road's width
    camera = Camera(
        focal=rng.uniform(1.0, 1.25) * height,
        centre=width * rng.uniform(0.35, 0.65),
        horizon=height * rng.uniform(0.4, 0.5),
        x=rng.uniform(-0.1, 0.6) * lane,
        y=rng.uniform(1.5, 2.1),
        bend=rng.uniform(-0.002, 0.002),
    )
    canvas = Canvas(camera, height, width)
    sun = street.Sun(
        rng.uniform(-1, 1), rng.uniform(-0.3, 0.6), 0.0 if night else rng.uniform(0.2, 0.6)
    )
    _ground_and_sky(canvas, rng, lane, night)
    lights: list[Light] = []
    jobs = _surroundings(canvas, rng, lane, night, sun, lights)
    jobs += _traffic(canvas, rng, lane, night, lights)
    for _, job in sorted(jobs, key=lambda job: -job[0]):
        job()
    smoke = None
    if rng.random() < 0.4:  # at a depth: it hides what stands behind
        smoke = Smoke(
            (rng.uniform(-1, 1) * lane, rng.uniform(0.8, 1.6), rng.uniform(5, 13)),
            rng.uniform(1.2, 2.4),
        )
    return canvas, lights, smoke


def _ground_and_sky(canvas, rng, lane, night):
    camera, far = canvas.camera, 400.0
    high = (
        np.array((0.02, 0.03, 0.045))
        if night
        else np.array(pick(rng, ((0.35, 0.55, 0.85), (0.55, 0.68, 0.85), (0.75, 0.78, 0.8))))
    )
    low = high * 1.8 + 0.01 if night else np.array((0.92, 0.93, 0.93))
    cold = rng.uniform(0.02, 0.045)
    levels = np.linspace(0, 1, 33)
    for a, b in pairwise(levels):
        top, bottom = (camera.y + (1 - v) * far * 0.6 for v in (a, b))
        colour = tuple(high + (low - high) * b)
        canvas.polygon(
            [(-2e3, top, far), (2e3, top, far), (2e3, bottom, far), (-2e3, bottom, far)],
            Paint(colour, cold * (0.8 + 0.6 * b), texture=SKY),
            FAR,
        )
    soil = Paint(pick(rng, ((0.3, 0.36, 0.18), (0.33, 0.3, 0.22))), 0.065, texture=GRASS)
    canvas.strip(-3e3, 3e3, 1.0, far, soil)
    path = rng.uniform(2.0, 3.5)
    grey = rng.uniform(0.22, 0.36)
    road = Paint((grey, grey, grey * 1.05), rng.uniform(0.05, 0.07), texture=ASPHALT)
    slab = Paint(pick(rng, ((0.52, 0.5, 0.47), (0.55, 0.42, 0.36))), 0.07, texture=PAVING)
    mark = Paint((0.85, 0.85, 0.82), road.heat + 0.003, texture=ASPHALT)
    for side in (-1, 1):
        canvas.strip(side * lane, side * (lane + path), 1.0, far, slab)
        if rng.random() < 0.4:  # tactile paving
            canvas.strip(
                side * (lane + 1), side * (lane + 1.35), 1.0, 60, slab._replace(colour=SAFFRON)
            )
    canvas.strip(-lane, lane, 1.0, far, road)
    for _ in range(rng.integers(0, 5)):  # patches of newer asphalt
        x, z = rng.uniform(-lane, lane * 0.5), rng.uniform(2, 20)
        canvas.strip(
            x,
            min(x + rng.uniform(0.5, 2), lane),
            z,
            z * rng.uniform(1.1, 1.6),
            road.tinted(rng.uniform(0.7, 0.9)),
        )
    for side in (-1, 1):
        canvas.strip(side * (lane - 0.4), side * (lane - 0.27), 1.0, 120, mark)
        label = CURVE if rng.random() < 0.6 else 0
        for z0, z1 in ((1.0, 30.0), (30.0, 200.0)):  # MSRS labels the near kerb
            kerb = Paint((0.6, 0.6, 0.58), 0.085, label * (z0 < 30))
            canvas.strip(side * lane, side * (lane + 0.2), z0, z1, kerb, y=0.1)
            canvas.polygon(
                [
                    (side * lane, 0, z0),
                    (side * lane, 0.1, z0),
                    (side * lane, 0.1, z1),
                    (side * lane, 0, z1),
                ],
                kerb.tinted(0.6),
                FAR,
            )
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
        canvas.polygon(
            np.c_[x + 0.32 * np.cos(turn), 0 * turn, z + 0.32 * np.sin(turn)],
            Paint((0.2, 0.19, 0.18), road.heat + 0.02, texture=ASPHALT),
            FAR,
        )


def _surroundings(canvas, rng, lane, night, sun, lights) -> list:
    jobs = [(180, partial(_skyline, canvas, rng, night))]
    urban = rng.random()
    for side in (-1, 1):
        z = rng.uniform(6, 14)
        while z < 85:
            long = rng.uniform(10, 20)
            if rng.random() < urban:
                x = side * (lane + rng.uniform(4, 8))
                jobs.append(
                    (z + long, partial(street.building, canvas, rng, x, z, z + long, night, sun))
                )
            if rng.random() < 1.15 - 0.6 * urban:
                for depth in np.arange(z, z + long, rng.uniform(4.5, 7)):
                    x = side * (lane + rng.uniform(2.6, 5.5))
                    jobs.append((depth, partial(street.tree, canvas, rng, x, depth, sun)))
            z += long + rng.exponential(4)
        if rng.random() < 0.5:
            x, z0 = side * (lane + rng.uniform(2.5, 3.6)), rng.uniform(4, 10)
            z1 = z0 + rng.uniform(8, 40)
            jobs.append((z1, partial(street.hedge, canvas, rng, x, z0, z1)))
        if rng.random() < 0.35:
            x, z0 = side * (lane + 0.5), rng.uniform(4, 9)
            z1 = z0 + rng.uniform(6, 15)
            jobs.append((z1, partial(street.guardrail, canvas, rng, x, z0, z1)))
        if rng.random() < 0.5:
            z = rng.uniform(7, 16)
            jobs.append((z, partial(street.sign, canvas, rng, side * (lane + 0.7), z)))
        tint = pick(rng, ((1.0, 0.8, 0.5), (0.88, 1.0, 0.9), (1.0, 0.93, 0.82)))
        for z in rng.uniform(7, 14) + np.arange(rng.integers(1, 4)) * rng.uniform(14, 24):
            jobs.append(
                (z, partial(_lamp, canvas, rng, side * (lane + 0.6), z, tint, night, lights))
            )
    return jobs


def _skyline(canvas, rng, night):
    colour = (0.03, 0.04, 0.035) if night else (0.42, 0.52, 0.5)
    edge = np.linspace(-260, 260, 66)
    tall = 9 + 6 * np.interp(edge, np.linspace(-260, 260, 14), rng.random(14)) + rng.random(66) * 2
    outline = [
        (-260, 0, 180),
        *((x, y, 180) for x, y in zip(edge, tall, strict=True)),
        (260, 0, 180),
    ]
    canvas.polygon(outline, Paint(colour, 0.07, texture=WALL))


def _lamp(canvas, rng, x, z, tint, night, lights):
    position = street.lamp_post(canvas, rng, x, z, tint, night)
    if night:
        lights.append(Light(position, tuple(np.multiply(tint, rng.uniform(0.5, 1.0))), 4.0))


def _car(canvas, rng, x, z, yaw, running, night, lights):
    for across, up, depth in traffic.car(canvas, rng, x, z, yaw, running, night):
        if night:  # it lights the road ahead, not the car's own face
            lights.append(Light((across, 0.4 * up, depth - 2.5), (0.3, 0.29, 0.26), 1.6))


def _traffic(canvas, rng, lane, night, lights) -> list:
    jobs = []

    def add(z, make, *arguments):
        jobs.append((z, partial(make, canvas, rng, *arguments)))

    def anywhere(near, far):  # nearer places are more likely, as there is less of the far ones
        return float(np.exp(rng.uniform(np.log(near), np.log(far))))

    for _ in range(rng.integers(0, 4)):  # driving: away on the right, towards us on the left
        side, z = rng.choice((-1, 1)), anywhere(8, 50)
        add(z - 2, _car, side * lane * 0.5, z, 0.0 if side > 0 else np.pi, True, night, lights)
    if rng.random() < 0.2:
        z = anywhere(10, 25)
        add(z, _car, rng.uniform(-2, 2), z, rng.choice((-1, 1)) * np.pi / 2, True, night, lights)
    if rng.random() < 0.5:  # parked along the kerb
        side, z = rng.choice((-1, 1)), rng.uniform(7, 12)
        for _ in range(rng.integers(1, 4)):
            add(
                z - 2,
                _car,
                side * (lane - 0.9),
                z,
                0.0 if side > 0 else np.pi,
                rng.random() < 0.3,
                night,
                lights,
            )
            z += rng.uniform(5.2, 9)
    for _ in range(rng.integers(0, 4)):  # people, alone or in twos
        side, z = rng.choice((-1, 1)), anywhere(4, 30)
        x = side * (lane + rng.uniform(0.4, 2.2)) if rng.random() < 0.7 else rng.uniform(-3, 3)
        for mate in range(rng.integers(1, 3)):
            add(z + 0.1 * mate, traffic.person, x + 0.6 * mate, z + 0.1 * mate)
    for _ in range(rng.integers(0, 3)):
        z = anywhere(5, 22)
        x = rng.uniform(-0.8, 0.8) * lane
        add(z, traffic.bike, x, z, rng.choice((-1, 1)) * rng.uniform(0.9, 1.57), True)
    if rng.random() < 0.4:  # a row of parked bikes
        side, z = rng.choice((-1, 1)), rng.uniform(5, 12)
        for place in range(rng.integers(2, 7)):
            add(
                z + place * 0.7,
                traffic.bike,
                side * (lane + 1.4),
                z + place * 0.7,
                side * rng.uniform(1.3, 1.6),
                False,
            )
    if rng.random() < 0.4:
        side, z = rng.choice((-1, 1)), rng.uniform(4, 9)
        for place in range(rng.integers(2, 6)):
            depth = z + place * rng.uniform(1.2, 2.5)
            add(depth, street.cone, side * (lane - rng.uniform(0.3, 1.2)), depth)
    if rng.random() < 0.35:
        z = rng.uniform(4.5, 12)
        jobs.append((z + 0.6, partial(street.bump, canvas, -lane + 0.3, lane - 0.3, z)))
    if rng.random() < 0.45:  # wheel stops of a parking bay
        side, z = rng.choice((-1, 1)), rng.uniform(4, 9)
        yellow = rng.random() < 0.5
        paint = Paint(SAFFRON if yellow else (0.62, 0.61, 0.58), rng.uniform(0.08, 0.11), CAR_STOP)
        for place in range(rng.integers(2, 5)):
            x = side * (lane + 0.9)
            jobs.append(
                (
                    z + 2.4 * place,
                    partial(street.box, canvas, x, z + 2.4 * place, (1.0, 0.16, 0.22), paint),
                )
            )
    return jobs
