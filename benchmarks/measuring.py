"""How the benchmarks measure: sides take turns in blocks, and a ratio is a median with its spread."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

# Below this share of a core the machine was doing something else, and times say little.
UNDISTURBED = 0.9


@dataclass
class Row:
    """One line of the table: what was measured, what came out, what was asked for, and whether it was met.

    `busy` is the processor's time over the wall's while it was measured, or nan where that says nothing.
    """

    what: str
    result: str
    asked: str = ""
    met: bool | None = None
    busy: float = float("nan")

    def cells(self) -> list[str]:
        """Return the texts of the table's cells."""
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        busy = "" if self.busy != self.busy else f"{self.busy:.2f}"
        return [self.what, self.result, self.asked, met, busy + " disturbed" * (self.busy < UNDISTURBED)]


@dataclass
class Times:
    """The wall's seconds of each block of each side, by name, and the processor's of all of them."""

    wall: dict[str, list[float]]
    processor: float = 0.0

    @property
    def busy(self) -> float:
        """The processor's seconds over the wall's."""
        return self.processor / max(sum(map(sum, self.wall.values())), 1e-9)

    def ratios(self, side: str, other: str) -> list[float]:
        """Return `side`'s time over `other`'s, round by round: neighbours in time share the machine's moods."""
        return [a / b for a, b in zip(self.wall[side], self.wall[other], strict=True)]


def interleave(sides: dict[str, Callable[[], object]], *, seconds: float, rounds: int = 7) -> Times:
    """Run a block of each side in turn, A B A B, for `seconds` but at least `rounds` times, after one to warm up."""
    times = Times({name: [] for name in sides})
    for block in sides.values():
        block()
    began = time.perf_counter()
    while len(times.wall[name := next(iter(sides))]) < rounds or time.perf_counter() - began < seconds:
        for name, block in sides.items():
            wall, processor = time.perf_counter(), time.process_time()
            block()
            times.wall[name].append(time.perf_counter() - wall)
            times.processor += time.process_time() - processor
    return times


def spread(values: list[float], form: str = ".2f") -> str:
    """Return the text `median (least–greatest)`."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def machine() -> str:
    """Return, in a line, what the times were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return (
        f"{os.cpu_count()} cores, {model}; {platform.system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__.partition('+')[0]}, {torch.get_num_threads()} thread"
    )
