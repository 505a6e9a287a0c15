"""What stands in a rendered scene: each function draws one thing, in metres, on a canvas.

Heats are relative to a background near 0.08, as in a thermal image stretched for people.
"""

import numpy as np

from fusionlib.data.scene_canvas import CLOTH, FOLIAGE, PLAIN, WALL, Canvas, Paint

CAR, PERSON, BIKE, CURVE, CAR_STOP, GUARDRAIL, COLOUR_CONE, BUMP = range(1, 9)

DARK = (0.05, 0.05, 0.06)
STEEL = (0.5, 0.52, 0.53)
WHITE = (0.86, 0.86, 0.84)
SAFFRON = (0.85, 0.66, 0.1)
SKIN = ((0.85, 0.65, 0.52), (0.7, 0.5, 0.38), (0.45, 0.3, 0.22))
CLOTHES = ((0.12, 0.14, 0.22), (0.65, 0.15, 0.15), (0.8, 0.78, 0.72), (0.2, 0.35, 0.55),
           (0.25, 0.28, 0.25), (0.75, 0.6, 0.3), (0.35, 0.2, 0.35), (0.1, 0.1, 0.1))
CAR_COLOURS = ((0.8, 0.8, 0.8), (0.1, 0.1, 0.12), (0.5, 0.52, 0.55), (0.6, 0.08, 0.08),
               (0.12, 0.2, 0.45), (0.88, 0.87, 0.82), (0.3, 0.33, 0.3))
WALLS = ((0.45, 0.24, 0.18), (0.62, 0.54, 0.42), (0.5, 0.5, 0.5), (0.72, 0.69, 0.63),
         (0.4, 0.33, 0.28), (0.55, 0.4, 0.32))
GREENS = ((0.2, 0.36, 0.1), (0.28, 0.42, 0.12), (0.14, 0.28, 0.1), (0.42, 0.42, 0.1),
          (0.5, 0.36, 0.1))

# Side profiles (ahead, height) from the rear bumper over the roof to the front bumper, in the same
# order for each body: strip 1 carries the tail-lamps, 3 and 5 are glass, 6 the bonnet, 7 headlamps.
CAR_PROFILES = (
    ((-2.2, .3), (-2.2, .7), (-2.15, .97), (-1.6, 1.02), (-.95, 1.45), (.45, 1.47), (1.15, 1.0),
     (2.0, .86), (2.2, .62), (2.2, .25)),
    ((-1.9, .3), (-1.95, .75), (-1.9, 1.0), (-1.85, 1.05), (-1.45, 1.55), (.5, 1.58), (1.2, 1.05),
     (1.8, .92), (1.95, .65), (1.95, .25)),
    ((-2.2, .3), (-2.25, .75), (-2.25, 1.05), (-2.24, 1.1), (-2.0, 1.9), (1.0, 1.92), (1.75, 1.1),
     (2.1, 1.0), (2.2, .68), (2.2, .25)),
)


def _pick(rng: np.random.Generator, choices):
    return choices[rng.integers(len(choices))]


def _placed(points, x: float, z: float, yaw: float) -> np.ndarray:
    """Local (right, up, ahead) points to the world; yaw 0 looks away from the camera."""
    right, up, ahead = np.asarray(points, float).T
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack((x + right * cos + ahead * sin, up, z - right * sin + ahead * cos), 1)


def box(canvas: Canvas, x: float, z: float, size, paint: Paint):
    """A block of (width, height, length), its near side at Z = z."""
    w, h, d = size[0] / 2, size[1], size[2]
    canvas.polygon([(x - w, h, z), (x + w, h, z), (x + w, h, z + d), (x - w, h, z + d)], paint)
    side = -w if x > canvas.camera.x else w
    canvas.polygon([(x + side, 0, z), (x + side, h, z), (x + side, h, z + d), (x + side, 0, z + d)],
                   paint.tinted(0.8))
    canvas.polygon([(x - w, 0, z), (x - w, h, z), (x + w, h, z), (x + w, 0, z)], paint.tinted(0.65))


