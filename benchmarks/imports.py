"""How long does `import segen` take beside `import torch`, each in a fresh process?"""

import statistics
import subprocess
import sys

from measuring import Row, interleave, spread

STATEMENTS = {
    "import segen": "import segen",
    "from segen.models import UNet": "from segen.models import UNet",
    "from segen.training import SegmentationTrainer": "from segen.training import SegmentationTrainer",
}


def start(statement: str) -> None:
    """Start Python, execute the statement, and wait for the end."""
    subprocess.run([sys.executable, "-c", statement], check=True)


def measure(seconds: float = 0.0, *, rounds: int = 9) -> list[Row]:
    """Return a row for each statement: the time of a process that executes it over one that imports torch."""
    sides = {name: (lambda statement=statement: start(statement)) for name, statement in STATEMENTS.items()}
    times = interleave({"torch": lambda: start("import torch"), **sides}, seconds=seconds, rounds=rounds)
    rows = []
    for name in STATEMENTS:
        ratios = times.ratios(name, "torch")
        asked = "at most 1.1" if name == "import segen" else ""
        # The medians of either side, as asked, which is not the median of the ratios.
        ratio = statistics.median(times.wall[name]) / statistics.median(times.wall["torch"])
        result = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        rows.append(Row(f"`{name}` over `import torch`, time", result, asked, ratio <= 1.1 if asked else None))
    rows.append(Row("`import torch`, seconds", spread(times.wall["torch"])))
    return rows
