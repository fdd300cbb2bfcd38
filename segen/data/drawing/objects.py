"""Draw what stands in a street before its houses: cars, people, trees, hedges and signs."""

from segen.data.drawing.layout import Thing
from segen.data.drawing.stage import CIRCLE, PEDESTRIAN, SIGN, VEGETATION, Stage
from segen.data.drawing.weather import Colour, mix

CLOTHES = [
    (176, 52, 48), (44, 66, 118), (56, 108, 78), (198, 160, 60), (60, 58, 64), (210, 206, 198), (120, 70, 120),
    (206, 116, 60), (96, 132, 160), (132, 96, 70), (46, 110, 124), (188, 120, 140),
]  # fmt: skip
TROUSERS = [(48, 56, 84), (56, 54, 56), (104, 92, 74), (70, 80, 102), (140, 126, 104), (84, 50, 48)]
SKINS = [(234, 190, 160), (214, 164, 128), (170, 116, 82), (116, 76, 54), (244, 204, 178)]
HAIRS = [(44, 32, 26), (90, 58, 34), (186, 146, 84), (30, 28, 30), (150, 146, 142), (130, 66, 36)]
LEAVES = {
    "round": [(78, 118, 48), (96, 128, 52), (66, 106, 56)],
    "tall": [(70, 104, 50), (84, 116, 60)],
    "fir": [(48, 84, 58), (54, 90, 52)],
    "autumn": [(186, 116, 44), (170, 140, 52), (160, 78, 44)],
    "blossom": [(214, 158, 170), (226, 196, 200)],
}
# Outlines of leafy clumps: the circle with ragged radii, in an order without pattern.
RAGGED = [
    [(a * (0.74 + 0.4 * (i * k % 11) / 10), b * (0.74 + 0.4 * (i * k % 11) / 10)) for i, (a, b) in enumerate(CIRCLE)]
    for k in (2, 3, 4, 5, 7, 8)
]
SIGNS = [(198, 40, 44), (36, 84, 160), (236, 190, 40), (34, 116, 84), (232, 232, 230)]


