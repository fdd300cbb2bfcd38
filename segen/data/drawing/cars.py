"""Draw cars: hulls made of a profile, seen from any side, lit by the slope of each face."""

from segen.data.drawing.layout import Thing
from segen.data.drawing.stage import CAR, CIRCLE, Stage
from segen.data.drawing.weather import Colour, mix

# Bodies in profile, (length, height) in metres from the lower rear over the roof to the lower front. The pieces
# between the points are, in order: bumper, tail, boot, rear window, roof, windscreen, bonnet, grille, bumper.
PROFILES = {
    "saloon": [(0, 0.3), (0, 0.6), (0.06, 0.98), (0.72, 1.02), (1.35, 1.45),
               (2.6, 1.45), (3.3, 1.0), (4.3, 0.82), (4.45, 0.55), (4.42, 0.3)],
    "hatchback": [(0, 0.3), (0, 0.6), (0.05, 1.0), (0.1, 1.04), (0.55, 1.5),
                  (2.2, 1.52), (2.95, 1.04), (3.75, 0.86), (3.92, 0.55), (3.9, 0.3)],
    "estate": [(0, 0.3), (0, 0.6), (0.04, 1.0), (0.08, 1.04), (0.5, 1.5),
               (2.7, 1.5), (3.4, 1.02), (4.4, 0.84), (4.55, 0.55), (4.52, 0.3)],
    "suv": [(0, 0.4), (0, 0.72), (0.05, 1.12), (0.1, 1.18), (0.45, 1.72),
            (2.6, 1.75), (3.25, 1.2), (4.2, 1.06), (4.4, 0.7), (4.36, 0.4)],
    "van": [(0, 0.35), (0, 0.7), (0.02, 1.2), (0.04, 1.25), (0.14, 2.15),
            (3.5, 2.2), (4.3, 1.3), (4.9, 1.1), (5.1, 0.66), (5.08, 0.35)],
}  # fmt: skip
PAINTS = [
    (226, 226, 224), (40, 42, 46), (166, 170, 174), (104, 108, 114), (46, 74, 128), (164, 38, 36), (58, 96, 74),
    (196, 148, 52), (116, 62, 44), (104, 148, 178), (206, 198, 178), (84, 44, 66),
]  # fmt: skip
BODY = (0, 1, 2, 3, 6, 7, 8, 9)  # the points of the flank below the windows


