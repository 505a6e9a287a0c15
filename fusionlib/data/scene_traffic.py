"""Cars, people and bicycles of a rendered scene, drawn in metres on a canvas.

Heats are relative to a background near 0.08, as in a thermal image stretched for people.
"""

from itertools import pairwise

import numpy as np

from fusionlib.data.scene_canvas import (
    BIKE,
    CAR,
    CLOTH,
    DARK,
    PERSON,
    STEEL,
    WHITE,
    Canvas,
    Paint,
    pick,
)

SKIN = ((0.85, 0.65, 0.52), (0.7, 0.5, 0.38), (0.45, 0.3, 0.22))
CLOTHES = (
    (0.08, 0.09, 0.15), (0.5, 0.1, 0.1), (0.85, 0.83, 0.78), (0.12, 0.2, 0.35),
    (0.14, 0.16, 0.14), (0.6, 0.45, 0.2), (0.22, 0.12, 0.22), (0.06, 0.06, 0.06),
)  # fmt: skip
CAR_COLOURS = (
    (0.8, 0.8, 0.8), (0.1, 0.1, 0.12), (0.5, 0.52, 0.55), (0.6, 0.08, 0.08), (0.12, 0.2, 0.45),
    (0.88, 0.87, 0.82), (0.3, 0.33, 0.3),
)  # fmt: skip

# Side profiles (ahead, height) from the rear bumper over the roof to the front bumper, in the same
# order for each body: strip 1 carries the tail-lamps, 3 and 5 are glass, 6 the bonnet, 7 headlamps.
CAR_PROFILES = (
    ((-2.2, 0.3), (-2.2, 0.7), (-2.15, 0.97), (-1.6, 1.02), (-0.95, 1.45), (0.45, 1.47),
     (1.15, 1.0), (2.0, 0.86), (2.2, 0.62), (2.2, 0.25)),
    ((-1.9, 0.3), (-1.95, 0.75), (-1.9, 1.0), (-1.85, 1.05), (-1.45, 1.55), (0.5, 1.58),
     (1.2, 1.05), (1.8, 0.92), (1.95, 0.65), (1.95, 0.25)),
    ((-2.2, 0.3), (-2.25, 0.75), (-2.25, 1.05), (-2.24, 1.1), (-2.0, 1.9), (1.0, 1.92),
     (1.75, 1.1), (2.1, 1.0), (2.2, 0.68), (2.2, 0.25)),
)  # fmt: skip


def _placed(points, x: float, z: float, yaw: float) -> np.ndarray:
    """Local (right, up, ahead) points to the world; yaw 0 looks away from the camera."""
    right, up, ahead = np.asarray(points, float).T
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack((x + right * cos + ahead * sin, up, z - right * sin + ahead * cos), 1)