def car(canvas: Canvas, rng, x: float, z: float, yaw: float, running: bool, night: bool):
    """A car; returns the (X, Y, Z) of its headlamps if they shine towards the camera."""
    profile = np.array(_pick(rng, CAR_PROFILES))
    warm = rng.uniform(1.3, 2.3) if running else rng.uniform(0.9, 1.4)
    body = Paint(_pick(rng, CAR_COLOURS), 0.11 * warm, CAR)
    glass = Paint((0.1, 0.13, 0.15), 0.09, CAR)
    tyre = Paint(DARK, 0.2 * warm if running else 0.1, CAR)
    half = np.full(len(profile), 0.88)
    half[4:6] = 0.72

    def world(side, points, which=None):
        width = half if which is None else half[which]
        return _placed(np.c_[side * width, points[:, 1], points[:, 0]], x, z, yaw)

    canvas.shade(_placed([(-1, 0, -2.3), (1, 0, -2.3), (1, 0, 2.3), (-1, 0, 2.3)], x, z, yaw))
    eye = np.array((canvas.camera.x, canvas.camera.y, 0.0))
    axles = profile[[0, -1], 0] + (0.8, -0.85)
    corner = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    wheel = np.c_[np.cos(corner), np.sin(corner)]

    for side in (-1, 1):  # what is seen of the wheels below the bumpers
        for axle in axles:
            edge = [(side * u, v, axle + e) for u, v, e in
                    ((.66, 0.02, 0), (.86, 0.02, 0), (.86, .5, 0), (.66, .5, 0))]
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
            inner = (pane - pane.mean(0)) * (0.44, 0.76) + pane.mean(0) + (part * np.ptp(pane[:, 0]), 0)
            canvas.polygon(world(side, inner, upper), glass)
        for axle in axles:
            for radius, paint in ((0.4, tyre.tinted(0.5)), (0.33, tyre),
                                  (0.21, Paint(STEEL, tyre.heat * 1.4, CAR))):
                rim = wheel * radius + (axle, 0.34)
                canvas.polygon(_placed(np.c_[np.full(20, side * 0.89), rim[:, 1], rim[:, 0]],
                                       x, z, yaw), paint)

    panels = []
    for i, (start, end) in enumerate(zip(profile[:-1], profile[1:], strict=True)):
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
                canvas.discs([_placed([(0.55, 0.3, profile[0, 0])], x, z, yaw)[0]], [0.1],
                             [Paint(DARK, 0.7, CAR)])
        if i in (1, 7):
            on = running and (night or rng.random() < 0.3)
            tail = i == 1
            lamp = Paint((0.75, 0.08, 0.06) if tail else (0.95, 0.93, 0.85), body.heat, CAR,
                         glow=on * (0.12 if tail else 0.9 if night else 0.2))
            a, b, c, d = quad
            for p, q, r, s in ((a, b, c, d), (d, c, b, a)):
                left, right = p + (s - p) * 0.04, p + (s - p) * 0.27
                rise = (q - p)
                canvas.polygon([left + 0.15 * rise, left + 0.85 * rise, right + 0.85 * rise,
                                right + 0.15 * rise], lamp)
                if on and not tail:
                    headlamps.append(tuple((left + right) / 2))
    return headlamps


def person(canvas: Canvas, rng, x: float, z: float, hip: float = 0.0):
    """A person, standing or walking; `hip` (m) is where a rider sits, 0 on foot."""
    tall = rng.uniform(1.5, 1.85)
    warm = rng.uniform(0.8, 1.3)
    skin = Paint(_pick(rng, SKIN), 0.62 * warm, PERSON, CLOTH)
    top = Paint(_pick(rng, CLOTHES), rng.uniform(0.3, 0.48) * warm, PERSON, CLOTH)
    legs = Paint(_pick(rng, CLOTHES[:5] + CLOTHES[-1:]), rng.uniform(0.28, 0.42) * warm, PERSON,
                 CLOTH)
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
    canvas.shade([(x - .25, 0, z + .12), (x + .25, 0, z + .12), (x + .25, 0, z - .12),
                  (x - .25, 0, z - .12)])
    canvas.line([at(-0.09 + lean, .8), at(-0.13, .63), at(-0.1 - swing * .6, .47)], .05 * tall,
                top.tinted(0.8))
    for side, tint in ((-1, 0.8), (1, 1.0)):
        step = side * swing
        shin = foot(step * 1.2 - 0.02)
        canvas.line([at(side * .035, .5), at(step * .5 + bend * (side > 0), .28), shin],
                    .085 * tall, legs.tinted(tint))
        canvas.line([shin, (shin[0] + facing * .07 * tall, shin[1] - .01, z)], .05 * tall,
                    Paint(DARK, 0.2, PERSON))
    canvas.polygon([at(-.115 + lean, .81), at(-.05 + lean, .845), at(.05 + lean, .845),
                    at(.115 + lean, .81), at(.09, .6), at(.1, .47), at(-.1, .47), at(-.09, .6)], top)
    if rng.random() < 0.3 and not hip:  # a coat or a skirt
        canvas.polygon([at(-.09, .55), at(.09, .55), at(.13, .33), at(-.13, .33)], top.tinted(.9))
    if rng.random() < 0.35:  # a bag, as cold as the air
        canvas.discs([at(-.13, .68)], [.09 * tall], [Paint(_pick(rng, CLOTHES), 0.13, PERSON)], 1.3)
    canvas.line([at(.1 + lean, .79), at(.13 + lean, .64), at(*reach)], .05 * tall, top.tinted(1.1))
    canvas.discs([at(*reach), at(lean, .86), at(lean * 1.2, .925)],
                 np.array((.028, .03, .062)) * tall, [skin] * 3, 1.15)
    canvas.discs([at(lean * 1.2 - .012, .95)], [.055 * tall],
                 [Paint(_pick(rng, (DARK, (.25, .15, .08), (.6, .6, .58))), skin.heat * .7, PERSON)],
                 .8)


