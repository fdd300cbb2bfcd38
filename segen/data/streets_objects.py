"""Draw what stands in a street before its houses: cars, people, trees, hedges and signs."""

from segen.data.streets_drawing import CAR, CIRCLE, PEDESTRIAN, SIGN, VEGETATION, Stage
from segen.data.streets_layout import Thing
from segen.data.streets_weather import Colour, mix

# Bodies in profile, (length, height) in metres from the lower rear over the roof to the lower front. The pieces
# between the points are, in order: bumper, tail, boot, rear window, roof, windscreen, bonnet, grille, bumper.
PROFILES = {
    "saloon": [(0, 0.3), (0, 0.6), (0.06, 0.98), (0.72, 1.02), (1.35, 1.45), (2.6, 1.45), (3.3, 1.0), (4.3, 0.82),
               (4.45, 0.55), (4.42, 0.3)],
    "hatchback": [(0, 0.3), (0, 0.6), (0.05, 1.0), (0.1, 1.04), (0.55, 1.5), (2.2, 1.52), (2.95, 1.04), (3.75, 0.86),
                  (3.92, 0.55), (3.9, 0.3)],
    "estate": [(0, 0.3), (0, 0.6), (0.04, 1.0), (0.08, 1.04), (0.5, 1.5), (2.7, 1.5), (3.4, 1.02), (4.4, 0.84),
               (4.55, 0.55), (4.52, 0.3)],
    "suv": [(0, 0.4), (0, 0.72), (0.05, 1.12), (0.1, 1.18), (0.45, 1.72), (2.6, 1.75), (3.25, 1.2), (4.2, 1.06),
            (4.4, 0.7), (4.36, 0.4)],
    "van": [(0, 0.35), (0, 0.7), (0.02, 1.2), (0.04, 1.25), (0.14, 2.15), (3.5, 2.2), (4.3, 1.3), (4.9, 1.1),
            (5.1, 0.66), (5.08, 0.35)],
}  # fmt: skip
PAINTS = [
    (226, 226, 224), (40, 42, 46), (166, 170, 174), (104, 108, 114), (46, 74, 128), (164, 38, 36), (58, 96, 74),
    (196, 148, 52), (116, 62, 44), (104, 148, 178), (206, 198, 178), (84, 44, 66),
]  # fmt: skip
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
SIGNS = [(198, 40, 44), (36, 84, 160), (236, 190, 40), (34, 116, 84), (232, 232, 230)]