def car(canvas: Canvas, rng, x: float, z: float, yaw: float, running: bool, night: bool):
    """A car; returns the (X, Y, Z) of its headlamps if they shine towards the camera."""
    profile = np.array(pick(rng, CAR_PROFILES))
    warm = rng.uniform(1.3, 2.3) if running else rng.uniform(0.9, 1.4)
    body = Paint(pick(rng, CAR_COLOURS), 0.11 * warm, CAR)
    glass = Paint((0.1, 0.13, 0.15), 0.09, CAR)
    tyre = Paint(DARK, 0.2 * warm if running else 0.1, CAR)
    half = np.full(len(profile), 0.88)
    half[4:6] = 0.72

    def world(side, points, which=None):
        width = half if which is None else half[which]
        return _placed(np.c_[side * width, points[:, 1], points[:, 0]], x, z, yaw)

    canvas.shade(_placed([(-1, 0, -2.3), (1, 0, -2.3), (1, 0, 2.3), (-1, 0, 2.3)], x, z, yaw), 0.8)
    eye = np.array((canvas.camera.x, canvas.camera.y, 0.0))
    axles = profile[[0, -1], 0] + (0.8, -0.85)
    corner = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    wheel = np.c_[np.cos(corner), np.sin(corner)]

    for side in (-1, 1):  # what is seen of the wheels below the bumpers
        for axle in axles:
            edge = [
                (side * u, v, axle + e)
                for u, v, e in ((0.66, 0.02, 0), (0.86, 0.02, 0), (0.86, 0.5, 0), (0.66, 0.5, 0))
            ]
            canvas.polygon(_placed(edge, x, z, yaw), tyre.tinted(0.6))
    for side in (-1, 1):
        lower, upper = [0, 1, 2, 3, 6, 7, 8, 9], [3, 4, 5, 6]
        flank = world(side, profile[lower], lower)
        outward = _placed([(side, 0, 0)], 0, 0, yaw)[0]
        if outward @ (eye - flank.mean(0)) <= 0:
            continue
        canvas.polygon(flank, body.tinted(0.75))
        canvas.polygon(world(side, profile[upper], upper), body.tinted(0.85, 0.8))
        pane = profile[upper]
        for part in (-0.24, 0.24):
            middle = pane.mean(0) + np.array((part * np.ptp(pane[:, 0]), 0))
            inner = middle + (pane - pane.mean(0)) * (0.44, 0.76)
            canvas.polygon(world(side, inner, upper), glass)
        for axle in axles:
            for radius, paint in (
                (0.4, tyre.tinted(0.5)),
                (0.33, tyre),
                (0.21, Paint(STEEL, tyre.heat * 1.4, CAR)),
            ):
                rim = wheel * radius + (axle, 0.34)
                canvas.polygon(
                    _placed(np.c_[np.full(20, side * 0.89), rim[:, 1], rim[:, 0]], x, z, yaw), paint
                )

    panels = []
    for i, (start, end) in enumerate(pairwise(profile)):
        pair = [i, i + 1]
        quad = np.r_[world(-1, profile[pair], pair), world(1, profile[pair], pair)[::-1]]
        normal = _placed([(0, end[0] - start[0], start[1] - end[1])], 0, 0, yaw)[0]
        if normal @ (eye - quad.mean(0)) > 0:
            panels.append((-quad[:, 2].mean(), i, quad))
    headlamps = []
    for _, i, quad in sorted(panels, key=lambda panel: panel[0]):
        tint = (0.55, 0.7, 0.95, 1, 1.05, 1, 0.95, 0.75, 0.5)[i]
        bonnet = 1.7 if running and i in (6, 7, 8) else 1.0
        canvas.polygon(quad, body.tinted(tint, bonnet))
        mean = quad.mean(0)
        if i in (3, 5):
            canvas.polygon(mean + (quad - mean) * 0.86, glass)
        if i in (0, 8):  # number plate; the exhaust side of the rear bumper is hot
            canvas.polygon(mean + (quad - mean) * (0.26, 0.4, 0.26), Paint(WHITE, body.heat, CAR))
            if running and i == 0:
                canvas.discs(
                    [_placed([(0.55, 0.3, profile[0, 0])], x, z, yaw)[0]],
                    [0.05],
                    [Paint(DARK, 0.7, CAR)],
                )
        if i in (1, 7):
            on = running and (night or rng.random() < 0.3)
            tail = i == 1
            lamp = Paint(
                (0.75, 0.08, 0.06) if tail else (0.95, 0.93, 0.85),
                body.heat,
                CAR,
                glow=on * (0.12 if tail else 0.9 if night else 0.2),
            )
            for p, q, s in (quad[[0, 1, 3]], quad[[3, 2, 0]]):
                left, right = p + (s - p) * 0.04, p + (s - p) * 0.27
                rise = q - p
                canvas.polygon(
                    [
                        left + 0.15 * rise,
                        left + 0.85 * rise,
                        right + 0.85 * rise,
                        right + 0.15 * rise,
                    ],
                    lamp,
                )
                if on and not tail:
                    headlamps.append(((left + right) / 2).tolist())
    return headlamps


