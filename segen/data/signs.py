"""RoadSigns: traffic signs of ten classes, drawn from a seed, for classifying and for generating."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch.utils.data import Dataset

from segen.data.common import as_image, check_choice, check_index, check_length
from segen.data.drawing.sign_faces import BLUE, CLASSES, METAL, RED, WHITE, YELLOW, box, faces

VIEWS = ("street", "plain")

FACES = faces()

# Skies as (zenith, horizon); the other palettes hold what a street has one of at a time.
SKIES = (
    ((74, 132, 206), (190, 216, 238)),
    ((110, 160, 214), (222, 230, 236)),
    ((150, 158, 168), (206, 208, 208)),
    ((176, 182, 190), (228, 226, 220)),
    ((96, 108, 152), (244, 190, 146)),
)
WALLS = ((186, 120, 92), (204, 180, 144), (150, 92, 76), (190, 190, 184), (126, 132, 140), (214, 200, 168))
LEAVES = ((58, 96, 44), (84, 120, 50), (44, 78, 50), (112, 134, 58), (150, 112, 48))
CARS = ((176, 34, 38), (40, 70, 130), (216, 218, 220), (52, 54, 60), (140, 146, 150), (60, 110, 90))


class RoadSigns(Dataset):
    """Road signs, drawn on the spot: pairs (image float32 `[3, size, size]` in [-1, 1], label int 0 to 9).

    The sign and its label are a function of `(seed, index)` alone, in any order, `length` or process, and the same
    in both views: `"street"` has perspective, weather, blur and clutter; `"plain"` is nearly frontal, before a
    soft gradient, for generating. Labels are drawn uniformly, each class 10 %; `.classes` names them. What was
    drawn is kept as uint8. Raises ValueError for a bad argument and IndexError beyond the end.
    """

    classes = CLASSES

    def __init__(self, length: int, *, size: int = 32, seed: int = 0, view: str = "street"):
        self.length = check_length(length, "RoadSigns")
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 16 <= size <= 512:
            raise ValueError(f"RoadSigns was given size={size!r}; give one whole number of pixels from 16 to 512.")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"RoadSigns was given seed={seed!r}; give a whole number, 0 or more.")
        self.size, self.seed, self.view = int(size), int(seed), check_choice(view, VIEWS, "view", "RoadSigns")
        self._drawn: dict[int, tuple[np.ndarray, int]] = {}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        index = check_index(index, self.length, "RoadSigns")
        if index not in self._drawn:
            self._drawn[index] = draw_sign(self.seed, index, self.size, self.view)
        pixels, label = self._drawn[index]
        return as_image(pixels), label

    def __getstate__(self) -> dict:
        # A worker process draws for itself: sending it the pictures would cost more than drawing them.
        return self.__dict__ | {"_drawn": {}}


def draw_sign(seed: int, index: int, size: int, view: str) -> tuple[np.ndarray, int]:
    """Draw sign `index` of `seed`: pixels uint8 `[size, size, 3]` and the label."""
    chance = Chance(seed, index)
    label = chance.below(len(CLASSES))
    face = FACES[label][chance.below(len(FACES[label]))]
    if view == "plain":
        background = gradient(chance, size)
        layer = sign_layer(chance, face, size, tilt=0.2, roll=0.06, radius=(0.34, 0.38), shift=0.2, leaves=0.0)
        light = Light(exposure=chance.between(0.88, 1.08), cast=0.02, shadow=0.0, haze=0.0, blur=0.0, noise=1.5)
    else:
        background = street(chance, size)
        layer = sign_layer(chance, face, size, tilt=0.7, roll=0.22, radius=(0.21, 0.4), shift=0.9, leaves=0.22)
        exposure = chance.between(0.55, 1.25)
        light = Light(
            exposure=exposure,
            cast=0.1,
            shadow=0.35,
            haze=max(0.0, chance.between(-0.5, 0.4)),
            blur=chance.between(0.0, 0.75) ** 1.5 * size / 32,
            noise=chance.between(1.0, 5.0) / exposure**0.5,  # a dark picture is a noisy one
        )
    return develop(chance, background, layer, light), label


class Chance:
    """Random numbers from the raw integers of PCG64, so that no version of NumPy changes a picture."""

    def __init__(self, seed: int, index: int):
        self.source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index,)))
        self.stock: list[float] = []

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        if not self.stock:  # raw integers are fetched in bulk: one at a time costs as much as a polygon
            self.stock = ((self.source.random_raw(256) >> np.uint64(11)) * 2.0**-53).tolist()
        return self.stock.pop()

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.unit()

    def below(self, n: int) -> int:
        """Return a whole number from 0 to n - 1."""
        return int(self.unit() * n)

    def of(self, choices):
        """Return one of `choices`."""
        return choices[self.below(len(choices))]

    def bytes(self, n: int) -> np.ndarray:
        """Return `n` whole numbers from 0 to 255, as float32."""
        raw = self.source.random_raw(-(-n // 8)).astype("<u8")
        return raw.view(np.uint8)[:n].astype(np.float32)


# ---- The sign, turned in space and drawn four times too large.


def sign_layer(
    chance: Chance,
    face: list,
    size: int,
    *,
    tilt: float,
    roll: float,
    radius: tuple[float, float],
    shift: float,
    leaves: float,
) -> np.ndarray:
    """Draw a sign on its pole: float32 `[size, size, 4]`, colours times coverage, and coverage, in 0 to 1.

    `tilt` and `roll` bound the angles in radians; `radius` and `shift` are shares of the picture's side;
    `leaves` is the chance that leaves hang over the edge of the sign.
    """
    side = size * 4
    yaw, pitch, lean = chance.between(-tilt, tilt), chance.between(-tilt, tilt) * 0.4, chance.between(-roll, roll)
    r = chance.between(*radius) * side
    room = shift * (side / 2 - r)
    centre = side / 2 + np.array([chance.between(-room, room), chance.between(-room, room)])
    (sy, cy), (sp, cp), (sr, cr) = ((math.sin(a), math.cos(a)) for a in (yaw, pitch, lean))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    rotation, distance = about_z @ about_x @ about_y, chance.between(3.2, 6.0)
    # Paint fades with the years: all pigments go some way towards grey.
    fade = chance.between(0.0, 0.22)

    def project(points: np.ndarray, depth: float) -> list[tuple[float, float]]:
        space = points @ rotation[:, :2].T + rotation[:, 2] * depth
        return list(map(tuple, (space[:, :2] * (r * distance / (distance + space[:, 2:])) + centre).tolist()))

    # The fourth channel is coverage: an image of mode RGBA would be weighted by it when it is reduced.
    canvas = Image.new("CMYK", (side, side))
    draw = ImageDraw.Draw(canvas)
    for left, right, grey in ((-0.075, 0.075, 92), (-0.06, 0.03, 138), (-0.045, -0.01, 182)):
        draw.polygon(project(box(left, 0.0, right, 5.0), 0.1), fill=(grey, grey, grey + 4, 255))
    draw.polygon(project(face[0][1], 0.09), fill=(70, 72, 76, 255))
    flat = project(np.concatenate([points for _, points in face]), 0.0)
    ends = np.cumsum([0] + [len(points) for _, points in face]).tolist()
    for (colour, _), (start, stop) in zip(face, pairwise(ends), strict=True):
        grey = sum(colour) / 3
        red, green, blue = (round(c + (grey - c) * fade) for c in colour)
        draw.polygon(flat[start:stop], fill=(red, green, blue, 255))
    if chance.unit() < leaves:
        hang_leaves(chance, draw, centre, r)
    return np.asarray(canvas.reduce(4), dtype=np.float32) / 255


def hang_leaves(chance: Chance, draw: ImageDraw.ImageDraw, centre: np.ndarray, r: float) -> None:
    """Draw a cluster of leaves over the edge of a sign; the middle stays free, so that it can be read."""
    angle, colour = chance.between(0, 2 * math.pi), chance.of(LEAVES)
    for _ in range(9):
        a, reach, leaf = angle + chance.between(-0.5, 0.5), chance.between(0.9, 1.4) * r, chance.between(0.1, 0.24) * r
        x, y, light = centre[0] + reach * math.cos(a), centre[1] + reach * math.sin(a), chance.between(0.6, 1.3)
        fill = (*(int(c * light) for c in colour), 255)
        draw.ellipse((x - leaf, y - leaf * 0.7, x + leaf, y + leaf * 0.7), fill=fill)


# ---- What stands behind the sign.


def gradient(chance: Chance, size: int) -> np.ndarray:
    """Return a soft gradient between two muted colours: float32 `[size, size, 3]` in 0 to 1."""
    base = chance.of(SKIES)[chance.below(2)]
    other = chance.of((*LEAVES, *WALLS, base))
    near, far = ((0.55 * np.array(c) + 62) / 255 for c in (base, other))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    share = np.clip(0.5 + (y - 0.5) + (x - 0.5) * chance.between(-0.6, 0.6), 0, 1)[:, :, None]
    return (near * (1 - share) + far * share).astype(np.float32)


def street(chance: Chance, size: int) -> np.ndarray:
    """Return a piece of a street, out of focus: float32 `[size, size, 3]` in 0 to 1."""
    side = size * 2
    zenith, low = chance.of(SKIES)
    horizon = chance.between(0.5, 1.05) * side
    canvas = Image.new("RGB", (1, 2))
    canvas.putpixel((0, 0), zenith)
    canvas.putpixel((0, 1), low)
    canvas = canvas.resize((side, side), Image.Resampling.BILINEAR, box=(0, 0.4, 1, 1.6))
    draw = ImageDraw.Draw(canvas)
    skyline(chance, draw, side, horizon, low)
    road = chance.between(78, 132)
    draw.rectangle((0, horizon, side, 2 * side), fill=(int(road), int(road), int(road) + 4))
    if chance.unit() < 0.6:
        facade(chance, draw, side, horizon, chance.of((-1, 1)))
    for _ in range(chance.below(3)):
        tree(chance, draw, side, horizon)
    if chance.unit() < 0.35:
        hedge(chance, draw, side, horizon)
    if chance.unit() < 0.3:
        parked_car(chance, draw, side, horizon)
    if chance.unit() < 0.35:
        other_sign(chance, draw, side)
    canvas = canvas.filter(ImageFilter.GaussianBlur(chance.between(0.3, 1.6) * size / 32)).reduce(2)
    return np.asarray(canvas, dtype=np.float32) / 255


def shade(colour: tuple[int, int, int], light: float) -> tuple[int, int, int]:
    """Return `colour` under `light` times the light."""
    red, green, blue = (min(255, int(c * light)) for c in colour)
    return red, green, blue


def skyline(chance: Chance, draw: ImageDraw.ImageDraw, side: int, horizon: float, low: tuple) -> None:
    """Draw far houses, half lost in the colour of the sky."""
    x = -chance.between(0, 0.2) * side
    while x < side:
        width, height = chance.between(0.12, 0.35) * side, chance.between(0.04, 0.3) * side
        wall = chance.of(WALLS)
        fill = tuple((a * 0.8 + b) // 2 for a, b in zip(wall, low, strict=True))
        draw.rectangle((x, horizon - height, x + width, horizon), fill=tuple(map(int, fill)))
        x += width


def facade(chance: Chance, draw: ImageDraw.ImageDraw, side: int, horizon: float, hand: int) -> None:
    """Draw a house along the street, running to the vanishing point, with rows of windows."""
    wall, light = chance.of(WALLS), chance.between(0.65, 1.1)
    reach, top = chance.between(0.35, 1.1), chance.between(0.5, 1.2) * side
    vanish = chance.between(0.15, 0.45)

    def at(u: float, v: float) -> tuple[float, float]:  # u along the street, v up the wall, both 0 to 1
        x = u * reach * side
        scale = 1 - u * (1 - vanish)
        return (x if hand < 0 else side - x), horizon + (0.12 * side - v * (top + 0.12 * side)) * scale

    draw.polygon([at(0, 0), at(0, 1), at(1, 1), at(1, 0)], fill=shade(wall, light))
    glass, frame = chance.of(((58, 70, 88), (40, 44, 52), (120, 146, 170))), shade(wall, light * 1.22)
    columns, rows = 3 + chance.below(3), 2 + chance.below(3)
    for i in range(columns):
        u, w = (i + 0.25) / columns, 0.5 / columns
        for j in range(rows):
            v, h = (j + 0.3) / rows, 0.5 / rows
            for colour, m in ((frame, 0.0), (glass, 0.12)):
                a, b, c, d = u + m * w, u + w - m * w, v + m * h, v + h - m * h
                draw.polygon([at(a, c), at(a, d), at(b, d), at(b, c)], fill=colour)


def tree(chance: Chance, draw: ImageDraw.ImageDraw, side: int, horizon: float) -> None:
    """Draw a tree: a trunk and tufts of leaves, dark below and bright above."""
    x, crown = chance.between(-0.1, 1.1) * side, chance.between(0.12, 0.34) * side
    y, colour = horizon - chance.between(0.2, 0.6) * side, chance.of(LEAVES)
    draw.rectangle((x - crown * 0.1, y, x + crown * 0.1, horizon + 0.03 * side), fill=(70, 56, 46))
    tufts(chance, draw, (x, y), (crown, crown * 0.9), colour, 22)


def hedge(chance: Chance, draw: ImageDraw.ImageDraw, side: int, horizon: float) -> None:
    """Draw a hedge along the lower edge."""
    tufts(chance, draw, (side / 2, max(horizon, 0.8 * side)), (side * 0.6, side * 0.16), chance.of(LEAVES), 26)


def tufts(chance: Chance, draw: ImageDraw.ImageDraw, centre, reach, colour, n: int) -> None:
    """Draw `n` tufts of leaves in an ellipse about `centre`, from the shaded ones below to the sunlit ones above."""
    for i in range(n):
        height = 1 - 2 * i / n
        x = centre[0] + chance.between(-1, 1) * reach[0] * math.sqrt(1.05 - height * height)
        y, tuft = centre[1] + height * reach[1], chance.between(0.16, 0.36) * reach[1]
        fill = shade(colour, 0.5 + 0.9 * i / n + chance.between(-0.15, 0.15))
        draw.ellipse((x - tuft * 1.2, y - tuft, x + tuft * 1.2, y + tuft), fill=fill)


def parked_car(chance: Chance, draw: ImageDraw.ImageDraw, side: int, horizon: float) -> None:
    """Draw the back of a car at the side of the road."""
    x, y, w = chance.between(0, 1) * side, max(horizon, 0.75 * side) + 0.12 * side, chance.between(0.14, 0.24) * side
    paint = chance.of(CARS)
    draw.rectangle((x - w, y - 0.02 * side, x + w, y + 0.1 * w), fill=(30, 30, 34))
    draw.polygon(
        [
            (x - w, y),
            (x - w, y - 0.6 * w),
            (x - 0.7 * w, y - 1.2 * w),
            (x + 0.7 * w, y - 1.2 * w),
            (x + w, y - 0.6 * w),
            (x + w, y),
        ],
        fill=paint,
    )
    draw.rectangle((x - 0.65 * w, y - 1.1 * w, x + 0.65 * w, y - 0.65 * w), fill=(60, 72, 84))
    for lamp in (x - 0.95 * w, x + 0.7 * w):
        draw.rectangle((lamp, y - 0.55 * w, lamp + 0.25 * w, y - 0.35 * w), fill=(190, 30, 30))


def other_sign(chance: Chance, draw: ImageDraw.ImageDraw, side: int) -> None:
    """Draw the post and the back or a coloured rim of another sign, mostly outside the picture."""
    x, y, r = chance.of((-0.05, 1.05)) * side, chance.between(0.0, 0.7) * side, chance.between(0.12, 0.22) * side
    draw.rectangle((x - 0.02 * side, y, x + 0.02 * side, 2 * side), fill=(120, 122, 126))
    for colour, radius in ((chance.of((RED, BLUE, YELLOW, METAL, WHITE)), r), (chance.of((METAL, WHITE)), r * 0.7)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


# ---- The camera.


@dataclass(frozen=True, kw_only=True)
class Light:
    """How a picture is lit and taken.

    `exposure`: 1 leaves it as it is. `cast`: largest tint of a channel. `shadow`: chance of a cast shadow. `haze`:
    share of grey mixed in. `blur`: radius in pixels. `noise`: standard deviation in grey levels.
    """

    exposure: float
    cast: float
    shadow: float
    haze: float
    blur: float
    noise: float


def develop(chance: Chance, background: np.ndarray, layer: np.ndarray, light: Light) -> np.ndarray:
    """Put the sign before its background, light both, and take the picture: uint8 `[size, size, 3]`."""
    size = len(background)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = chance.between(0, 2 * math.pi)
    across = x * math.cos(angle) + y * math.sin(angle)
    # A sheet of metal shines more on the side of the sun.
    gloss = (1 + chance.between(0.1, 0.45) * across)[:, :, None]
    picture = background * (1 - layer[:, :, 3:]) + layer[:, :, :3] * gloss
    if chance.unit() < light.shadow:  # the edge of the shadow of a house or a tree
        edge = chance.between(-0.2, 0.2)
        lit = 1 / (1 + np.exp(-(across - edge) * chance.between(15, 60)))
        picture *= (1 - chance.between(0.3, 0.5) * (1 - lit))[:, :, None]
    cast = np.array([1 + chance.between(-light.cast, light.cast) for _ in range(3)], dtype=np.float32)
    picture *= cast * light.exposure
    picture += light.haze * (0.8 * light.exposure - picture)
    pixels = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    if light.blur:
        pixels = pixels.filter(ImageFilter.GaussianBlur(light.blur))
    # A sum of bytes is close enough to normal; grey noise weighs more than coloured noise, as in a sensor.
    grain = (chance.bytes(size * size * 4 * 2).reshape(2, size, size, 4).sum(axis=0) - 255) / 104.5
    noisy = np.asarray(pixels, dtype=np.float32) + light.noise * (0.8 * grain[:, :, 3:] + 0.6 * grain[:, :, :3])
    return (np.clip(noisy, 0, 255) + 0.5).astype(np.uint8)