def bike(canvas: Canvas, rng, x: float, z: float, yaw: float, ridden: bool):
    """A bicycle, seen from the side at yaw = ±90°, with a rider or parked."""
    metal = Paint(_pick(rng, CAR_COLOURS), rng.uniform(0.05, 0.13), BIKE)
    rubber = Paint(DARK, rng.uniform(0.1, 0.16), BIKE)
    corner = np.linspace(0, 2 * np.pi, 25)
    for hub in (-.52, .52):
        ring = np.c_[np.zeros(25), .34 + .33 * np.sin(corner), hub + .33 * np.cos(corner)]
        canvas.line(_placed(ring, x, z, yaw), .05, rubber)
        for spoke in (0, 4, 8):
            canvas.line(_placed(ring[[spoke, spoke + 12]], x, z, yaw), .008, metal)
    seat, crank, head, bars = (-.2, .9), (-.05, .32), (.38, .85), (.45, 1.02)
    for path in ((seat, crank, head, (-.17, .8)), ((-.52, .34), crank), ((-.52, .34), (-.17, .8)),
                 ((.52, .34), head, bars, (.33, 1.06))):
        canvas.line(_placed([(0, up, ahead) for ahead, up in path], x, z, yaw), .045, metal)
    canvas.line(_placed([(0, .93, -.32), (0, .93, -.08)], x, z, yaw), .08, rubber)
    canvas.shade(_placed([(-.1, 0, -.8), (.1, 0, -.8), (.1, 0, .8), (-.1, 0, .8)], x, z, yaw))
    if ridden:
        person(canvas, rng, x, z - 0.02, hip=0.95)


def cone(canvas: Canvas, rng, x: float, z: float):
    """A traffic cone, orange with white bands."""
    orange = Paint((0.9, 0.3, 0.08), rng.uniform(.06, .1), COLOUR_CONE)
    canvas.shade([(x - .3, 0, z - .2), (x + .3, 0, z - .2), (x + .3, 0, z + .2), (x - .3, 0, z + .2)])
    box(canvas, x, z - .18, (.4, .05, .36), orange.tinted(0.8))
    for low, high, paint in ((.05, .28, orange), (.28, .4, orange._replace(colour=WHITE)),
                             (.4, .52, orange), (.52, .6, orange._replace(colour=WHITE)),
                             (.6, .72, orange)):
        a, b = .17 - .19 * low, .17 - .19 * high
        canvas.polygon([(x - a, low, z), (x - b, high, z), (x + b, high, z), (x + a, low, z)], paint)
        canvas.polygon([(x + a * .3, low, z), (x + b * .3, high, z), (x + b, high, z),
                        (x + a, low, z)], paint.tinted(0.75))


def bump(canvas: Canvas, x0: float, x1: float, z: float):
    """A speed bump across the lane, striped in yellow and black."""
    edges = np.linspace(x0, x1, 15)
    for i, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        paint = Paint(SAFFRON if i % 2 else (.12, .12, .12), 0.075 + 0.01 * (i % 2), BUMP)
        canvas.polygon([(a, 0, z), (a, .06, z + .15), (b, .06, z + .15), (b, 0, z)],
                       paint.tinted(0.8))
        canvas.polygon([(a, .06, z + .15), (a, .03, z + .5), (b, .03, z + .5), (b, .06, z + .15)],
                       paint)


def guardrail(canvas: Canvas, rng, x: float, z0: float, z1: float):
    """A rail of pipes along the kerb."""
    paint = Paint(_pick(rng, (WHITE, STEEL, (.45, .3, .2))), rng.uniform(.05, .1), GUARDRAIL)
    posts = np.arange(z1, z0 - 0.1, -1.5)
    for far, near in zip(posts[:-1], posts[1:], strict=True):
        canvas.line([(x, 0, far), (x, .8, far)], .07, paint.tinted(.8))
        for rail in (.4, .75):
            canvas.line([(x, rail, far), (x, rail, near)], .07, paint)
    canvas.line([(x, 0, posts[-1]), (x, .8, posts[-1])], .08, paint)


def lamp_post(canvas: Canvas, rng, x: float, z: float, tint, night: bool):
    """A street lamp that reaches over the road; returns the (X, Y, Z) of its light."""
    tall, arm = rng.uniform(4.2, 6.0), -np.sign(x) * rng.uniform(0.5, 1.2)
    post = Paint((.25, .27, .27), .09)
    canvas.line([(x, 0, z), (x, tall, z), (x + arm, tall + .15, z)], .12, post)
    light = (x + arm, tall + .1, z)
    canvas.discs([light], [.26], [Paint(tint, .11, glow=1.0 * night)], .6)
    return light