def person(stage: Stage, thing: Thing) -> None:
    """Draw somebody who walks: legs in stride, arms, clothes, head and hair, now and then a bag or an umbrella."""
    r, x, z = thing.dice, thing.x, thing.z
    k = thing.size[0] / 1.75
    if not -stage.size(1, z) < stage.at(x, 0, z)[0] < stage.width + stage.size(1, z):
        return
    way = thing.across[0] or (0.25 if r[2] < 0.5 else -0.25)  # which way they face in the picture
    profile, away = thing.across[0] != 0, thing.across[1] > 0
    sun, light = stage.sunlit(x, z), 1 if stage.scene.sun[0] > 0 else -1
    front = 0.25 + 0.5 * stage.facing(0, 0.3, -0.95)

    def tone(colour: Colour, dim: float = 1.0) -> Colour:
        return stage.tone(tuple(dim * value for value in colour), z, front * sun)

    def fill(points: list, colour: Colour) -> None:
        stage.paint([stage.at(x + s * k, y * k, z) for s, y in points], colour, PEDESTRIAN)

    def limb(a: tuple, b: tuple, wa: float, wb: float, colour: Colour) -> None:
        fill([(a[0] - wa, a[1]), (b[0] - wb, b[1]), (b[0] + wb, b[1]), (a[0] + wa, a[1])], colour)

    coat = mix(CLOTHES[int(r[3] * len(CLOTHES))], (110, 110, 110), 0.25 * r[4])
    leg = TROUSERS[int(r[5] * len(TROUSERS))]
    skin, hair = SKINS[int(r[6] * len(SKINS))], HAIRS[int(r[7] * len(HAIRS))]
    stride = (0.16 + 0.16 * r[8]) * (1 if profile else 0.25)
    swing = stride if r[9] < 0.5 else -stride
    bare = skin if r[10] < 0.15 else leg
    fine = stage.size(k * 1.75, z) > 26
    shoes = (46, 38, 36)
    spread = 0.03 if profile else 0.1
    arm = 0.19 if profile else 0.25
    near, far = tone(coat), tone(coat, 0.78)
    # The far arm and leg first, then the near ones.
    limb(
        (-spread * 0.5 if profile else arm - 0.02, 1.40),
        (-swing * 0.9 if profile else arm + 0.03, 0.88),
        0.05,
        0.045,
        far,
    )
    for sign, dim in ((-1, 0.74), (1, 1.0)):
        foot = sign * (swing if profile else spread) + (0 if profile else sign * 0.01)
        lift = 0.0 if profile else max(0.0, sign * swing) * 0.9
        knee = foot * 0.55 + way * 0.05
        limb((sign * spread * 0.7, 0.92), (knee, 0.48 + lift / 2), 0.105, 0.085, tone(bare, dim))
        limb((knee, 0.5 + lift / 2), (foot, 0.06 + lift), 0.085, 0.065, tone(bare, dim))
        if fine:
            toe = 0.1 * way
            fill([(foot - 0.06, lift), (foot - 0.06, 0.09 + lift), (foot + 0.05, 0.09 + lift),
                  (foot + 0.06 + toe, 0.03 + lift), (foot + 0.06 + toe, lift)], tone(shoes))  # fmt: skip
    hem = 0.46 if r[11] < 0.25 else 0.84
    broad = 0.16 if profile else 0.215
    flare = broad * (0.95 if hem > 0.5 else 1.05)
    fill([(-broad, 1.42), (-flare * 0.85, 1.1), (-flare, hem), (flare, hem), (flare * 0.85, 1.1), (broad, 1.42),
          (broad * 0.5, 1.5), (-broad * 0.5, 1.5)], near)  # fmt: skip
    if fine:  # the side away from the light
        s = -light
        shaded = [(0.25 * broad, 1.47), (broad, 1.42), (flare * 0.85, 1.1), (flare, hem), (flare * 0.3, hem)]
        fill([(s * a, b) for a, b in shaded], tone(coat, 0.8))
    place = swing * 0.9 if profile else -arm - 0.03
    limb((0.0 if profile else -arm + 0.02, 1.42), (place * 0.6, 1.12), 0.06, 0.05, tone(coat, 0.9))
    limb((place * 0.6, 1.14), (place, 0.88), 0.05, 0.045, tone(coat, 0.9))
    if fine:
        fill([(place + 0.05 * a, 0.85 + 0.06 * b) for a, b in CIRCLE[::2]], tone(skin))
    lean = 0.03 * way if profile else 0.0
    fill([(-0.05 + lean, 1.46), (-0.05 + lean, 1.56), (0.05 + lean, 1.56), (0.05 + lean, 1.46)], tone(skin, 0.8))
    fill([(lean + 0.105 * a, 1.635 + 0.125 * b) for a, b in CIRCLE], tone(hair if away else skin))
    back = -0.035 * (1 if way > 0 else -1) if profile else 0.0
    crown = [(lean + back + 0.115 * a, 1.66 + 0.115 * b) for a, b in CIRCLE if b > -0.1]
    if not away or profile:
        fill(crown if r[12] < 0.9 else crown[1:-1], tone(hair))
        if profile:
            fill([(lean + back * 3, 1.74), (lean + back * 3.2, 1.58), (lean + back, 1.56), (lean, 1.7)], tone(hair))
    if r[13] < 0.2:  # long hair
        fill(
            [(lean + back - 0.11, 1.7), (lean + back - 0.12, 1.42), (lean + back * 2, 1.4), (lean + back - 0.02, 1.68)],
            tone(hair),
        )
    if r[14] < 0.22:
        bag = tone(CLOTHES[int(r[15] * len(CLOTHES))], 0.8)
        if profile or away:
            s = -0.2 * way if profile else 0.0
            fill(
                [
                    (s - 0.13, 1.0),
                    (s - 0.14, 1.36),
                    (s - 0.08, 1.43),
                    (s + 0.08, 1.43),
                    (s + 0.14, 1.36),
                    (s + 0.13, 1.0),
                ],
                bag,
            )
    elif r[14] < 0.42:
        bag = tone(CLOTHES[int(r[15] * len(CLOTHES))], 0.85)
        fill([(place - 0.13, 0.5), (place - 0.11, 0.78), (place, 0.86), (place + 0.11, 0.78), (place + 0.13, 0.5)], bag)
    elif r[14] < 0.52:
        cloth = CLOTHES[int(r[16] * len(CLOTHES))]
        limb((0.12 * way, 1.1), (0.12 * way, 2.0), 0.014, 0.014, tone((60, 56, 54)))
        dome = [(0.12 * way + 0.55 * a, 1.86 + 0.32 * b) for a, b in CIRCLE if b >= 0]
        fill(dome, tone(cloth))
        fill(
            [dome[2], dome[3], (0.12 * way - 0.2 * light, 1.86), dome[-1] if light > 0 else dome[0]], tone(cloth, 0.78)
        )