def car(stage: Stage, thing: Thing) -> None:
    """Draw a car: the faces of its body that look at us, lit each by its own slope."""
    profile, r = PROFILES[thing.style], thing.dice
    paint_ = mix(PAINTS[int(r[3] * len(PAINTS))], PAINTS[int(r[4] * len(PAINTS))], 0.25 * r[5])
    fx, fz = thing.across
    length, belt, top = profile[8][0], profile[3][1], profile[4][1]
    wide = 0.95 if thing.style == "van" else 0.86
    narrow = 0.06 if thing.style == "van" else 0.2
    sun = stage.sunlit(thing.x, thing.z)
    tall = stage.size(top, thing.z)

    def place(l: float, y: float, w: float) -> tuple[float, float, float]:
        l -= length / 2
        return thing.x + l * fx + w * fz, y, thing.z + l * fz - w * fx

    def width(y: float) -> float:
        return wide * (1 - narrow * max(0.0, y - belt) / (top - belt)) if y > belt else wide

    def spot(piece: int, a: float, b: float) -> tuple[int, int]:
        """A point on one piece of the hull: `a` across from left to right, `b` along the profile."""
        (l0, y0), (l1, y1) = profile[piece], profile[piece + 1]
        y = y0 + (y1 - y0) * b
        return stage.at(*place(l0 + (l1 - l0) * b, y, width(y) * (2 * a - 1)))

    def patch(piece: int, a0: float, a1: float, b0: float, b1: float, colour: Colour) -> None:
        corners = [spot(piece, a0, b0), spot(piece, a0, b1), spot(piece, a1, b1), spot(piece, a1, b0)]
        stage.paint(corners, colour, CAR)

    def shade(colour: Colour, l: float, y: float, w: float, glow: float = 0.0) -> Colour:
        facing = stage.facing(l * fx + w * fz, y, l * fz - w * fx) * sun
        return stage.tone(colour, thing.z, facing + 0.25 * max(0.0, y), glow)

    glass = mix((34, 40, 48), (60, 70, 80), r[6])
    rubber = stage.tone((30, 30, 32), thing.z, 0.1)
    # Which end and which side look at us.
    eye_x = stage.scene.ego - stage.scene.bend * thing.z**2 - thing.x
    ahead, aside = eye_x * fx - thing.z * fz, eye_x * fz + thing.z * fx
    end, side = (1 if ahead > 0 else -1), (1 if aside > 0 else -1)
    for w in (-wide, wide - 0.22):  # the wheels seen under the bumper
        l = length - 0.55 if end > 0 else 0.55
        corners = [place(l, 0, w), place(l, 0.4, w), place(l, 0.4, w + 0.22), place(l, 0, w + 0.22)]
        stage.paint([stage.at(*corner) for corner in corners], rubber, CAR)
    corners = [
        place(l, 0.14 + 0.3 * up, w) for l, w, up in ((0.3, -wide, 0), (0.3, -wide, 1), (0.3, wide, 1), (0.3, wide, 0))
    ]
    if end > 0:
        corners = [place(length - 0.3, y, w) for w, y in ((-wide, 0.14), (-wide, 0.44), (wide, 0.44), (wide, 0.14))]
    stage.paint([stage.at(*corner) for corner in corners], stage.tone((18, 18, 20), thing.z, 0), CAR)
    if abs(aside) > wide:
        _flank(stage, profile, place, width, side, shade, paint_, glass, tall, r)
    order = range(9) if end > 0 else range(8, -1, -1)
    for piece in order:
        (l0, y0), (l1, y1) = profile[piece], profile[piece + 1]
        run = ((l1 - l0) ** 2 + (y1 - y0) ** 2) ** 0.5
        nl, ny = -(y1 - y0) / run, (l1 - l0) / run
        _, _, _ = middle = place((l0 + l1) / 2, (y0 + y1) / 2, 0)
        look = (stage.scene.ego - stage.scene.bend * thing.z**2 - middle[0]) * nl * fx - middle[2] * nl * fz
        if look + (stage.scene.eye - middle[1]) * ny <= 0:
            continue
        hull = shade(paint_, nl, ny, 0)
        if piece in (0, 8):
            hull = mix(hull, rubber, 0.35)
        patch(piece, 0, 1, 0, 1, hull)
        if piece in (3, 5) and tall > 7:
            pane = mix(shade(glass, nl, ny, 0), stage.light.haze, 0.12 if stage.night else 0.22)
            patch(piece, 0.07, 0.93, 0.06, 0.94, pane)
            if tall > 22:
                patch(piece, 0.55, 0.86, 0.1, 0.9, mix(pane, stage.light.haze, 0.2))
    if tall > 6:
        _lights(stage, thing, patch, spot, end, tall, shade)


def _flank(stage, profile, place, width, side, shade, paint_, glass, tall, r) -> None:
    """Draw the side of a car: body, windows, wheels."""

    def outline(points: list) -> list:
        return [stage.at(*place(l, y, side * width(y))) for l, y in points]

    body = [profile[i] for i in (0, 1, 2, 3, 6, 7, 8, 9)]
    stage.paint(outline(body), shade(paint_, 0, 0, side), CAR)
    (l0, y0), (l1, y1), (l2, y2), (l3, y3) = profile[3:7]
    stage.paint(outline(profile[3:7]), shade(paint_, 0, 0.3, side * 0.95), CAR)
    if tall > 7:
        pane = mix(shade(glass, 0, 0.3, side), stage.light.haze, 0.15)
        room = [(l0 + 0.28, y0 + 0.05), (l1 + 0.12, y1 - 0.1), (l2 - 0.08, y2 - 0.1), (l3 - 0.3, y3 + 0.05)]
        if r[7] < 0.5 and y1 > 2:  # a closed van
            room[0], room[1] = (l2 - 1.0, y3 + 0.1), (l2 - 1.0, y2 - 0.2)
        stage.paint(outline(room), pane, CAR)
        if tall > 14:
            for l in ((l1 + l2) / 2, (l1 + l2) / 2 + 1.0):
                if room[1][0] < l < room[2][0]:
                    pillar = [(l - 0.05, y0), (l - 0.05, y1 - 0.05), (l + 0.05, y1 - 0.05), (l + 0.05, y0)]
                    stage.paint(outline(pillar), shade(paint_, 0, 0.3, side * 0.95), CAR)
        sill = [(profile[0][0] + 0.1, 0.3), (0.05, 0.48), (profile[8][0] - 0.1, 0.48), (profile[9][0] - 0.1, 0.3)]
        stage.paint(outline(sill), shade(mix(paint_, (20, 20, 20), 0.55), 0, 0, side), CAR)
    length, radius = profile[8][0], 0.34 if profile[4][1] < 1.6 else 0.4
    for hub in (0.78, length - 0.85):
        for scale, colour in ((1.2, (24, 24, 26)), (1.0, (38, 38, 40)), (0.62, (150, 152, 156)))[
            0 if tall > 14 else 1 :
        ]:
            rim = [(hub + radius * scale * a, radius + radius * scale * b) for a, b in CIRCLE]
            points = [(l, max(0.0, y)) for l, y in rim]
            stage.paint(outline(points), shade(colour, 0, 0.2, side), CAR)
        if tall <= 10:
            break


