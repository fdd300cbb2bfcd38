"""Draw a street: perspective, light and shadow on the ground, houses and the skyline.

Everything is a polygon of flat colour on one four-channel canvas whose fourth channel carries the label, so picture
and mask cannot disagree. The canvas is larger than the picture and is reduced once.
"""

from math import exp

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from segen.data.drawing.layout import FAR, Scene
from segen.data.drawing.weather import Colour, Light, mix, noise, sky

SKY, BUILDING, ROAD, PAVEMENT, VEGETATION, CAR, PEDESTRIAN, SIGN = range(8)
NEAR = 0.9  # metres: nothing is drawn nearer to the camera
# Twelve points of the unit circle, to six decimals, so that no library's sine decides a pixel.
CIRCLE = [
    (1.0, 0.0), (0.866025, 0.5), (0.5, 0.866025), (0.0, 1.0), (-0.5, 0.866025), (-0.866025, 0.5),
    (-1.0, 0.0), (-0.866025, -0.5), (-0.5, -0.866025), (0.0, -1.0), (0.5, -0.866025), (0.866025, -0.5),
]  # fmt: skip
WALLS = [
    (178, 92, 70), (196, 168, 128), (214, 200, 176), (150, 140, 134), (188, 124, 88), (226, 214, 200),
    (164, 172, 168), (204, 178, 104), (132, 84, 72), (176, 190, 200), (120, 128, 140), (222, 184, 160),
]  # fmt: skip
ROOFS = [(150, 74, 56), (96, 84, 84), (112, 66, 56), (84, 92, 104)]
GRASS = [(104, 140, 66), (88, 128, 60), (126, 146, 76)]


class Stage:
    """A canvas with a camera before it: projects points in metres and paints faces in the scene's light."""

    def __init__(self, scene: Scene, light: Light, height: int, width: int, scale: int):
        self.scene, self.light, self.scale = scene, light, scale
        self.height, self.width = height * scale, width * scale
        self.unit = (height * width) ** 0.5 * scale
        self.focal = scene.focal * self.unit
        self.column = self.width / 2 + scene.pan * self.unit
        self.row = self.height / 2 + scene.horizon * self.unit
        self.lamps: list[tuple] = []  # (column, row, radius, colour, ink), in pixels of the canvas
        self.night = light.weather == "night"
        self.lit = light.weather != "clear"  # lamps and headlights are on
        self.shades: list[tuple] = []  # houses that shade the street: (x, near z, far z, height)
        self.canvas = Image.new("RGBA", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.canvas)

    def at(self, x: float, y: float, z: float) -> tuple[int, int]:
        """Return the canvas's column and row of a point, in whole pixels."""
        z = z if z > NEAR else NEAR
        s = self.focal / z
        column = self.column + s * (x - self.scene.ego + self.scene.bend * z * z)
        row = self.row - s * (y - self.scene.eye)
        return int(column + 65536.5) - 65536, int(row + 65536.5) - 65536

    def size(self, metres: float, z: float) -> float:
        """Return how many pixels of the canvas something of that size at `z` takes."""
        return self.focal * metres / max(z, NEAR)

    def tone(self, colour: Colour, z: float, facing: float = 0.5, glow: float = 0.0) -> Colour:
        """Return `colour` as seen at distance `z`: lit by the sun as far as it faces it, and veiled by haze."""
        light = self.light
        clear = exp(-light.density * z)
        beam = 0.75 / (1 + (z / 9) ** 2) if self.night else 0.0
        (ar, ag, ab), (sr, sg, sb), (hr, hg, hb) = light.ambient, light.sun, light.haze
        ar, ag, ab = ar + facing * sr + beam, ag + facing * sg + beam, ab + facing * sb + beam
        if glow:
            ar, ag, ab = ar + (1 - ar) * glow, ag + (1 - ag) * glow, ab + (1 - ab) * glow
        r = hr + (colour[0] * ar - hr) * clear
        g = hg + (colour[1] * ag - hg) * clear
        b = hb + (colour[2] * ab - hb) * clear
        return r if r < 255 else 255, g if g < 255 else 255, b if b < 255 else 255

    def paint(self, points: list, colour: Colour, label: int) -> None:
        """Fill a polygon of canvas points with a finished colour."""
        self.draw.polygon(points, (int(colour[0]), int(colour[1]), int(colour[2]), label))

    def face(self, corners: list, colour: Colour, z: float, facing: float, label: int) -> None:
        """Fill a polygon of points in metres, lit and veiled."""
        at = self.at
        self.paint([at(*corner) for corner in corners], self.tone(colour, z, facing), label)

    def facing(self, x: float, y: float, z: float) -> float:
        """Return how far a unit normal faces the sun, 0 to 1."""
        sun = self.scene.sun
        return max(0.0, x * sun[0] + y * sun[1] + z * sun[2])

    def sunlit(self, x: float, z: float) -> float:
        """Return 1 where the ground at (x, z) is in the sun, 0.25 where a house shades it."""
        sx, sy, sz = self.scene.sun
        for wall, near, far, height in self.shades:
            share = (wall - x) * sy / (sx * height)  # how high on the house's wall the sun's ray passes
            if 0 < share < 1 and near < z + share * height * sz / sy < far:
                return 0.25
        return 1.0

    def glowing(self) -> list[tuple]:
        """Return the lamps that nothing hides, (column, row, radius, colour) in pixels of the picture."""
        k, seen = self.scale, []
        for column, row, radius, colour, ink in self.lamps:
            inside = 0 <= column < self.width and 0 <= row < self.height
            if inside and self.canvas.getpixel((column, row)) == ink:
                seen.append((column / k, row / k, radius / k, colour))
        return seen

    def picture(self) -> tuple[Image.Image, np.ndarray]:
        """Return the canvas at the picture's size, RGB, and the labels at the pixels' centres, uint8 [H, W]."""
        half = self.scale // 2
        labels = np.asarray(self.canvas.getchannel(3))[half :: self.scale, half :: self.scale].copy()
        return self.canvas.convert("RGB").reduce(self.scale), labels