def _blob(stage: Stage, centre: tuple, wide: float, tall: float, number: float, colour: Colour) -> None:
    """Fill one leafy clump about a point of the canvas, with one of the ragged outlines."""
    column, row = centre[0] + 65536.5, centre[1] + 65536.5
    outline = RAGGED[int(number * len(RAGGED))]
    points = [(int(column + wide * a) - 65536, int(row - tall * b) - 65536) for a, b in outline]
    stage.paint(points, colour, VEGETATION)


def tree(stage: Stage, thing: Thing) -> None:
    """Draw a tree: trunk, then leaves from the shaded inside to the lit outside."""
    r, x, z, style = thing.dice, thing.x, thing.z, thing.style
    h = thing.size[0]
    side = 1 if stage.scene.sun[0] > 0 else -1
    pixels = stage.size(h, z)
    column = stage.at(x, 0, z)[0]
    if column + pixels < 0 or column - pixels > stage.width:
        return
    lit = stage.sunlit(x, z) if abs(x) < 12 else 1.0
    leaf = mix(LEAVES[style][int(r[0] * len(LEAVES[style]))], (110, 120, 70), 0.25 * r[1])
    bark = mix((84, 66, 52), (120, 112, 104), r[2])
    girth = 0.09 + 0.018 * h
    for a, b, colour, facing in ((-1, 1, bark, 0.15), (0.2 * side, side, mix(bark, (190, 176, 150), 0.3), 0.6 * lit)):
        corners = [(x + a * girth, 0, z), (x + a * girth * 0.6, h * 0.6, z), (x + b * girth * 0.6, h * 0.6, z),
                   (x + b * girth, 0, z)]  # fmt: skip
        stage.face(corners, colour, z, facing, VEGETATION)
        if pixels < 30:
            break
    shade = stage.tone(tuple(0.60 * c for c in leaf), z, 0.15)
    body = stage.tone(tuple(0.86 * c for c in leaf), z, 0.45 * lit)
    shine = stage.tone(mix(leaf, (236, 226, 120), 0.14), z, 0.75 * lit)
    if style == "fir":
        _fir(stage, x, z, h, side, (shade, body, shine), 5 if pixels > 25 else 3)
        return
    wide, tall = (0.15 * pixels, 0.40 * pixels) if style == "tall" else (0.31 * pixels, 0.29 * pixels)
    cx, cy = stage.at(x, h * (0.62 if style == "tall" else 0.70), z)

    def clump(a: float, b: float, size: float, number: float, colour: Colour) -> None:
        _blob(stage, (cx + wide * a, cy - tall * b), wide * size, tall * size, number, colour)

    count = 5 if pixels > 50 else 3
    for i in range(count):
        a, b = CIRCLE[(i * 12 // count + int(12 * r[3])) % 12]
        clump(0.45 * a, 0.42 * b, 0.72, r[4 + i], shade)
    for i in range(count):
        a, b = CIRCLE[(i * 5 + int(12 * r[9])) % 12]
        reach = 0.2 + 0.45 * r[10 + i]
        clump(reach * a + 0.12 * side, reach * b + 0.14, 0.46, r[16 + i], body)
    if pixels < 24:
        return
    # Leaves catch the light on the side of the sun, and let the shade through on the other.
    bright, dim = mix(body, shine, 0.5), mix(shade, body, 0.45)
    for i in range(min(90, int(pixels / 8))):
        a, b = CIRCLE[(i * 7 + int(12 * r[22])) % 12]
        reach = 0.95 * r[(24 + i) % 64] ** 0.5
        small = (0.08 if pixels < 200 else 0.05) + 0.08 * r[(60 + i) % 64]
        light = reach * (a * side * 0.7 + b * 0.7) + 0.5 * (r[(41 + i) % 64] - 0.5)
        colour = shine if light > 0.35 else bright if light > 0.0 else body if light > -0.3 else dim
        clump(reach * a, reach * b + 0.02, small, r[(11 + i) % 64], colour)


def _fir(stage: Stage, x: float, z: float, h: float, side: int, tones: tuple, levels: int) -> None:
    shade, body, shine = tones
    for i in range(levels):
        y, w = h * (0.2 + 0.64 * i / levels), 0.27 * h * (1 - 0.8 * i / levels)
        top = stage.at(x, min(h * 1.08, y + h * 0.4), z)
        fringe = [
            stage.at(x + w * s, y - 0.04 * h * (k % 2), z)
            for k, s in enumerate((-1, -0.7, -0.4, -0.1, 0.2, 0.5, 0.75, 1))
        ]
        stage.paint([*fringe, top], shade, VEGETATION)
        lit = fringe[4:] if side > 0 else fringe[:4]
        stage.paint([*lit, top], body if i % 2 else mix(body, shine, 0.5), VEGETATION)


def hedge(stage: Stage, thing: Thing) -> None:
    """Draw a piece of hedge: its shaded flank, its lit top, and a ragged edge."""
    far, h = thing.size
    x, z, r = thing.x, thing.z, thing.dice
    side = 1 if x > 0 else -1
    leaf = mix((74, 104, 54), (110, 124, 66), 0.5)
    middle = (z + far) / 2
    flank = stage.facing(-side, 0, 0) * 0.7
    stage.face([(x, 0, z), (x, h, z), (x, h, far), (x, 0, far)], leaf, middle, flank, VEGETATION)
    stage.face(
        [(x, h, z), (x, h, far), (x + side * 0.8, h, far), (x + side * 0.8, h, z)], leaf, middle, 0.8, VEGETATION
    )
    stage.face([(x, 0, z), (x, h, z), (x + side * 0.8, h, z), (x + side * 0.8, 0, z)], leaf, z, 0.2, VEGETATION)
    if z < 30:
        count = 8 if stage.size(h, z) > 30 else 4
        for i in range(count):
            place = z + (far - z) * (i + r[i % 8]) / count
            colour = stage.tone(mix(leaf, (150, 160, 80), 0.5 * r[7 - i % 8]), place, 0.6 * r[i % 8])
            clump = stage.size(0.28, place)
            _blob(stage, stage.at(x, h * (0.35 + 0.6 * r[(i * 3) % 8]), place), clump, clump * 0.5, r[i % 8], colour)


def sign(stage: Stage, thing: Thing) -> None:
    """Draw a traffic sign: pole, plate with rim and glyph, sometimes a smaller plate below."""
    r, x, z = thing.dice, thing.x, thing.z
    radius, height = thing.size
    sun = stage.sunlit(x, z)
    front = (0.3 + 0.6 * stage.facing(0, 0, -1)) * sun
    thick = max(0.055, 0.55 / 64 * z / stage.scene.focal)  # at least about a pixel of a 64-pixel picture
    pole = (150, 152, 154)
    for a, b, facing in ((-thick, thick, 0.3), (-thick, 0.0, 0.7 if stage.scene.sun[0] < 0 else 0.05)):
        stage.face(
            [(x + a, 0, z), (x + a, height + 0.1, z), (x + b, height + 0.1, z), (x + b, 0, z)],
            pole,
            z,
            facing * sun,
            SIGN,
        )
    ink, white = SIGNS[int(r[3] * 4)], (240, 240, 238)
    outlines = {
        "disc": CIRCLE, "ring": CIRCLE, "triangle": [(-1.05, -0.8), (0, 1.0), (1.05, -0.8)],
        "diamond": [(-1.1, 0), (0, 1.1), (1.1, 0), (0, -1.1)],
        "square": [(-0.9, -0.9), (-0.9, 0.9), (0.9, 0.9), (0.9, -0.9)],
        "board": [(-1.5, -0.75), (-1.5, 0.75), (1.5, 0.75), (1.5, -0.75)],
    }  # fmt: skip
    rim, field, glyph = {
        "disc": (white, (40, 88, 168), white), "ring": ((200, 40, 44), white, (30, 30, 32)),
        "triangle": ((200, 40, 44), white, (30, 30, 32)), "diamond": (white, (238, 190, 44), (40, 38, 36)),
        "square": (white, (40, 88, 168), white), "board": (white, ink if ink != SIGNS[2] else SIGNS[3], white),
    }[thing.style]  # fmt: skip
    if thing.style == "ring" and r[4] < 0.3:
        rim, field, glyph = white, (196, 38, 42), white
    night = 0.35 if stage.night else 0.0  # plates throw back our own headlights

    def fill(points: list, colour: Colour, y: float = height) -> None:
        tone = stage.tone(colour, z, front, night)
        stage.paint([stage.at(x + radius * a, y + radius * b, z) for a, b in points], tone, SIGN)

    outline = outlines[thing.style]
    fill([(a * 1.06 + 0.04, b * 1.06 - 0.04) for a, b in outline], (96, 98, 102))
    fill(outline, rim)
    inner = 0.74 if rim != white else 0.86
    fill([(a * inner, b * inner - (0.06 if thing.style == "triangle" else 0)) for a, b in outline], field)
    low = -0.2 if thing.style == "triangle" else 0.0
    if r[5] < 0.3:
        fill(
            [(-0.12, low - 0.5), (-0.12, low), (-0.4, low), (0, low + 0.5), (0.4, low), (0.12, low), (0.12, low - 0.5)],
            glyph,
        )
    elif r[5] < 0.5:
        fill([(-0.5, low - 0.14), (-0.5, low + 0.14), (0.5, low + 0.14), (0.5, low - 0.14)], glyph)
    elif r[5] < 0.75:
        fill([(-0.1, low - 0.1), (-0.13, low + 0.5), (0.13, low + 0.5), (0.1, low - 0.1)], glyph)
        fill([(0.12 * a, low - 0.36 + 0.12 * b) for a, b in CIRCLE[::2]], glyph)
    else:
        fill([(0.13 * a, low + 0.38 + 0.13 * b) for a, b in CIRCLE[::2]], glyph)
        fill([(-0.16, low + 0.2), (-0.3, low - 0.5), (0.0, low - 0.15), (0.3, low - 0.5), (0.16, low + 0.2)], glyph)
    if r[6] < 0.25:
        y = -1.45
        fill([(-0.75, y - 0.25), (-0.75, y + 0.25), (0.75, y + 0.25), (0.75, y - 0.25)], white)
        fill([(-0.5, y - 0.06), (-0.5, y + 0.06), (0.5, y + 0.06), (0.5, y - 0.06)], (60, 60, 62))