def between(a: tuple, b: tuple, share: float) -> tuple[float, float]:
    """Return the point `share` of the way from `a` to `b`."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


class Hull:
    """A car's hull on the canvas: its profile's points on the left and on the right side, and how its faces look."""

    def __init__(self, stage: Stage, thing: Thing):
        self.stage, self.z, self.profile = stage, thing.z, PROFILES[thing.style]
        self.forward = thing.across
        fx, fz = thing.across
        belt, top = self.profile[3][1], self.profile[4][1]
        self.length, self.van = self.profile[8][0], thing.style == "van"
        self.wide = 0.95 if self.van else 0.86
        narrow = 0.06 if self.van else 0.2
        # The camera in the car's own frame (along, aside), the bend taken as straight over a car's length.
        x = stage.scene.ego - stage.scene.bend * thing.z**2 - thing.x
        self.eye = (x * fx - thing.z * fz + self.length / 2, x * fz + thing.z * fx)
        self.end, self.side = (1 if self.eye[0] > self.length / 2 else -1), (1 if self.eye[1] > 0 else -1)
        self.sun = stage.sunlit(thing.x, thing.z)
        self.tall = stage.size(top, thing.z)
        self.hull: dict[int, list] = {-1: [], 1: []}
        for side, points in self.hull.items():
            for along, y in self.profile:
                w = side * self.wide * (1 - narrow * max(0.0, y - belt) / (top - belt))
                along -= self.length / 2
                points.append(stage.at(thing.x + along * fx + w * fz, y, thing.z + along * fz - w * fx))

    def shade(self, colour: Colour, along: float, y: float, aside: float, glow: float = 0.0) -> Colour:
        """Return `colour` on a face with that normal."""
        fx, fz = self.forward
        facing = self.stage.facing(along * fx + aside * fz, y, along * fz - aside * fx) * self.sun
        return self.stage.tone(colour, self.z, facing + 0.25 * max(0.0, y), glow)

    def spot(self, piece: int, a: float, b: float) -> tuple[int, int]:
        """Return the canvas point `a` of the way from left to right and `b` along one piece of the profile."""
        left = between(self.hull[-1][piece], self.hull[-1][piece + 1], b)
        right = between(self.hull[1][piece], self.hull[1][piece + 1], b)
        x, y = between(left, right, a)
        return int(x + 65536.5) - 65536, int(y + 65536.5) - 65536

    def patch(self, piece: int, a0: float, a1: float, b0: float, b1: float, colour: Colour) -> None:
        """Paint a part of one piece."""
        spot = self.spot
        corners = (spot(piece, a0, b0), spot(piece, a0, b1), spot(piece, a1, b1), spot(piece, a1, b0))
        self.stage.paint(corners, colour, CAR)

    def faces_us(self, piece: int, slope: tuple[float, float]) -> bool:
        """Return whether a piece with that normal (along, up) is seen from the camera."""
        along, y = self.profile[piece]
        return (self.eye[0] - along) * slope[0] + (self.stage.scene.eye - y) * slope[1] > 0


def car(stage: Stage, thing: Thing) -> None:
    """Draw a car: the faces of its body that look at us, its windows, wheels, lamps and plate."""
    hull, r = Hull(stage, thing), thing.dice
    columns = [point[0] for points in hull.hull.values() for point in points]
    if max(columns) < 0 or min(columns) > stage.width:
        return
    body = mix(PAINTS[int(r[3] * len(PAINTS))], PAINTS[int(r[4] * len(PAINTS))], 0.25 * r[5])
    glass = mix((34, 40, 48), (60, 70, 80), r[6])
    rubber = stage.tone((26, 26, 28), thing.z, 0.05)
    _under(hull, rubber)
    if abs(hull.eye[1]) > hull.wide:
        _flank(hull, body, glass, r)
    for piece in range(9) if hull.end > 0 else range(8, -1, -1):
        (l0, y0), (l1, y1) = hull.profile[piece : piece + 2]
        run = ((l1 - l0) ** 2 + (y1 - y0) ** 2) ** 0.5
        slope = (-(y1 - y0) / run, (l1 - l0) / run)
        if not hull.faces_us(piece, slope):
            continue
        colour = hull.shade(body, *slope, 0)
        hull.patch(piece, 0, 1, 0, 1, mix(colour, rubber, 0.35) if piece in (0, 8) else colour)
        if piece in (3, 5) and hull.tall > 8:
            pane = mix(hull.shade(glass, *slope, 0), stage.light.haze, 0.12 if stage.night else 0.22)
            hull.patch(piece, 0.07, 0.93, 0.06, 0.94, pane)
            if hull.tall > 40:  # the sky in one corner, and a headrest behind the glass
                hull.patch(piece, 0.55, 0.86, 0.1, 0.9, mix(pane, stage.light.haze, 0.2))
    if hull.tall > 9:
        _lamps(hull)


def _under(hull: Hull, rubber: Colour) -> None:
    """Paint the dark beneath the car and the two tyres seen under its bumper."""
    stage = hull.stage
    low = 9 if hull.end > 0 else 0
    left, right = hull.hull[-1][low], hull.hull[1][low]
    drop = hull.stage.size(hull.profile[low][1], hull.z - hull.length / 2 * abs(hull.forward[1]))
    dark = stage.tone((16, 16, 18), hull.z, 0)

    def hang(a0: float, a1: float, depth: float, colour: Colour) -> None:
        (x0, y0), (x1, y1) = between(left, right, a0), between(left, right, a1)
        points = [(x0, y0 - 2), (x1, y1 - 2), (x1, y1 + depth), (x0, y0 + depth)]
        stage.paint([(int(x + 65536.5) - 65536, int(y + 65536.5) - 65536) for x, y in points], colour, CAR)

    hang(0.03, 0.97, 0.55 * drop, dark)
    if hull.tall > 15:
        hang(0.03, 0.15, 0.95 * drop, rubber)
        hang(0.85, 0.97, 0.95 * drop, rubber)


def _flank(hull: Hull, body: Colour, glass: Colour, r: list[float]) -> None:
    """Paint the side of a car: body, windows, sill, wheels."""
    stage, side, tall = hull.stage, hull.side, hull.tall
    points = hull.hull[side]
    upper = hull.shade(body, 0, 0.3, side * 0.95)
    lower = hull.shade(body, 0, -0.05, side)
    stage.paint([points[i] for i in BODY], lower, CAR)
    stage.paint(points[3:7], upper, CAR)
    if tall <= 8:
        return

    def whole(point: tuple) -> tuple[int, int]:
        return int(point[0] + 65536.5) - 65536, int(point[1] + 65536.5) - 65536

    pane = mix(hull.shade(glass, 0, 0.3, side), stage.light.haze, 0.18)
    sill_a, roof_a, roof_b, sill_b = points[3:7]

    def window(a: float, b: float) -> None:
        corners = ((0.1, a), (0.86, a), (0.86, b), (0.1, b))
        stage.paint([whole(between(between(sill_a, sill_b, s), between(roof_a, roof_b, s), up)) for up, s in corners],
                    pane, CAR)  # fmt: skip

    if hull.van and r[7] < 0.6:
        window(0.74, 0.95)
    elif tall > 26:
        window(0.1, 0.45)
        window(0.5, 0.9)
    else:
        window(0.1, 0.9)
    if tall > 16:
        dark = hull.shade(mix(body, (20, 20, 20), 0.55), 0, -0.1, side)
        a, b = points[0], points[9]
        c, d = between(points[8], points[7], 0.0), points[1]
        stage.paint([a, whole(between(a, d, 0.55)), whole(between(b, c, 0.55)), b], dark, CAR)
    if tall > 40:  # a crease along the doors, catching light
        crease = mix(lower, (255, 255, 255), 0.12)
        corners = (between(points[1], points[2], 0.45), between(points[8], points[7], 0.75))
        stage.paint([whole(p) for p in (corners[0], corners[1], (corners[1][0], corners[1][1] + tall * 0.03),
                                        (corners[0][0], corners[0][1] + tall * 0.03))], crease, CAR)  # fmt: skip
    radius = 0.33 if hull.profile[4][1] < 1.6 else 0.4
    fx, fz = hull.forward
    for hub in (0.78, hull.length - 0.85):
        # A wheel is an ellipse spanned by its centre, a point ahead of it and a point above it.
        share = hub / hull.length
        low = between(points[0], points[9], share)
        depth = max(1.0, hull.z + (hub - hull.length / 2) * fz - side * hull.wide * fx)
        up = stage.size(radius, depth)
        foot = low[1] + stage.size(hull.profile[0][1], depth)
        ahead = (points[9][0] - points[0][0]) * radius / hull.length
        tilt = (points[9][1] - points[0][1]) * radius / hull.length
        rings = ((1.22, (22, 22, 24)), (1.0, (34, 34, 36)), (0.6, (150, 152, 156)))
        for scale, colour in rings if tall > 26 else rings[1:] if tall > 16 else rings[1:2]:
            rim = [(low[0] + scale * ahead * a, min(foot, foot - up + scale * (tilt * a - up * b))) for a, b in CIRCLE]
            stage.paint([whole(p) for p in rim], hull.shade(colour, 0, 0.2, side), CAR)


def _lamps(hull: Hull) -> None:
    """Paint lamps, number plate and bumper of the end that looks at us, and the glow of lamps that are on."""
    stage, front = hull.stage, hull.end > 0
    piece, low, high = (7, 0.3, 0.95) if front else (1, 0.35, 0.95)
    lamp = stage.tone((250, 246, 226) if front else (206, 34, 30), hull.z, 0.5, 0.9 if stage.lit else 0.0)
    for a0, a1 in ((0.03, 0.22), (0.78, 0.97)):
        hull.patch(piece, a0, a1, low, high, lamp)
    if hull.tall > 18:
        along = 1 if front else -1
        plate = hull.shade((232, 230, 220), along, 0, 0)
        if front:
            hull.patch(7, 0.26, 0.74, 0.15, 0.75, hull.shade((34, 34, 38), along, 0, 0))
        else:
            hull.patch(0, 0.02, 0.98, 0.7, 1.0, hull.shade((60, 60, 64), along, 0, 0))
        hull.patch(8 if front else 1, 0.36, 0.64, 0.25, 0.6, plate)
    if stage.lit:
        strong = 1.0 if stage.night else 0.35
        radius = stage.size(0.16 if front else 0.12, hull.z)
        glow = tuple(int(value * strong) for value in ((250, 240, 205) if front else (235, 40, 28)))
        ink = (int(lamp[0]), int(lamp[1]), int(lamp[2]), CAR)
        for a in (0.12, 0.88):
            stage.lamps.append((*hull.spot(piece, a, 0.6), radius, glow, ink))