def backdrop(stage: Stage) -> None:
    """Paint the sky, and the houses and trees of the far end of the town."""
    scene, r = stage.scene, stage.scene.dice
    # A sky is soft: it is computed small, only above the horizon, and made large.
    shrink, low = 72 / max(stage.height, stage.width), min(stage.height, max(1, int(stage.row) + 2))
    small = (max(4, round(low * shrink)), max(8, round(stage.width * shrink)))
    heaven = sky(scene, stage.light, *small, scene.horizon + stage.height / 2 / stage.unit, stage.unit * shrink)
    heaven = heaven.resize((stage.width, low), Image.Resampling.BILINEAR)
    heaven.putalpha(SKY)
    stage.canvas.paste(heaven)
    x = -200.0
    for i in range(26):
        tall = (i * 7 + int(31 * r[12])) % 13 / 13
        wide = 10 + 14 * ((i * 5 + int(17 * r[13])) % 7) / 7
        colour = WALLS[(i * 3 + int(9 * r[14])) % len(WALLS)]
        z = FAR + 30 * tall
        top = 5 + 26 * tall * tall
        if stage.at(x + 1.2 * wide, 0, z)[0] < 0 or stage.at(x, 0, z)[0] > stage.width:
            x += wide
            continue
        if tall < 0.4:
            stage.face([(x, 0, z), (x + wide * 0.2, 5, z), (x + wide * 0.5, 8 + 6 * tall, z), (x + wide, 6, z),
                        (x + wide * 1.2, 0, z)], (86, 112, 70), z, 0.4, VEGETATION)  # fmt: skip
        else:
            corners = [(x, 0, z), (x, top, z), (x + wide, top, z), (x + wide, 0, z)]
            stage.face(corners, colour, z, 0.3 + stage.facing(0, 0, -1), BUILDING)
        x += wide


def _strip(stage: Stage, left: float, right: float, near: float, far: float) -> list:
    """Return the canvas polygon of a piece of ground between two lines along the street."""
    steps = [near, *(z for z in (2, 4, 7, 11, 17, 26, 40, 65, 100) if near < z < far), far]
    if not stage.scene.bend:
        steps = [near, far]
    return [stage.at(left, 0, z) for z in steps] + [stage.at(right, 0, z) for z in reversed(steps)]


