"""The faces of the ten road signs: coloured polygons in the plane of the sign.

The half-width of a sign is about 1; x points right and y down, as in an image.
"""

import numpy as np

WHITE, BLACK, RED, BLUE, YELLOW = (236, 238, 238), (26, 26, 30), (200, 26, 36), (22, 78, 172), (248, 190, 24)
METAL = (112, 116, 120)

CLASSES = (
    "no entry",
    "stop",
    "priority road",
    "turn left",
    "turn right",
    "straight ahead",
    "speed limit",
    "no overtaking",
    "danger",
    "crossroads",
)


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360, n: int = 40) -> np.ndarray:
    """Return `n` points `[n, 2]` of an ellipse about (x, y), from angle `start` to `stop` in degrees."""
    angle = np.radians(np.linspace(start, stop, n))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def regular(sides: int, radius: float, first: float, corner: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Return a regular polygon about (0, y), its first corner at angle `first` in degrees.

    It is the polygon of this circumradius less `corner`, widened by a band of width `corner` that rounds it.
    """
    angles = first + np.arange(sides) * 360 / sides
    middles = (radius - corner) * np.cos(np.radians(angles)), y + (radius - corner) * np.sin(np.radians(angles))
    half = 180 / sides  # the outward normal turns by twice this at a corner
    n = 8 if corner else 1
    return np.concatenate(
        [arc(cx, cy, corner, corner, a - half, a + half, n) for cx, cy, a in zip(*middles, angles, strict=True)]
    )


def stroke(points: np.ndarray, width: float) -> np.ndarray:
    """Return the outline of a brush of this `width` drawn along `points`."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    return np.concatenate([points + across * width / 2, (points - across * width / 2)[::-1]])


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return the corners of an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def number(first: str) -> list:
    """Return the polygons of a speed limit: the figure `first` (3, 5, 6 or 8) and a nought."""
    x = -0.28
    figures = {
        "3": [arc(x, -0.185, 0.15, 0.145, -160, 85, 14), arc(x, 0.16, 0.17, 0.17, -80, 160, 16)],
        "5": [
            np.array([(x + 0.2, -0.33), (x - 0.12, -0.33), (x - 0.14, -0.06)]),
            arc(x - 0.01, 0.13, 0.17, 0.2, -125, 150, 18),
        ],
        "6": [arc(x + 0.12, 0.1, 0.27, 0.46, -75, -165, 10), arc(x, 0.15, 0.15, 0.18, 170, -190, 24)],
    }
    eight = [(x, -0.19, 0.2, 0.21), (x, 0.17, 0.23, 0.24)]
    holes = [(x, -0.19, 0.075, 0.085), (x, 0.17, 0.09, 0.1)]
    if first == "8":
        drawn = [(BLACK, arc(*ring)) for ring in eight] + [(WHITE, arc(*hole)) for hole in holes]
    else:
        drawn = [(BLACK, stroke(np.concatenate(figures[first]), 0.15))]
    return [*drawn, (BLACK, arc(0.28, 0, 0.235, 0.4)), (WHITE, arc(0.28, 0, 0.1, 0.26))]


def car(x: float, colour: tuple[int, int, int]) -> list:
    """Return the polygons of a car seen from behind, about (x, 0)."""
    body = np.array([(-0.27, 0), (-0.16, -0.24), (0.16, -0.24), (0.27, 0), (0.27, 0.2), (-0.27, 0.2)])
    window = np.array([(-0.15, -0.01), (-0.1, -0.15), (0.1, -0.15), (0.15, -0.01)])
    wheels = [box(x + side * 0.2 - 0.07, 0.18, x + side * 0.2 + 0.07, 0.32) for side in (-1, 1)]
    shift = np.array([x, 0.0])
    return [(colour, body + shift), (WHITE, window + shift), *((colour, wheel) for wheel in wheels)]


def letters() -> list:
    """Return the polygons of the word STOP."""
    s = np.concatenate([arc(-0.57, -0.13, 0.11, 0.12, -30, -270, 12), arc(-0.57, 0.12, 0.11, 0.13, -90, 150, 12)])
    return [
        (WHITE, stroke(s, 0.11)),
        (WHITE, box(-0.4, -0.31, -0.06, -0.19)),
        (WHITE, box(-0.29, -0.31, -0.17, 0.31)),
        (WHITE, arc(0.18, 0, 0.2, 0.32)),
        (RED, arc(0.18, 0, 0.085, 0.2)),
        (WHITE, box(0.44, -0.31, 0.56, 0.31)),
        (WHITE, arc(0.56, -0.11, 0.2, 0.2, -90, 90, 14)),
        (RED, arc(0.56, -0.11, 0.085, 0.085, -90, 90, 14)),
    ]


def faces() -> list[list[list]]:
    """Return for each class its variants, each a list of (colour, points `[n, 2]`), from back to front.

    The first polygon is the whole plate.
    """
    disc = [(METAL, arc(0, 0, 1, 1, n=56)), (WHITE, arc(0, 0, 0.97, 0.97, n=56))]
    red_disc, blue_disc = [*disc, (RED, arc(0, 0, 0.9, 0.9))], [*disc, (BLUE, arc(0, 0, 0.9, 0.9))]
    ring = [disc[0], (RED, arc(0, 0, 0.98, 0.98, n=56)), (WHITE, arc(0, 0, 0.72, 0.72))]
    triangle = [
        (colour, regular(3, radius, -90, corner, y=0.22))
        for colour, radius, corner in ((METAL, 1.27, 0.16), (RED, 1.24, 0.15), (WHITE, 0.8, 0.05))
    ]
    diamond = [
        (colour, regular(4, radius, -90, corner))
        for colour, radius, corner in ((METAL, 1.1, 0.14), (WHITE, 1.07, 0.13), (YELLOW, 0.76, 0.07))
    ]
    octagon = [(colour, regular(8, radius, 22.5)) for colour, radius in ((METAL, 1.07), (WHITE, 1.04), (RED, 0.95))]
    up = np.array([(0, -0.68), (0.44, -0.2), (0.15, -0.2), (0.15, 0.62), (-0.15, 0.62), (-0.15, -0.2), (-0.44, -0.2)])
    right = np.stack([-up[:, 1], up[:, 0]], axis=1)
    bang = [(BLACK, np.array([(-0.12, -0.36), (0.12, -0.36), (0.07, 0.24), (-0.07, 0.24)]))]
    bang.append((BLACK, arc(0, 0.41, 0.11, 0.11, n=20)))
    cross = [(BLACK, stroke(np.array([(-0.28 * side, -0.14), (0.28 * side, 0.5)]), 0.17)) for side in (-1, 1)]
    return [
        [[*red_disc, (WHITE, box(-0.66, -0.17, 0.66, 0.17))]],
        [octagon + letters()],
        [diamond],
        [[*blue_disc, (WHITE, -right)]],
        [[*blue_disc, (WHITE, right)]],
        [[*blue_disc, (WHITE, up)]],
        [ring + number(first) for first in "3568"],
        [ring + car(-0.31, RED) + car(0.31, BLACK)],
        [triangle + bang],
        [triangle + cross],
    ]
