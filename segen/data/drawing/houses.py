"""Draw the houses of a street: walls, windows, shopfronts, roofs, with less detail the farther they are."""

from segen.data.drawing.layout import Thing
from segen.data.drawing.stage import BUILDING, NEAR, ROOFS, WALLS, Stage
from segen.data.drawing.weather import Colour, mix

STOREY = 3.0  # metres
SHOPS = [(150, 40, 44), (32, 84, 92), (44, 66, 120), (88, 116, 60), (60, 56, 60), (190, 120, 40), (120, 60, 110)]


def house(stage: Stage, thing: Thing) -> None:
    """Draw a house beside the street: the gable that looks at us, the roof, and the front along the street."""
    last, floors, depth, x, shop, touching = thing.size
    r = thing.dice
    near, side = max(thing.z, NEAR + 0.1), 1 if x > 0 else -1
    back, top = x + side * depth, floors * STOREY + 0.5
    wall = mix(WALLS[int(r[5] * len(WALLS))], (150, 146, 140), 0.3 * r[6])
    roof = ROOFS[int(r[7] * len(ROOFS))]
    pitched = r[8] < 0.55 and depth < 20
    ridge = top + 2.6 + r[9]
    gable = stage.facing(0, 0, -1)
    front = stage.facing(-side, 0, 0)
    middle = (x + (x + side * min(depth, 11.0))) / 2
    if thing.z > NEAR + 0.5:
        if pitched:
            stage.face([(x, top, near), (middle, ridge, near), (back, top, near)], wall, near, gable, BUILDING)
        if touching:  # a blind wall, seen above the house before it
            stage.face([(x, 0, near), (x, top, near), (back, top, near), (back, 0, near)], wall, near, gable, BUILDING)
        else:
            _wall(stage, (x, near), (back, near), top, wall, gable, r, False)
    if pitched:
        slope = stage.facing(-side * 0.6, 0.8, 0)
        eave = x - side * 0.35
        stage.face([(eave, top - 0.15, near), (eave, top - 0.15, last), (middle, ridge, last), (middle, ridge, near)],
                   roof, (near + last) / 2, slope, BUILDING)  # fmt: skip
        if r[10] < 0.5:
            z = near + (last - near) * 0.6
            _box(stage, middle, z, ridge - 0.8, ridge + 0.9, mix(roof, (120, 70, 60), 0.5))
    _wall(stage, (x, near), (x, last), top, wall, front, r, bool(shop))


def terrace(stage: Stage, thing: Thing) -> None:
    """Draw a house that looks at us across the street's end."""
    right, floors, _, _, shop = thing.size
    r, z = thing.dice, thing.z
    top = floors * STOREY + 0.5
    wall = mix(WALLS[int(r[5] * len(WALLS))], (150, 146, 140), 0.3 * r[6])
    if r[8] < 0.6:
        corners = [(thing.x, top, z), (thing.x + 1.2, top + 2.4, z), (right - 1.2, top + 2.4, z), (right, top, z)]
        stage.face(corners, ROOFS[int(r[7] * len(ROOFS))], z, stage.facing(0, 0.8, -0.6), BUILDING)
    _wall(stage, (thing.x, z), (right, z), top, wall, stage.facing(0, 0, -1), r, bool(shop))


def _box(stage: Stage, x: float, z: float, low: float, high: float, colour: Colour) -> None:
    corners = [(x - 0.4, low, z), (x - 0.4, high, z), (x + 0.4, high, z), (x + 0.4, low, z)]
    stage.face(corners, colour, z, stage.facing(0, 0, -1), BUILDING)