def ground(stage: Stage) -> None:
    """Paint road, pavements, verges and markings, then the texture, the shadows and the light that lie on them."""
    scene, r = stage.scene, stage.scene.dice
    grass = GRASS[int(r[15] * 3)]
    wide, half, walk = 400.0, scene.half, scene.walk
    asphalt = mix((92, 92, 96), (134, 128, 124), r[16])
    slabs = ((176, 168, 158), (158, 156, 156), (178, 150, 134), (196, 188, 172))[int(r[17] * 4)]
    stop = scene.end if scene.end < FAR else FAR + 60
    paint = stage.paint
    paint([(0, int(stage.row)), (stage.width, int(stage.row)), (stage.width, stage.height), (0, stage.height)],
          grass, VEGETATION)  # fmt: skip
    for side, (start, last) in zip((-1, 1), scene.gaps, strict=True):
        if last:  # the side street, between its own pavements
            paint(_strip(stage, side * half, side * wide, start - walk, last + walk), slabs, PAVEMENT)
    if scene.end < FAR:
        paint(_strip(stage, -wide, wide, stop - 10 - walk, stop + walk), slabs, PAVEMENT)
        paint(_strip(stage, -wide, wide, stop - 10, stop), asphalt, ROAD)
    kerb = mix(slabs, (225, 222, 216), 0.5)
    for side, (start, last) in zip((-1, 1), scene.gaps, strict=True):
        inner = half + scene.verge
        end = stop - 10 if scene.end < FAR else stop
        for a, b in ((NEAR, start - walk), (last + walk, end)) if last else ((NEAR, end),):
            if scene.verge:
                paint(_strip(stage, side * half, side * inner, a, b), mix(grass, (70, 110, 40), 0.3), VEGETATION)
            paint(_strip(stage, side * inner, side * (inner + walk), a, b), slabs, PAVEMENT)
            paint(_strip(stage, side * half, side * (half + 0.16), a, b), kerb, PAVEMENT)
        if last:
            paint(_strip(stage, side * half * 0.98, side * wide, start, last), asphalt, ROAD)
    paint(_strip(stage, -half, half, NEAR, stop - 1 if scene.end < FAR else stop), asphalt, ROAD)
    _markings(stage, asphalt)
    _lay_light(stage)


def _markings(stage: Stage, asphalt: Colour) -> None:
    """Paint gutters, lane lines, the zebra crossing, stop lines, and a few patches and covers in the asphalt."""
    scene, r = stage.scene, stage.scene.dice
    half, paint = scene.half, stage.paint
    stop = scene.end - 11 if scene.end < FAR else FAR
    white = mix((236, 234, 228), asphalt, 0.1 + 0.25 * r[18])
    line = mix((232, 186, 60), asphalt, 0.1) if scene.marking == "yellow" else white
    for side in (-1, 1):
        paint(_strip(stage, side * (half - 0.28), side * half, NEAR, stop), mix(asphalt, (60, 58, 58), 0.45), ROAD)
    for i in range(3):
        x, z = half * (1.4 * r[19 + i] - 0.8), 4 + 18 * r[22 - i] - scene.driven
        colour = mix(asphalt, (40, 40, 44) if i else (190, 186, 180), 0.25)
        paint(_strip(stage, x, x + 0.9 + r[20], z, z + 1 + 3 * r[21]), colour, ROAD)
    x, z = half * (r[23] - 0.5), 5 + 5 * r[24] - scene.driven
    cover = [(x + 0.34 * a, 0, z + 0.34 * b) for a, b in CIRCLE]
    paint([stage.at(*point) for point in cover], mix(asphalt, (50, 48, 50), 0.6), ROAD)
    busy = [(start - 1, last + 1) for start, last in scene.gaps if last]
    if scene.zebra:
        busy.append((scene.zebra - 1.6, scene.zebra + 3.6))
    if scene.marking == "double":
        for x in (-0.16, 0.08):
            paint(_strip(stage, x, x + 0.1, NEAR, stop), line, ROAD)
        for a, b in busy:
            paint(_strip(stage, -0.2, 0.2, a, b), asphalt, ROAD)
    elif scene.marking != "none":
        z = 1 + 4 * r[25] - scene.driven % 5.5
        while z < min(stop, 90):
            if not any(a < z + 2.4 and z < b for a, b in busy):
                paint(_strip(stage, -0.08, 0.08, z, z + 2.4), line, ROAD)
            z += 5.5
    if scene.zebra:
        near = scene.zebra
        count = int(2 * half / 0.95)
        for i in range(count):
            x = -half + (i + 0.25) * 2 * half / count
            corners = [(x, 0, near), (x, 0, near + 2.8), (x + 0.48, 0, near + 2.8), (x + 0.48, 0, near)]
            paint([stage.at(*corner) for corner in corners], white, ROAD)
        lane = (0.0, scene.hand * half)
        paint(_strip(stage, min(lane) + 0.1, max(lane) - 0.3, near - 1.3, near - 0.95), white, ROAD)