def _lights(stage, thing, patch, spot, end, tall, shade) -> None:
    """Draw lamps, number plate and bumper of the end that looks at us, and their glow when they are on."""
    on = stage.lit
    piece, low, high = (7, 0.3, 0.95) if end > 0 else (1, 0.35, 0.95)
    colour = (250, 246, 226) if end > 0 else (206, 34, 30)
    lamp = stage.tone(colour, thing.z, 0.5, 0.9 if on else 0.0)
    for a0, a1 in ((0.03, 0.22), (0.78, 0.97)):
        patch(piece, a0, a1, low, high, lamp)
    if tall > 12:
        plate = (232, 230, 220)
        if end > 0:
            patch(7, 0.26, 0.74, 0.15, 0.75, shade((34, 34, 38), 1, 0, 0))
            patch(8, 0.36, 0.64, 0.25, 0.6, shade(plate, 1, 0, 0))
        else:
            patch(1, 0.36, 0.64, 0.25, 0.6, shade(plate, -1, 0, 0))
            patch(0, 0.02, 0.98, 0.7, 1.0, shade((60, 60, 64), -1, 0, 0))
    if on:
        strong = 1.0 if stage.night else 0.35
        radius = stage.size(0.16 if end > 0 else 0.12, thing.z)
        glow = (250, 240, 205) if end > 0 else (235, 40, 28)
        glow = tuple(int(value * strong) for value in glow)
        for a in (0.12, 0.88):
            stage.lamps.append((*spot(piece, a, 0.6), radius, glow))


def person(stage: Stage, thing: Thing) -> None:
    """Draw somebody who walks: legs in stride, arms, clothes, head and hair, now and then a bag or an umbrella."""
    r, x, z = thing.dice, thing.x, thing.z
    k = thing.size[0] / 1.75
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
        limb((sign * spread * 0.7, 0.92), (knee, 0.48 + lift / 2), 0.095, 0.075, tone(bare, dim))
        limb((knee, 0.5 + lift / 2), (foot, 0.06 + lift), 0.075, 0.055, tone(bare, dim))
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
        fill([(s * broad * 0.25, 1.47), (s * broad, 1.42), (s * flare * 0.85, 1.1), (s * flare, hem), (s * flare * 0.3, hem)],
             tone(coat, 0.8))  # fmt: skip
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


def _blob(
    stage: Stage, x: float, y: float, z: float, rx: float, ry: float, r: list[float], k: int, colour: Colour
) -> None:
    """Fill one leafy clump with a ragged outline."""
    points = []
    for i, (a, b) in enumerate(CIRCLE):
        ragged = 0.82 + 0.3 * r[(k + i * 5) % len(r)]
        points.append(stage.at(x + rx * a * ragged, y + ry * b * ragged, z))
    stage.paint(points, colour, VEGETATION)