def sign(canvas: Canvas, rng, x: float, z: float):
    """A traffic sign: seen in the visible, lost in the infrared."""
    canvas.line([(x, 0, z), (x, 2.5, z)], .07, Paint(STEEL, .08))
    colour = _pick(rng, ((.75, .1, .1), (.1, .25, .65), (.1, .45, .25)))
    canvas.discs([(x, 2.4, z)] * 2, [.36, .27], [Paint(WHITE, .085), Paint(colour, .085)])
    canvas.line([(x - .15, 2.4, z), (x + .15, 2.4, z)], .09, Paint(WHITE, .085))


def tree(canvas: Canvas, rng, x: float, z: float, sun):
    """A tree with a crown of leaf clumps, lit from above."""
    tall, spread = rng.uniform(5.0, 9.0), rng.uniform(1.6, 3.0)
    bark = Paint((.22, .17, .12), rng.uniform(.09, .13), texture=WALL)
    fork = (x, tall * .5, z)
    canvas.line([(x, 0, z), fork], .35, bark)
    for lean in (-.5, .1, .6):
        canvas.line([fork, (x + lean * spread, tall * .78, z)], .16, bark)
    count = int(np.clip(1600 / z, 40, 110))
    turn, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    across, up = radius * np.cos(turn), radius * np.sin(turn)
    order = np.argsort(up + rng.normal(0, .35, count))
    green = np.array(_pick(rng, GREENS)) * rng.uniform(.8, 1.2)
    heat = rng.uniform(.085, .13)
    centres = np.c_[x + spread * across, tall * .68 + tall * .3 * up, np.full(count, z)][order]
    light = np.clip(.75 + .4 * up[order] + rng.normal(0, .16, count), .25, 1.5)
    paints = [Paint(tuple(green * v), heat * (.92 + .12 * v), texture=FOLIAGE) for v in light]
    canvas.discs(centres, rng.uniform(.09, .26, count) * spread, paints, .85)
    ring = np.linspace(0, 2 * np.pi, 16)
    ragged = spread * rng.uniform(.7, 1.2, 16)
    canvas.shade(np.c_[x + sun[0] * tall * .6 + ragged * np.cos(ring), np.zeros(16),
                       np.maximum(z + sun[1] * tall * .6 + ragged * np.sin(ring), 1.5)])


def hedge(canvas: Canvas, rng, x: float, z0: float, z1: float):
    """A hedge along the pavement."""
    green = Paint(_pick(rng, GREENS[:3]), rng.uniform(.08, .11), texture=FOLIAGE)
    tall = rng.uniform(.6, 1.3)
    steps = np.arange(z1, z0, -0.8)
    for z in steps:
        canvas.polygon([(x, 0, z), (x, tall, z), (x, tall, z - .8), (x, 0, z - .8)],
                       green.tinted(rng.uniform(.55, .8)))
        canvas.discs([(x + np.sign(x) * .2, tall, z - .4)], [.42],
                     [green.tinted(rng.uniform(.9, 1.2))], .6)


def building(canvas: Canvas, rng, x: float, z0: float, z1: float, night: bool, sun):
    """A block of flats at X = x beside the road, its facade and its near end with windows."""
    tall = rng.integers(2, 7) * 3.1 + 0.8
    wall = Paint(_pick(rng, WALLS), rng.uniform(.085, .13), texture=WALL)
    lit = rng.uniform(.08, .45) if night else 0.0
    away = x + np.sign(x) * rng.uniform(8, 14)
    opening = rng.uniform(.45, .7), rng.uniform(.45, .62)
    _facade(canvas, rng, (x, z1), (x, z0), tall, wall.tinted(.75 + .2 * (sun[0] * x > 0)), lit,
            opening)
    _facade(canvas, rng, (away, z0), (x, z0), tall, wall.tinted(.95, .93), lit, opening)


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
            canvas.polygon(frame, wall.tinted(1.35, .9)._replace(texture=PLAIN))
            if on < lit:
                pane = Paint((1.0, .82 + .15 * hue, .5 + .4 * hue), .12, glow=.05 + .2 * level)
            else:
                grey = .12 + .3 * level * drawn
                pane = Paint((grey, grey * 1.08, grey * 1.15), .065 + .02 * drawn)
            canvas.polygon(quad(bay + margin + .06, bay + 1 - margin - .06, low + .1,
                                low + 3.1 * opening[1] - .1), pane)
    for y in np.arange(1, storeys + 1) * 3.1:
        canvas.polygon(quad(0, bays, y - .08, y + .12), wall.tinted(.7))
