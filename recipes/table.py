"""What all recipes share: which rows of a stored table are missing, train them, and write each when it is done.

A recipe `recipes/NAME.py` fills `segen/assets/NAME.json`, which `segen.results("NAME")` reads. It says what its rows
are (`GRID`), what one of them is for one seed (`run`), and ends in `fill("NAME", GRID, run, seeds=…, fixed=…)`. What
it trains for others to use it hands to `ship`.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import save
from torch import nn

from segen.models import pretrained

ROOT = Path(__file__).parent.parent


def path(name: str) -> Path:
    """Return where the table `name` is stored."""
    return ROOT / "segen" / "assets" / f"{name}.json"


def read(name: str) -> list[dict]:
    """Return the rows of the table `name` that are stored, none if there is no such table yet."""
    return json.loads(path(name).read_text(encoding="utf-8"))["rows"] if path(name).is_file() else []


def write(name: str, rows: list[dict]) -> None:
    """Store `rows` as the table `name`, one a line: written beside and renamed, so that no half table is left."""
    beside = path(name).with_suffix(".json.part")
    text = ",\n  ".join(json.dumps(row, allow_nan=False) for row in rows)
    beside.write_text(f'{{"rows": [\n  {text}\n]}}\n', encoding="utf-8")
    os.replace(beside, path(name))


def commit() -> str:
    """Return the short name of the commit that is checked out."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def rounded(value):
    """Return a number with four decimals, a list of such numbers, and everything else as it is."""
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def fill(name: str, grid: list[dict], run: Callable, *, seeds: tuple[int, ...], fixed: dict) -> None:
    """Train the rows of `grid` (settings that tell rows apart) that the table `name` lacks, and add each when done.

    `run((settings, seed))` trains and scores one of them on one thread and returns its values by name, with
    "seconds" among them. A row is its settings, what is `fixed` for all, recipe, commit, seeds, the seconds of all
    seeds together, and each other value as a list with one for each seed. On the command line `--rows 3` stops after
    three rows, and `--processes 1` trains one run at a time, not two.
    """
    parser = argparse.ArgumentParser(description=f"Train the rows that segen/assets/{name}.json lacks.")
    parser.add_argument("--rows", type=int, default=len(grid), help="stop after so many rows (all)")
    parser.add_argument("--processes", type=int, default=2, help="how many runs at a time (2)")
    asked = parser.parse_args()
    rows, named = read(name), commit()
    missing = [settings for settings in grid if not any(settings.items() <= row.items() for row in rows)][: asked.rows]
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes that follow
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        results = pool.imap(run, [(settings, seed) for settings in missing for seed in seeds])
        for settings in missing:
            runs = [next(results) for _ in seeds]
            row = settings | fixed | {"recipe": f"recipes/{name}.py", "commit": named, "seeds": list(seeds)}
            row["seconds"] = round(sum(r.pop("seconds") for r in runs), 1)
            row |= {value: [rounded(r[value]) for r in runs] for value in runs[0]}
            rows = sorted([*rows, row], key=lambda row: place(row, grid))
            write(name, rows)
            print(json.dumps(row), flush=True)


def place(row: dict, grid: list[dict]) -> int:
    """Return a row's place in `grid`; what is of no row any more comes last."""
    return next((i for i, settings in enumerate(grid) if settings.items() <= row.items()), len(grid))


def ship(name: str, network: nn.Module, card: dict) -> nn.Module:
    """Store the weights of `network` in half precision, with its `card`, as `pretrained(name)` reads them; return that.

    Raises ValueError if a weight is not finite in half precision.
    """
    whole = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    half = {key: value.half() if value.is_floating_point() else value for key, value in whole.items()}
    for key, value in half.items():
        if not value.isfinite().all():
            raise ValueError(f"The weight {key} is not finite in half precision; train with smaller weights.")
    file = path(name).with_suffix(".safetensors")
    beside = file.with_suffix(".safetensors.part")
    beside.write_bytes(save(half, metadata={"card": json.dumps(card, allow_nan=False)}))
    os.replace(beside, file)
    return pretrained(name)