def tree(stage: Stage, thing: Thing) -> None:
    """Draw a tree: trunk, then leaves from the shaded inside to the lit outside."""
    r, x, z, style = thing.dice, thing.x, thing.z, thing.style
    h = thing.size[0]
    sun = stage.scene.sun
    side = 1 if sun[0] > 0 else -1
    lit = stage.sunlit(x, z) if abs(x) < 12 else 1.0
    leaf = LEAVES[style][int(r[0] * len(LEAVES[style]))]
    leaf = mix(leaf, (110, 120, 70), 0.3 * r[1])
    bark = mix((84, 66, 52), (120, 112, 104), r[2])
    pixels = stage.size(h, z)
    girth = 0.11 + 0.02 * h
    stage.face([(x - girth, 0, z), (x - girth * 0.7, h * 0.55, z), (x + girth * 0.7, h * 0.55, z), (x + girth, 0, z)],
               bark, z, 0.15, VEGETATION)  # fmt: skip
    if pixels > 30:
        stage.face([(x + side * girth * 0.2, 0, z), (x, h * 0.5, z), (x + side * girth * 0.7, h * 0.5, z),
                    (x + side * girth, 0, z)], mix(bark, (190, 176, 150), 0.35), z, 0.5 * lit, VEGETATION)  # fmt: skip
    shade = stage.tone(tuple(0.62 * c for c in leaf), z, 0.1)
    body = stage.tone(tuple(0.85 * c for c in leaf), z, 0.35 * lit)
    shine = stage.tone(mix(leaf, (236, 226, 120), 0.18), z, 0.85 * lit)
    if style == "fir":
        levels = 5 if pixels > 25 else 3
        for i in range(levels):
            y, w = h * (0.22 + 0.62 * i / levels), 0.30 * h * (1 - 0.8 * i / levels)
            tip = min(h * 1.08, y + h * 0.42)
            stage.paint(
                [stage.at(x - w, y, z), stage.at(x, tip, z), stage.at(x + w, y, z), stage.at(x, y - 0.1 * h, z)],
                shade,
                VEGETATION,
            )
            stage.paint([stage.at(x + side * w * 0.95, y, z), stage.at(x, tip, z), stage.at(x + side * w * 0.1, y, z)],
                        body if i % 2 else shine, VEGETATION)  # fmt: skip
        return
    wide, tall = (0.15 * h, 0.40 * h) if style == "tall" else (0.31 * h, 0.29 * h)
    centre = h * (0.62 if style == "tall" else 0.70)
    count = 5 if pixels > 14 else 2
    for i in range(count):
        a, b = CIRCLE[(i * 12 // count + int(12 * r[3])) % 12]
        _blob(stage, x + 0.5 * wide * a, centre + 0.45 * tall * b, z, wide * 0.72, tall * 0.68, r, i * 7, shade)
    for i in range(count + 2 if pixels > 14 else 2):
        a, b = CIRCLE[(i * 5 + int(12 * r[4])) % 12]
        reach = 0.25 + 0.4 * r[5 + i]
        _blob(
            stage,
            x + wide * (reach * a + 0.16 * side),
            centre + tall * (reach * b + 0.16),
            z,
            wide * 0.42,
            tall * 0.40,
            r,
            3 + i * 11,
            body,
        )
    if pixels > 14:
        for i in range(9 if pixels > 60 else 5):
            a, b = CIRCLE[(i * 7 + int(12 * r[6])) % 12]
            reach = 0.2 + 0.5 * r[20 + i]
            small = 0.14 + 0.12 * r[30 + i]
            _blob(
                stage,
                x + wide * (reach * a + 0.3 * side),
                centre + tall * (reach * b + 0.34),
                z,
                wide * small,
                tall * small,
                r,
                i * 13,
                shine,
            )
        if pixels > 60:
            for i in range(5):  # gaps of shade between the leaves
                a, b = CIRCLE[(i * 5 + int(12 * r[7])) % 12]
                reach = 0.3 + 0.5 * r[40 + i]
                _blob(
                    stage,
                    x + wide * (reach * a - 0.1 * side),
                    centre + tall * (reach * b - 0.1),
                    z,
                    wide * 0.10,
                    tall * 0.09,
                    r,
                    i * 17,
                    shade,
                )


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
        for i in range(6):
            place = z + (far - z) * (i + r[i]) / 6
            colour = stage.tone(mix(leaf, (150, 160, 80), 0.5 * r[7 - i]), place, 0.6 * r[i])
            _blob(stage, x, h * (0.3 + 0.62 * r[(i * 3) % 8]), place, 0.28, 0.13, r, i, colour)


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
        below = height / radius
        y = -1.45
        fill([(-0.75, y - 0.25), (-0.75, y + 0.25), (0.75, y + 0.25), (0.75, y - 0.25)], white)
        fill([(-0.5, y - 0.06), (-0.5, y + 0.06), (0.5, y + 0.06), (0.5, y - 0.06)], (60, 60, 62))
        del below
