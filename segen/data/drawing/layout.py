"""Where things stand in a street: the layout of one scene in metres, decided by raw integers alone.

The axes are x to the right, y up and z ahead, the camera standing at z = 0. The layout knows neither the size of
the picture nor the weather, so the same scene can be drawn at any size and in any weather.
"""

from dataclasses import dataclass, field, replace

import numpy as np

BODIES = ("hatchback", "saloon", "estate", "suv", "van")
SHAPES = ("disc", "ring", "triangle", "diamond", "square", "board")
FAR = 150.0  # metres: beyond it there is only the skyline
PARKED = 0.02  # how far a car at the kerb leans to the side; no car in a lane leans just so


class Dice:
    """Uniform numbers in [0, 1) made of the raw integers of a counter-based generator, the same on every machine."""

    def __init__(self, seed: int, index: int):
        # The key is the scene's name, so neighbouring scenes share nothing; the counter's top tells streets from signs.
        key = np.array([seed % 2**64, index], dtype=np.uint64)
        self._bits = np.random.Philox(key=key, counter=np.array([0, 0, 0, 0x5EE7], dtype=np.uint64))
        self._numbers: list[float] = []
        self._used = 0

    def many(self, count: int) -> list[float]:
        """Return the next `count` numbers."""
        if self._used + count > len(self._numbers):
            self._numbers = self._numbers[self._used :]
            self._numbers += ((self._bits.random_raw(1536) >> np.uint64(11)) * 2.0**-53).tolist()
            self._used = 0
        self._used += count
        return self._numbers[self._used - count : self._used]

    def between(self, low: float, high: float) -> float:
        """Return one number in [low, high)."""
        return low + (high - low) * self.many(1)[0]

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.many(1)[0] < probability

    def pick(self, choices):
        """Return one of `choices`, each as likely."""
        return choices[int(self.many(1)[0] * len(choices))]


@dataclass
class Thing:
    """Something that stands in the street: its kind, its place in metres, its far end (for the order), its dice."""

    kind: str
    x: float
    z: float
    order: float
    style: str = ""
    across: tuple[float, float] = (0.0, 1.0)  # the direction (x, z) it faces
    size: tuple[float, ...] = ()
    dice: list[float] = field(default_factory=list)


@dataclass
class Scene:
    """One street: the camera, the plan of the ground and the things on it, farthest first."""

    focal: float  # in units of the picture's side, the square root of its area
    horizon: float  # the horizon's row and
    pan: float  # the vanishing point's column, both from the middle, in the same unit
    eye: float  # the camera's height in metres
    ego: float  # the camera's x
    bend: float  # the street's x moves by bend · z²
    half: float  # half the road's width
    walk: float  # the pavement's width
    hand: int  # +1 where one drives on the right
    sun: tuple[float, float, float]  # towards the sun
    gaps: tuple[tuple[float, float], tuple[float, float]]  # where side streets open on the left and right
    end: float  # where the street ends in another one, or FAR
    park: int  # the side (-1, +1) with a park, or 0
    verge: float  # a strip of grass beside the pavement, in metres
    zebra: float  # the z of a crossing, or 0
    marking: str
    weather: float  # the scene's own draw for mixed weather
    dice: list[float]
    things: list[Thing]
    driven: float = 0.0  # how many metres the camera has driven since the scene was composed