def _wall(
    stage: Stage, a: tuple, b: tuple, top: float, wall: Colour, facing: float, r: list[float], shop: bool
) -> None:
    """Draw one wall from `a` to `b`, each (x, z), with windows as fine as its size on the canvas deserves."""
    (xa, za), (xb, zb) = a, b
    length = abs(xb - xa) + abs(zb - za)
    (left, _), (right, _) = stage.at(xa, 0, za), stage.at(xb, 0, zb)
    if max(left, right) < 0 or min(left, right) > stage.width:
        return
    middle = (za + zb) / 2 if za != zb else za
    floors = int(top / STOREY)
    columns = max(1, int(length / (2.3 + 1.2 * r[11])))
    pixels = abs(right - left) / columns
    at, tone, paint = stage.at, stage.tone, stage.paint

    focal, row, eye = stage.focal, stage.row + 65536.5, stage.scene.eye
    edges: dict[float, tuple[int, float]] = {}  # a share of the wall's length to its column and scale

    def across(s: float) -> tuple[float, float]:
        return xa + (xb - xa) * s, za + (zb - za) * s

    def edge(s: float) -> tuple[int, float]:
        if s not in edges:
            x, z = across(s)
            edges[s] = at(x, 0, z)[0], focal / max(z, NEAR)
        return edges[s]

    def panel(s0: float, s1: float, y0: float, y1: float, colour: Colour) -> None:
        (u0, f0), (u1, f1) = edge(s0), edge(s1)
        y0, y1 = y0 - eye, y1 - eye
        paint(
            (
                (u0, int(row - f0 * y0) - 65536),
                (u0, int(row - f0 * y1) - 65536),
                (u1, int(row - f1 * y1) - 65536),
                (u1, int(row - f1 * y0) - 65536),
            ),
            colour,
            BUILDING,
        )

    # The wall in upright strips, each with the haze of its own distance.
    strips = columns if pixels > 12 and stage.light.density > 0.01 else 1 + (pixels > 12)
    for i in range(strips):
        z = za + (zb - za) * (i + 0.5) / strips
        panel(i / strips, (i + 1) / strips, 0, top, tone(wall, z, facing))
    trim = tone(mix(wall, (236, 230, 220), 0.55), middle, facing)
    if pixels > 5:
        panel(0, 1, top - 0.35, top, trim)
        panel(0, 1, 0, 0.5, tone(mix(wall, (52, 48, 46), 0.45), middle, facing))
    glass = mix((46, 56, 68), (86, 104, 122), r[12])
    pane = tone(glass, middle, 0.3)
    low, high = 0.95, 0.95 + 1.25 + 0.4 * r[13]
    margin = 0.2 + 0.1 * r[14]
    first = 1 if shop else 0
    if pixels < 17:
        if pixels < 3:
            return
        for floor in range(first, floors):
            panel(0.03, 0.97, floor * STOREY + low, floor * STOREY + high, pane)
        if pixels > 4:
            pier = tone(wall, middle, facing)
            for i in range(columns + 1):
                s = i / columns
                if not -20 < edge(s)[0] < stage.width + 20:
                    continue
                panel(max(0, s - margin / columns), min(1, s + margin / columns), first * STOREY, top - 0.4, pier)
        if stage.night:
            for i in range(2):
                floor, s = int(r[20 + i] * floors), int(r[22 + i] * columns) / columns
                y = floor * STOREY
                panel(s + margin / columns, s + (1 - margin) / columns, y + low, y + high, (230, 178, 92))
    else:
        _windows(stage, edge, across, panel, (xa, za, xb, zb), (first, floors, columns), (low, high, margin),
                 glass, trim, r, pixels)  # fmt: skip
    if shop:
        _shop(stage, across, panel, columns, r, pixels, facing)
    elif pixels > 5:
        s = (int(columns * r[16]) + 0.5) / columns
        door = tone(SHOPS[int(r[17] * len(SHOPS))], across(s)[1], facing)
        panel(s - 0.75 / length, s + 0.75 / length, 0, 2.5, trim)
        panel(s - 0.55 / length, s + 0.55 / length, 0, 2.3, door)


