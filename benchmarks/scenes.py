"""How many scenes and signs are drawn in a second on one core?"""

import itertools
import statistics
from collections.abc import Callable

from measuring import Row, interleave, spread

from segen.data import RoadSigns, StreetScenes


def measure(seconds: float = 40.0, *, rounds: int = 7, count: int = 64) -> list[Row]:
    """Return a row for each set: pictures a second, in blocks of `count` (an eighth of that at 256×256)."""
    few = max(1, count // 8)
    sets: dict[str, tuple[int, Callable]] = {
        "StreetScenes at 64×64": (count, lambda seed: StreetScenes(count, seed=seed)),
        "StreetScenes at 64×64, mixed weather": (count, lambda seed: StreetScenes(count, seed=seed, weather="mixed")),
        "StreetScenes at 256×256": (few, lambda seed: StreetScenes(few, size=(256, 256), seed=seed)),
        "RoadSigns at 32×32": (count, lambda seed: RoadSigns(count, seed=seed)),
    }

    def block(make):
        seeds = itertools.count()  # scenes that are drawn are kept, so each block draws others

        def run():
            for _ in make(next(seeds)):
                pass

        return run

    times = interleave({name: block(make) for name, (_, make) in sets.items()}, seconds=seconds, rounds=rounds)
    rows = []
    for name, (drawn, _) in sets.items():
        speed = [drawn / t for t in times.wall[name]]
        asked = "at least 100" if name == "StreetScenes at 64×64" else ""
        met = statistics.median(speed) >= 100 if asked else None
        rows.append(Row(f"{name}, drawn a second", spread(speed, ".0f"), asked, met, times.busy))
    return rows