def compose(seed: int, index: int) -> Scene:
    """Return the layout of scene `index` of `seed`."""
    dice = Dice(seed, index)
    weather = dice.between(0, 1)
    hand = 1 if dice.chance(0.6) else -1
    half = dice.pick((3.2, 3.8, 4.4, 5.0))
    ego = hand * half * dice.between(0.25, 0.7)
    kind = dice.pick(("straight", "straight", "straight", "crossing", "crossing", "left", "right", "end"))
    corner = dice.between(15, 34)
    gap, none = (corner, corner + dice.between(7, 9)), (0.0, 0.0)
    gaps = (gap if kind in ("crossing", "left") else none, gap if kind in ("crossing", "right") else none)
    end = dice.between(32, 55) if kind == "end" else FAR
    zebra = dice.between(6.2, 9.0) if dice.chance(0.4) else 0.0
    if zebra and kind in ("crossing", "left", "right"):
        zebra = min(zebra, corner - 4.5)
    side, up, ahead = dice.between(0.45, 1.0), dice.between(0.55, 1.0), dice.between(-0.55, 0.75)
    side = side if dice.chance(0.5) else -side
    norm = (side * side + up * up + ahead * ahead) ** 0.5
    scene = Scene(
        focal=dice.between(0.74, 0.96),
        horizon=dice.between(-0.06, 0.04),
        pan=dice.between(-0.11, 0.11),
        eye=dice.between(1.45, 2.15),
        ego=ego,
        bend=dice.between(-0.0022, 0.0022) if dice.chance(0.55) and kind != "end" else 0.0,
        half=half,
        walk=dice.between(2.2, 3.8),
        hand=hand,
        sun=(side / norm, up / norm, ahead / norm),
        gaps=gaps,
        end=end,
        park=dice.pick((-1, 1, 0, 0, 0, 0, 0)),
        verge=dice.between(0.9, 1.6) if dice.chance(0.3) else 0.0,
        zebra=zebra,
        marking=dice.pick(("dashed", "dashed", "double", "yellow", "none")),
        weather=weather,
        dice=dice.many(32),
        things=[],
    )
    for side in (-1, 1):
        if side == scene.park:
            _plant_park(scene, dice, side)
        else:
            _build_row(scene, dice, side)
        _plant_row(scene, dice, side)
    if end < FAR:
        _close(scene, dice)
    _drive(scene, dice)
    _put_signs(scene, dice)
    _walk(scene, dice)
    scene.things.sort(key=lambda thing: -thing.order)
    return scene


def drive_on(scene: Scene, metres: float) -> Scene:
    """Return the scene as it is when the camera has driven so many metres along the street.

    Cars in the lanes drive as fast as the camera, people walk at a sixth of it, everything else stands.
    """
    things = []
    for thing in scene.things:
        x, on = 0.0, -metres
        if thing.kind == "car" and abs(thing.across[1]) == 1 and thing.across[0] != PARKED:
            on += metres * thing.across[1]
        elif thing.kind == "person":
            x, on = metres * thing.across[0] / 6, on + metres * thing.across[1] / 6
        size = (thing.size[0] + on, *thing.size[1:]) if thing.kind in ("house", "hedge") else thing.size
        thing = replace(thing, x=thing.x + x, z=thing.z + on, order=thing.order + on, size=size)
        if thing.order > 1.0:
            things.append(thing)
    things.sort(key=lambda thing: -thing.order)
    gaps = tuple((near - metres, far - metres) if far else (near, far) for near, far in scene.gaps)
    end = scene.end - metres if scene.end < FAR else scene.end
    zebra = scene.zebra - metres if scene.zebra else 0.0
    return replace(scene, things=things, gaps=gaps, end=end, zebra=zebra, driven=scene.driven + metres)