def _windows(stage, edge, across, panel, ends, counts, heights, glass, trim, r, pixels) -> None:
    """Draw windows one by one: frame, glass, the sky's reflection, and at night the light behind some."""
    first, floors, columns = counts
    low, high, margin = heights
    fine, tone = pixels > 28, stage.tone
    lit_share = 0.42 if stage.night else 0.06 if stage.lit else 0.0
    bright = mix(glass, stage.light.haze, 0.55)
    for i in range(columns):
        s0, s1 = (i + margin) / columns, (i + 1 - margin) / columns
        z = across((s0 + s1) / 2)[1]
        u0, u1 = edge(s0)[0], edge(s1)[0]
        if max(u0, u1) < 0 or min(u0, u1) > stage.width:
            continue
        bar = 0.06 * (s1 - s0)
        dark, sheen = tone(glass, z, 0.25), tone(bright, z, 0.4)
        for floor in range(first, floors):
            y = floor * STOREY
            number = r[18 + (i * 5 + floor * 7) % 20]
            lamp = (number * 7.3 + 0.37 * i + 0.61 * floor) % 1 < lit_share
            if fine:
                panel(s0 - bar * 2, s1 + bar * 2, y + low - 0.14, y + high + 0.1, trim)
            if lamp:
                glow = mix((255, 206, 120), (196, 132, 64), number)
                panel(s0, s1, y + low, y + high, tone(glow, z, 0, 0.92))
            else:
                panel(s0, s1, y + low, y + high, dark)
                share = 0.35 + 0.5 * number
                panel(s0, s1, y + low + (high - low) * share, y + high, sheen)
            if fine:
                half = (s0 + s1) / 2
                panel(half - bar, half + bar, y + low, y + high, trim)
            if fine and number < 0.25:  # a blind or a curtain
                blind = tone(mix((224, 214, 196), (170, 120, 100), r[19]), z, 0.3, 0.3 if lamp else 0.0)
                panel(s0, s1, y + high - (high - low) * (0.3 + number), y + high, blind)


def _shop(stage, across, panel, columns, r, pixels, facing) -> None:
    """Draw a shop on the ground floor: its window, its board, and perhaps an awning over the pavement."""
    z = across(0.5)[1]
    tone = stage.tone
    paint = SHOPS[int(r[15] * len(SHOPS))]
    inside = 0.85 if stage.night else 0.35 if stage.lit else 0.0
    panel(0.02, 0.98, 0, 3.0, tone(mix(paint, (40, 36, 34), 0.4), z, facing))
    glass = (236, 196, 130) if stage.lit else (66, 74, 82)
    panel(0.05, 0.95, 0.55, 2.35, tone(glass, z, 0.3, inside))
    if pixels > 8:
        if not stage.night:
            panel(0.05, 0.95, 1.5, 2.35, tone(mix((96, 110, 122), stage.light.haze, 0.3), z, 0.3, inside))
        for i in range(1, columns):
            s = i / columns
            panel(s - 0.05 / columns, s + 0.05 / columns, 0.3, 2.4, tone(mix(paint, (30, 30, 30), 0.3), z, facing))
    panel(0.01, 0.99, 2.4, 3.05, tone(paint, z, facing, inside * 0.4))
    if pixels > 8:
        panel(0.3, 0.7, 2.6, 2.85, tone((240, 232, 210), z, facing, inside * 0.4))
    (xa, za), (xb, zb) = across(0.04), across(0.96)
    if r[18] < 0.5 and xa == xb and pixels > 3:
        out = -1.3 if xa > 0 else 1.3
        count = 7 if pixels > 14 else 1
        for i in range(count):
            z0, z1 = za + (zb - za) * i / count, za + (zb - za) * (i + 1) / count
            cloth = (240, 234, 220) if i % 2 else paint
            corners = [(xa, 2.75, z0), (xa, 2.75, z1), (xa + out, 2.15, z1), (xa + out, 2.15, z0)]
            stage.face(corners, cloth, (z0 + z1) / 2, stage.facing(out * 0.3, 0.9, 0), BUILDING)