def _lay_light(stage: Stage) -> None:
    """Multiply the ground by its texture, its shadows and the lamps' light, and veil it by haze."""
    scene, light, r = stage.scene, stage.light, stage.scene.dice
    step = stage.scale  # the light is computed for each pixel of the picture, not of the canvas
    top = max(0, int(stage.row) // step * step)
    if top >= stage.height:
        return
    canvas = np.asarray(stage.canvas)[top:]
    labels = canvas[::step, ::step, 3]
    height, width = labels.shape
    v = ((np.arange(height, dtype=np.float32)[:, None] + 0.5) * step + top) - np.float32(stage.row)
    z = np.float32(stage.focal * scene.eye) / np.maximum(v, step / 4)
    u = (np.arange(width, dtype=np.float32)[None, :] + 0.5) * step - np.float32(stage.column)
    x = u * z / np.float32(stage.focal) + np.float32(scene.ego) - np.float32(scene.bend) * z * z
    texture, near = noise(), 1 / (1 + (z / 9) ** 2)
    zi, shift = z + np.float32(256 * r[26] + scene.driven), np.float32(100 + 99 * r[27])
    grain = texture[(zi * 26).astype(np.int32) & 255, ((x + shift) * 34).astype(np.int32) & 255]
    patch = texture[(zi * 1.7).astype(np.int32) & 255, ((x + shift) * 5).astype(np.int32) & 255]
    factor = 1 + grain * (0.07 * near) + patch * (0.045 / (1 + z / 40))
    lane = np.abs(np.abs(x) - scene.half / 2)
    factor -= 0.07 * (np.abs(lane - 0.75) < 0.28) * (labels == ROAD)  # where the wheels run
    joint = ((x + 100) % 0.6 < 0.05) | ((z + np.float32(scene.driven % 0.9)) % 0.9 < 0.06)
    factor -= 0.16 * joint * near * (labels == PAVEMENT)
    factor += 0.10 * grain * (labels == VEGETATION)
    shade = np.asarray(_shadows(stage, top, height, width), dtype=np.float32) / 255
    dark = min(1.0, light.shadow * 1.6)
    sun = scene.sun[1]
    beam = 0.0
    if stage.night:
        beam = 0.95 / (1 + (z / 8) ** 2) * np.clip(1.25 - np.abs(x - scene.ego) / (1.2 + 0.35 * z), 0.05, 1)
        beam = beam + _pools(stage, x, z)
    # In whole numbers, 128 meaning 1, since the canvas is large; the label's channel is multiplied by 1.
    times = np.full((height, width, 4), 128, np.uint8)
    clear = np.exp(-light.density * np.minimum(z, 500))
    for c in range(3):
        tint = (1.04, 1.0, 0.86)[c]
        shine = light.ambient[c] + beam * tint
        if light.shadow:
            shine = (shine + light.sun[c] * sun * (1 - dark * shade)) * (1 - 0.12 * shade)
        else:
            shine = (shine + light.sun[c]) * (1 - 0.45 * shade)
        times[..., c] = np.minimum(factor * shine * (128 * clear), 255)
    veil = np.zeros((height, 1, 4), np.uint16)
    veil[..., :3] = (1 - clear)[..., None] * np.array(light.haze, np.float32)
    times = np.repeat(np.repeat(times, step, 0), step, 1)
    lit = (canvas * times.astype(np.uint16) >> 7) + np.repeat(veil, step, 0)
    stage.canvas.paste(Image.fromarray(np.minimum(lit, 255).astype(np.uint8)), (0, top))


def _pools(stage: Stage, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the light that the street's lamps throw on the ground, a row of pools."""
    scene = stage.scene
    along = (z + 11 * scene.dice[28] + scene.driven) % 11 - 5.5
    across = np.abs(x) - scene.half - 0.5
    return 0.55 * np.exp(-(along**2) / 9 - across**2 / 10)


def _shadows(stage: Stage, top: int, height: int, width: int) -> Image.Image:
    """Return the shadows on the ground, soft, as grey levels at the picture's size."""
    mask = Image.new("L", (stage.width // 4 + 1, (stage.height - top) // 4 + 1))
    draw = ImageDraw.Draw(mask)
    sx, sy, sz = stage.scene.sun
    dx, dz = -sx / sy, -sz / sy
    strong = stage.light.shadow > 0

    def sweep(points: list, level: int) -> None:
        flat = [stage.at(x, 0, z) for x, z in points]
        draw.polygon([(c // 4, (v - top) // 4) for c, v in flat], fill=level)

    things = stage.scene.things
    if strong:
        for thing in things:
            if thing.kind == "house" and thing.x * sx > 0 and thing.z < 60:
                far, floors, depth = thing.size[:3]
                h, a, b = 3.0 * floors + 0.6, max(thing.z, NEAR), far
                x, back = thing.x, thing.x + depth * (1 if thing.x > 0 else -1)
                sweep([(x, a), (x, b), (x + dx * h, b + dz * h), (x + dx * h, a + dz * h)], 215)
                for end in (a, b):
                    sweep([(x, end), (back, end), (back + dx * h, end + dz * h), (x + dx * h, end + dz * h)], 215)
                stage.shades.append((x, a, b, h))
    for thing in things:
        x, z = thing.x, thing.z
        if thing.kind == "car" and z < 45:
            w, long = (2.2, 1.0) if thing.across[0] ** 2 > 0.5 else (1.0, 2.3)
            for lift in (0.0, 0.7, 1.25) if strong else (0.0,):
                a, b = x + dx * lift, z + dz * lift
                sweep([(a - w, b - long), (a + w, b - long), (a + w, b + long), (a - w, b + long)], 250)
        elif thing.kind == "person" and z < 30:
            h = thing.size[0]
            if strong:
                sweep(
                    [(x - 0.2, z), (x + 0.2, z), (x + 0.16 + dx * h, z + dz * h), (x - 0.16 + dx * h, z + dz * h)], 225
                )
            sweep([(x - 0.3, z - 0.2), (x + 0.3, z - 0.2), (x + 0.3, z + 0.2), (x - 0.3, z + 0.2)], 150)
        elif thing.kind == "sign" and strong:
            h = thing.size[1] + 0.5
            a, b = x + dx * h, z + dz * h
            sweep([(x - 0.07, z), (x + 0.07, z), (a + 0.07, b), (a - 0.07, b)], 200)
            sweep([(a + 0.4 * p, b + 0.4 * q) for p, q in CIRCLE], 210)
        elif thing.kind == "tree" and z < 50:
            h = thing.size[0]
            k = 0.62 if strong else 0.0
            wide = 0.3 * h if strong else 0.2 * h
            a, b = x + dx * h * k, z + dz * h * k
            sweep([(a + wide * p, b + wide * q) for p, q in CIRCLE], 190 if strong else 70)
            if strong:
                sweep([(x - 0.12, z), (x + 0.12, z), (a + 0.12, b), (a - 0.12, b)], 200)
        elif thing.kind == "hedge" and strong:
            far, h = thing.size
            sweep([(x, z), (x, far), (x + dx * h, far + dz * h), (x + dx * h, z + dz * h)], 190)
    soft = mask.filter(ImageFilter.GaussianBlur(max(0.5, stage.unit / 420)))
    box = (0, 0, stage.width / 4, (stage.height - top) / 4)
    return soft.resize((width, height), Image.Resampling.BILINEAR, box)