def person(canvas: Canvas, rng, x: float, z: float, hip: float = 0.0):
    """A person, standing or walking; `hip` (m) is where a rider sits, 0 on foot."""
    tall = rng.uniform(1.5, 1.85)
    warm = rng.uniform(0.8, 1.3)
    skin = Paint(pick(rng, SKIN), 0.62 * warm, PERSON, CLOTH)
    top = Paint(pick(rng, CLOTHES), rng.uniform(0.3, 0.48) * warm, PERSON, CLOTH)
    legs = Paint(
        pick(rng, CLOTHES[:1] + CLOTHES[3:]), rng.uniform(0.28, 0.42) * warm, PERSON, CLOTH
    )
    swing, facing = rng.uniform(0.0, 0.16), rng.choice((-1, 1))
    lift = (hip - 0.5 * tall) if hip else 0.0
    ground = 0.22 if hip else 0.03  # a rider's feet are on the pedals

    def at(across, up):
        return x + facing * across * tall, up * tall + lift, z

    def foot(across):
        return x + facing * across * tall, ground + 0.02 * tall, z

    reach = (0.3, 0.62) if hip else (0.02 + swing, 0.46)
    bend = 0.08 if hip else 0.03
    lean = 0.08 if hip else 0.0
    canvas.shade(
        [
            (x - 0.25, 0, z + 0.12),
            (x + 0.25, 0, z + 0.12),
            (x + 0.25, 0, z - 0.12),
            (x - 0.25, 0, z - 0.12),
        ],
        0.5,
    )
    canvas.line(
        [at(-0.09 + lean, 0.8), at(-0.13, 0.63), at(-0.1 - swing * 0.6, 0.47)],
        0.05 * tall,
        top.tinted(0.8),
    )
    for side, tint in ((-1, 0.8), (1, 1.0)):
        step = side * swing
        shin = foot(step * 1.2 - 0.02)
        canvas.line(
            [at(side * 0.035, 0.5), at(step * 0.5 + bend * (side > 0), 0.28), shin],
            0.085 * tall,
            legs.tinted(tint),
        )
        canvas.line(
            [shin, (shin[0] + facing * 0.07 * tall, shin[1] - 0.01, z)],
            0.05 * tall,
            Paint(DARK, 0.2, PERSON),
        )
    canvas.polygon(
        [
            at(-0.115 + lean, 0.81),
            at(-0.05 + lean, 0.845),
            at(0.05 + lean, 0.845),
            at(0.115 + lean, 0.81),
            at(0.09, 0.6),
            at(0.1, 0.47),
            at(-0.1, 0.47),
            at(-0.09, 0.6),
        ],
        top,
    )
    if rng.random() < 0.3 and not hip:  # a coat or a skirt
        canvas.polygon(
            [at(-0.09, 0.55), at(0.09, 0.55), at(0.13, 0.33), at(-0.13, 0.33)], top.tinted(0.9)
        )
    if rng.random() < 0.35:  # a bag, as cold as the air
        canvas.discs(
            [at(-0.13, 0.68)], [0.09 * tall], [Paint(pick(rng, CLOTHES), 0.13, PERSON)], 1.3
        )
    canvas.line(
        [at(0.1 + lean, 0.79), at(0.13 + lean, 0.64), at(*reach)], 0.05 * tall, top.tinted(1.1)
    )
    canvas.discs(
        [at(*reach), at(lean, 0.86), at(lean * 1.2, 0.925)],
        np.array((0.028, 0.03, 0.062)) * tall,
        [skin] * 3,
        1.15,
    )
    canvas.discs(
        [at(lean * 1.2 - 0.012, 0.95)],
        [0.055 * tall],
        [Paint(pick(rng, (DARK, (0.25, 0.15, 0.08), (0.6, 0.6, 0.58))), skin.heat * 0.7, PERSON)],
        0.8,
    )


def bike(canvas: Canvas, rng, x: float, z: float, yaw: float, ridden: bool):
    """A bicycle, seen from the side at yaw = ±90°, with a rider or parked."""
    metal = Paint(pick(rng, CAR_COLOURS), rng.uniform(0.05, 0.13), BIKE)
    rubber = Paint(DARK, rng.uniform(0.1, 0.16), BIKE)
    corner = np.linspace(0, 2 * np.pi, 25)
    for hub in (-0.52, 0.52):
        ring = np.c_[np.zeros(25), 0.34 + 0.33 * np.sin(corner), hub + 0.33 * np.cos(corner)]
        canvas.line(_placed(ring, x, z, yaw), 0.05, rubber)
        for spoke in (0, 4, 8):
            canvas.line(_placed(ring[[spoke, spoke + 12]], x, z, yaw), 0.008, metal)
    seat, crank, head, bars = (-0.2, 0.9), (-0.05, 0.32), (0.38, 0.85), (0.45, 1.02)
    for path in (
        (seat, crank, head, (-0.17, 0.8)),
        ((-0.52, 0.34), crank),
        ((-0.52, 0.34), (-0.17, 0.8)),
        ((0.52, 0.34), head, bars, (0.33, 1.06)),
    ):
        canvas.line(_placed([(0, up, ahead) for ahead, up in path], x, z, yaw), 0.045, metal)
    canvas.line(_placed([(0, 0.93, -0.32), (0, 0.93, -0.08)], x, z, yaw), 0.08, rubber)
    canvas.shade(
        _placed([(-0.1, 0, -0.8), (0.1, 0, -0.8), (0.1, 0, 0.8), (-0.1, 0, 0.8)], x, z, yaw), 0.4
    )
    if ridden:
        person(canvas, rng, x, z - 0.02, hip=0.95)
