"""Light and weather over a street: the sky, the colour of light and haze, wet roads, rain, lamps at night.

All of it changes the picture only; no function here touches a label.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from segen.data.drawing.layout import Scene

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """The light of one scene: of the sun, of the sky around, and of the haze between."""

    weather: str
    sun: Colour  # added to what faces the sun, as a factor
    ambient: Colour
    haze: Colour
    density: float  # of the haze, per metre
    zenith: Colour
    shadow: float  # how dark a cast shadow is, 0 to 1
    cloud: float  # how much of the sky is cloud, 0 to 1


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from `a` to `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def light_of(scene: Scene, weather: str) -> Light:
    """Return the light of `scene` in `weather`."""
    r = scene.dice
    if weather == "rain":
        grey = 118 + 40 * r[0]
        haze = (grey * 0.97, grey, grey * 1.06)
        return Light(weather, (0.06,) * 3, (0.55, 0.57, 0.61), haze, 0.011, mix(haze, (70, 78, 92), 0.7), 0.0, 0.8)
    if weather == "fog":
        grey = 175 + 45 * r[0]
        haze = (grey, grey * 1.0, grey * (0.99 + 0.04 * r[1]))
        return Light(weather, (0.1,) * 3, (0.72, 0.73, 0.74), haze, 0.035 + 0.03 * r[2], haze, 0.0, 0.0)
    if weather == "night":
        haze = (26 + 16 * r[0], 27 + 10 * r[0], 46 + 12 * r[1])
        return Light(weather, (0.02,) * 3, (0.16, 0.18, 0.27), haze, 0.010, (7, 9, 24), 0.0, 0.3)
    warm = r[1] * r[1]  # low sun now and then
    strength = 0.62 if r[0] < 0.68 else 0.3  # a third of the days have a veiled sun
    sun = mix((strength * 1.05, strength, strength * 0.92), (strength * 1.25, strength * 0.9, strength * 0.6), warm)
    ambient = mix((0.58, 0.62, 0.69), (0.56, 0.54, 0.62), warm)
    zenith = mix((64 + 40 * r[2], 124 + 30 * r[2], 208), (92, 118, 178), warm)
    haze = mix((198, 214, 230), (244, 206, 166), warm)
    if strength < 0.5:
        veil = 0.45 + 0.5 * r[31]
        zenith, haze = mix(zenith, (158, 166, 180), veil), mix(haze, (206, 208, 212), veil)
    return Light(weather, sun, ambient, haze, 0.0028 + 0.004 * r[3], zenith, 0.9 * strength, r[4])


@lru_cache(maxsize=1)
def noise() -> np.ndarray:
    """Return the texture that all scenes share: float32 [256, 256] about 0 with deviation 1, tiling at its edges."""
    bits = np.random.Philox(key=np.array([7, 7], dtype=np.uint64)).random_raw(65536 * 6)
    white = ((bits >> np.uint64(11)) * 2.0**-53 - 0.5).astype(np.float32).reshape(6, 256, 256)
    total = np.zeros((256, 256), np.float32)
    for octave in range(6):
        layer = white[octave]
        for _ in range(2):  # two box filters of 2^octave pixels are a smooth bump
            for axis in (0, 1):
                layer = sum(np.roll(layer, shift, axis) for shift in range(2**octave)) / 2**octave
        total += layer / layer.std() * (0.62 + 0.2 * octave)
    total -= total.mean()
    return total / total.std()


def sky(scene: Scene, light: Light, height: int, width: int, horizon: float, unit: float) -> Image.Image:
    """Return the sky, RGB, `height` by `width`, `unit` pixels to a picture's side, `horizon` sides below its top."""
    r = scene.dice
    row = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / unit - horizon
    column = (np.arange(width, dtype=np.float32)[None, :] + 0.5 - width / 2) / unit - scene.pan
    up = np.maximum(-row, 0.004)
    share = (1 - np.minimum(up / 0.55, 1)) ** 2.2
    picture = np.empty((height, width, 3), np.float32)
    for c in range(3):
        picture[..., c] = light.zenith[c] + (light.haze[c] - light.zenith[c]) * share
    if light.cloud > 0:
        # The clouds' ceiling is a plane above: its points recede towards the horizon like the road's.
        depth = 1.0 / (up + 0.09)
        x, z = column * depth * 27 + 256 * r[5], depth * 20 + 256 * r[6]
        field = noise()[z.astype(np.int32) & 255, x.astype(np.int32) & 255]
        near = noise()[(z * 2.6).astype(np.int32) & 255, (x * 2.6).astype(np.int32) & 255]
        cover = np.clip((field + 0.4 * near + 2.2 * light.cloud - 1.5) * 0.75, 0, 1) * np.clip(up * 9, 0, 1)
        body = np.clip(0.5 + 0.22 * near + 0.2 * field, 0, 1)
        white = {"night": (38, 40, 58), "rain": (150, 155, 164)}.get(
            light.weather, mix((255, 252, 248), light.haze, 0.3)
        )
        grey = mix(light.zenith, white, 0.25 if light.weather == "rain" else 0.6)
        for c in range(3):
            tone = white[c] + (grey[c] - white[c]) * body
            picture[..., c] += (tone - picture[..., c]) * cover * (0.85 if light.weather != "night" else 0.6)
    if light.weather == "clear" and scene.sun[2] > 0.1:
        x, y = scene.focal * scene.sun[0] / scene.sun[2], scene.focal * scene.sun[1] / scene.sun[2]
        distance = (column - x) ** 2 + (row + y) ** 2
        glow = 0.05 / (0.05 + distance)
        for c, tint in enumerate((255, 244, 214)):
            picture[..., c] += (tint - picture[..., c]) * glow * light.shadow
    if light.weather == "night":
        stars = noise()[:height, :width] if height <= 256 and width <= 256 else np.zeros((height, width))
        picture += (40 * np.clip(stars - 3.0, 0, 1) * (light.cloud < 0.5))[..., None]
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def finish(
    picture: Image.Image, labels: np.ndarray, scene: Scene, light: Light, lamps: list[tuple], unit: float
) -> np.ndarray:
    """Return the finished pixels, uint8 [H, W, 3]: textures, reflections, glow, rain, and the camera's own noise.

    `lamps` are (column, row, radius, colour) in pixels of the picture, `unit` its side.
    """
    height, width = labels.shape
    r = scene.dice
    pixels = np.asarray(picture, dtype=np.float32)
    shift = int(256 * r[7])
    step = 64 / unit  # the texture belongs to the scene, not to the pixels
    rows = ((np.arange(height) * step * 2).astype(np.int64) + shift) & 255
    columns = ((np.arange(width) * step * 2).astype(np.int64) + int(256 * r[8])) & 255
    rough = noise()[rows[:, None], columns[None, :]]
    fine = noise()[(np.arange(height)[:, None] + shift) & 255, (np.arange(width)[None, :] * 3 + shift) & 255]
    # Sky, building, road, pavement, vegetation, car, pedestrian, sign: how strongly each is mottled.
    strength = np.array([0.0, 0.04, 0.015, 0.02, 0.13, 0.015, 0.03, 0.01], np.float32)[labels]
    strength = strength * {"fog": 0.3, "night": 0.7}.get(light.weather, 1.0)
    pixels = pixels * (1 + strength * (0.6 * rough + 0.6 * fine))[..., None]
    if light.weather == "rain":
        pixels = _wet(pixels, labels, rough, fine)
    if lamps:
        pixels = _glow(pixels, lamps, unit)
    if light.weather == "rain":
        pixels = _streaks(pixels, scene, unit)
    across = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    down = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.5
    vignette = 1.04 - 0.28 * (across[None, :] ** 2 + down[:, None] ** 2)
    grain = {"night": 3.4, "rain": 2.2, "fog": 1.6}.get(light.weather, 1.6)
    exposure = {"night": 1.1}.get(light.weather, 0.98 + 0.16 * r[9])
    # A camera's white balance is never quite that of the scene before.
    balance = np.array([0.94 + 0.12 * r[29], 1.0, 0.94 + 0.12 * r[30]], np.float32)
    pixels = pixels * (vignette * exposure)[..., None] * balance
    seed = noise()[(np.arange(height)[:, None] * 7 + shift) & 255, (np.arange(width)[None, :] * 5 + shift) & 255]
    pixels = pixels + (grain * seed)[..., None]
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def _wet(pixels: np.ndarray, labels: np.ndarray, rough: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Let road and pavement mirror what stands above them in their column."""
    height, width = labels.shape
    ground = (labels == 2) | (labels == 3)
    row = np.arange(height)[:, None]
    foot = np.maximum.accumulate(np.where(ground, -1, row), axis=0)  # the lowest row above that is not ground
    ripple = (fine * 0.008 * height * (row > foot + 2)).astype(np.int64)
    source = np.clip(2 * foot + 1 - row + ripple, 0, height - 1)
    mirrored = pixels[source, np.arange(width)[None, :]]
    blurred = (mirrored + np.roll(mirrored, 1, 0) + np.roll(mirrored, 2, 0) + np.roll(mirrored, -1, 0)) / 4
    puddle = np.clip(0.40 + 0.16 * rough, 0.16, 0.75) * ground * (foot >= 0)
    puddle = puddle * np.where(labels == 3, 0.6, 1.0)
    dark = pixels * np.where(ground, 0.74, 1.0)[..., None]
    return dark + (blurred - dark) * puddle[..., None]


def _glow(pixels: np.ndarray, lamps: list[tuple], unit: float) -> np.ndarray:
    """Add the light of lamps, each a bright core in a soft halo."""
    height, width = pixels.shape[:2]
    halo = Image.new("RGB", (width, height))
    core = Image.new("RGB", (width, height))
    for layer, grow in ((halo, 2.6), (core, 1.0)):
        draw = ImageDraw.Draw(layer)
        for column, row, radius, colour in lamps:
            size = max(radius * grow, 0.6)
            draw.ellipse((column - size, row - size, column + size, row + size), fill=colour)
    halo = halo.filter(ImageFilter.GaussianBlur(unit * 0.026))
    core = core.filter(ImageFilter.GaussianBlur(unit * 0.006))
    light = np.asarray(ImageChops.add(halo, core), dtype=np.float32)
    return pixels + light * (1 - pixels / 300)


def _streaks(pixels: np.ndarray, scene: Scene, unit: float) -> np.ndarray:
    """Draw falling rain, a few drops near and many far."""
    height, width = pixels.shape[:2]
    layer = Image.new("L", (width * 2, height * 2))
    draw = ImageDraw.Draw(layer)
    bits = np.random.Philox(key=np.array([int(scene.dice[10] * 2**52), 1], dtype=np.uint64)).random_raw(360)
    numbers = ((bits >> np.uint64(11)) * 2.0**-53).reshape(90, 4)
    slant = 0.5 * scene.dice[11] - 0.25
    for x, y, near, bright in numbers.tolist():
        length = (0.02 + 0.07 * near * near) * unit * 2
        x, y = x * width * 2, y * height * 2
        thick = max(1, int(near * near * unit / 90))
        draw.line((x, y, x + slant * length, y + length), fill=int(50 + 95 * bright), width=thick)
    veil = np.asarray(layer.reduce(2), dtype=np.float32)[..., None] / 255
    return pixels + (np.float32(205) - pixels) * veil