def _gap(scene: Scene, side: int) -> tuple[float, float]:
    return scene.gaps[(side + 1) // 2]


def _build_row(scene: Scene, dice: Dice, side: int) -> None:
    """Put houses along one side, leaving the side street open."""
    opening, closing = _gap(scene, side)
    front = scene.half + scene.verge + scene.walk
    setback = dice.between(1.2, 3.0) if dice.chance(0.3) else 0.0
    storeys, shops = dice.pick((2, 3, 3, 4, 5)), dice.chance(0.5)
    stop = scene.end - 10 - scene.walk if scene.end < FAR else FAR - 20
    z, touching = dice.between(-6, 1), False  # whether a house stands wall to wall with the one before it
    while z < stop:
        length = dice.between(7, 15) * (1 if z < 45 else 2)
        last = min(z + length, stop)
        corner = opening and z < closing
        if corner and last > opening - scene.walk - 4:
            last = opening - scene.walk  # the last house before the side street reaches its pavement
        numbers = dice.many(40)
        if last - z > 2.5 and (numbers[0] > 0.07 or z < 4):
            floors = max(1, storeys + int(numbers[1] * 3) - 1)
            after_corner = bool(opening) and 0 <= z - closing - scene.walk < 0.5
            depth = 45.0 if after_corner else 9.0 + 4 * numbers[2]
            shop = float(shops and numbers[3] < 0.75)
            size = (last, floors, depth, side * (front + setback), shop, float(touching))
            scene.things.append(Thing("house", side * (front + setback), z, last, size=size, dice=numbers))
            touching = True
        else:
            touching = False
        if setback:
            _hedge(scene, dice, side, front + 0.35, z, last, 0.45 + 0.7 * numbers[4])
        z = last
        if corner and last >= opening - scene.walk - 0.01:
            z, touching = closing + scene.walk, False


def _hedge(scene: Scene, dice: Dice, side: int, x: float, z: float, last: float, height: float) -> None:
    """Put a hedge along the street, in pieces so that it sorts well among other things."""
    z = max(z, 2.0)
    while z < min(last, 70.0):
        piece = min(z + (6 if z < 30 else 20), last)
        thing = Thing("hedge", side * x, z, piece + 0.1, size=(piece, height), dice=dice.many(8))
        scene.things.append(thing)
        z = piece


def _plant_park(scene: Scene, dice: Dice, side: int) -> None:
    """Put a park along one side: a hedge, a lawn and many trees."""
    opening, closing = _gap(scene, side)
    front = scene.half + scene.verge + scene.walk
    stop = min(scene.end - 12, 90.0)
    if dice.chance(0.6):
        height = dice.between(0.5, 1.1)
        _hedge(scene, dice, side, front + 0.4, 2, (opening or stop) - scene.walk, height)
        if opening:
            _hedge(scene, dice, side, front + 0.4, closing + scene.walk, stop, height)
    for _ in range(14):
        x, z = front + dice.between(2, 22), dice.between(7, stop)
        if not opening or not opening - 2 < z < closing + 2:
            _tree(scene, dice, side * x, z)


def _plant_row(scene: Scene, dice: Dice, side: int) -> None:
    """Put street trees at equal distances along the kerb."""
    density = dice.between(0, 1)
    if density < 0.35:
        return
    opening, closing = _gap(scene, side)
    z, step = dice.between(6, 13), dice.between(8, 14)
    style = dice.pick(("round", "round", "round", "tall", "fir", "autumn", "blossom"))
    while z < min(scene.end - 12, 75.0):
        clear = not opening or not opening - 3 < z < closing + 3
        if clear and dice.chance(0.85):
            _tree(scene, dice, side * (scene.half + 0.45 + scene.verge / 2), z, style)
        z += step if z < 40 else 2 * step


def _tree(scene: Scene, dice: Dice, x: float, z: float, style: str = "") -> None:
    style = style or dice.pick(("round", "round", "tall", "fir", "autumn", "blossom"))
    height = dice.between(4.2, 7.0)
    scene.things.append(Thing("tree", x, z, z, style, size=(height,), dice=dice.many(64)))


def _close(scene: Scene, dice: Dice) -> None:
    """End the street in another one that crosses it, with a row of houses that looks at us."""
    x = dice.between(-48, -42)
    while x < 46:
        width = dice.between(8, 15)
        numbers = dice.many(40)
        size = (x + width, 2 + int(numbers[1] * 4), 10.0, 0.0, float(numbers[3] < 0.4))
        scene.things.append(Thing("terrace", x, scene.end + scene.walk, scene.end + 30, size=size, dice=numbers))
        x += width


def _drive(scene: Scene, dice: Dice) -> None:
    """Put cars on the road: moving in both lanes, parked at the kerbs, crossing at the side street."""
    stop = scene.end - 14 if scene.end < FAR else 80.0
    openings = [gap for gap in scene.gaps if gap[1]]
    for side in (-1, 1):
        parked = scene.half > 3.5 and dice.chance(0.5)
        lane = side * ((scene.half - 2.0) / 2 if parked else scene.half / 2)
        away = 1 if side == scene.hand else -1
        z = dice.between(6, 13)
        while z < stop:
            body, numbers = dice.pick(BODIES), dice.many(16)
            free = not scene.zebra or z + 5.5 < scene.zebra or z > scene.zebra + 3.4
            if free and abs(lane - scene.ego) / z < 0.75:
                x = lane + 0.5 * (numbers[0] - 0.5)
                lean = 0.06 * (numbers[1] - 0.5)
                thing = Thing("car", x, z + 2.2, z + 2.2, body, (lean, float(away)), dice=numbers)
                scene.things.append(thing)
            z += dice.between(8, 30)
        z = dice.between(5, 14)
        while parked and z < min(stop, 38):
            body, numbers = dice.pick(BODIES), dice.many(16)
            free = not scene.zebra or z + 6 < scene.zebra or z > scene.zebra + 4
            free = free and all(z + 6 < start or z > last + 1 for start, last in openings)
            if free and numbers[2] < 0.75:
                x = side * (scene.half - 1.02 + 0.12 * numbers[0])
                thing = Thing("car", x, z + 2.2, z + 2.2, body, (PARKED, float(away)), dice=numbers)
                scene.things.append(thing)
            z += dice.between(5.4, 7)
    for side, (start, last) in zip((-1, 1), scene.gaps, strict=True):
        if last and dice.chance(0.6):
            x = side * (scene.half + dice.between(3.5, 9))
            z = start + (last - start) * dice.pick((0.3, 0.7))
            facing = (float(dice.pick((-1, 1))), 0.0)
            scene.things.append(Thing("car", x, z, z, dice.pick(BODIES), facing, dice=dice.many(16)))
    if scene.end < FAR:
        for lane in (3.0, 7.0):
            if dice.chance(0.7):
                facing = (1.0 if lane == 3.0 else -1.0, 0.0)
                z, x = scene.end - lane, dice.between(-9, 9)
                scene.things.append(Thing("car", x, z, z, dice.pick(BODIES), facing, dice=dice.many(16)))


def _nearest(scene: Scene, x: float) -> float:
    """Return the least z from which something at `x` is inside a square picture."""
    offset = x - scene.ego
    room = 0.45 - scene.pan if offset > 0 else 0.45 + scene.pan
    return max(5.6, abs(offset) * scene.focal / room)


def _put_signs(scene: Scene, dice: Dice) -> None:
    """Put one to three signs at the kerbs, near enough to be read."""
    for number in range(3):
        side, numbers = (scene.hand if dice.chance(0.85) else -scene.hand), dice.many(12)
        x = side * (scene.half + 0.35 + 0.35 * numbers[0])
        z = _nearest(scene, x) + dice.between(0.2, 2.0 + 2.0 * number)
        style = dice.pick(SHAPES)
        if numbers[1] < (0.97, 0.7, 0.4)[number] and not any(
            thing.kind == "sign" and abs(thing.z - z) < 1 for thing in scene.things
        ):
            size = (dice.between(0.36, 0.46), dice.between(2.2, 2.9))
            scene.things.append(Thing("sign", x, z, z, style, size=size, dice=numbers))


def _walk(scene: Scene, dice: Dice) -> None:
    """Put people on the pavements, on the zebra crossing, and a few on their way across the road."""
    cars = [thing for thing in scene.things if thing.kind == "car"]
    inner, outer = scene.half + scene.verge + 0.4, scene.half + scene.verge + scene.walk - 0.4
    for number in range(3 + int(dice.between(0, 4.0))):
        numbers, where = dice.many(32), dice.between(0, 1)
        side = scene.hand if dice.chance(0.85) else -scene.hand
        facing = (0.0, dice.pick((-1.0, 1.0)))
        if scene.zebra and where < 0.5:
            x, z = dice.between(-scene.half, scene.half), scene.zebra + dice.between(0.4, 2.4)
            facing = (dice.pick((-1.0, 1.0)), 0.0)
        elif where < 0.5:
            x = dice.between(-scene.half, scene.half)
            z = _nearest(scene, x) + dice.between(0.1, 2.6)
            facing = (dice.pick((-1.0, 1.0)), 0.0)
        else:
            x = side * dice.between(inner, min(outer, inner + 0.9))
            z = _nearest(scene, x) + dice.between(0, 1.5 if number < 4 else 7.0)
            if dice.chance(0.2):
                facing = (dice.pick((-1.0, 1.0)), 0.0)
        blocked = any(abs(car.x - x) < 1.5 and abs(car.z - z) < 3.2 for car in cars)
        height = dice.between(1.58, 1.88) if numbers[0] > 0.1 else dice.between(1.05, 1.35)
        if not blocked:
            scene.things.append(Thing("person", x, z, z, "", facing, (height,), numbers))
            if numbers[1] < 0.22:  # a companion beside them
                beside, other = dice.between(0.5, 0.65), dice.many(32)
                place = (x + beside, z + 0.15) if facing[1] else (x + 0.1, z + beside)
                scene.things.append(Thing("person", *place, place[1], "", facing, (height * 0.95,), other))
