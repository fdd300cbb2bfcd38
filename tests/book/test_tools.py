"""The page on tools: each block prints what the page says it prints, and the text names no other decimal number."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "appendix" / "tools.md"
# A block of Python, and the block of text that stands right below it, if there is one.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)

# Runs blocks one after the other in one namespace, and gives back what each printed.
RUNNER = """
import contextlib, io, json, sys
printed, namespace = [], {"__name__": "__main__"}
for number, block in enumerate(json.load(sys.stdin), start=1):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(block, f"block {number}", "exec"), namespace)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


def plain(text: str | None) -> list[str]:
    """The lines of `text` without what cannot be seen."""
    return [line.rstrip() for line in (text or "").rstrip().split("\n")]


def run(page: str, folder: Path) -> list[str]:
    """What the blocks of `page` print, each by itself, when all are run in a fresh process."""
    blocks = json.dumps([code for code, _ in BLOCK.findall(page)])
    environment = {**os.environ, "KERAS_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", RUNNER]
    ran = subprocess.run(command, input=blocks, capture_output=True, text=True, cwd=folder, env=environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def differences(page: str, printed: list[str]) -> list[str]:
    """A sentence for each block of `page` below which there stands something else than it printed."""
    stated = [text for _, text in BLOCK.findall(page)]
    assert len(stated) == len(printed)
    return [
        f"Block {number} prints {plain(is_)} and the page says {plain(said)}."
        for number, (said, is_) in enumerate(zip(stated, printed, strict=True), start=1)
        if plain(said) != plain(is_)
    ]


def prose(page: str) -> str:
    """The text of `page` without code, formulas and addresses."""
    return re.sub(r"^```.*?^```|`[^`\n]*`|\$[^$\n]*\$|\]\([^)]*\)", " ", page, flags=re.MULTILINE | re.DOTALL)


def unfounded(page: str) -> list[str]:
    """The decimal numbers in the prose of `page` that none of its blocks prints."""
    shown = set(re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", " ".join(text for _, text in BLOCK.findall(page))))
    return [n for n in re.findall(r"[-−]?\d+\.\d+(?:e-?\d+)?", prose(page)) if n.replace("−", "-") not in shown]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(page, tmp_path_factory) -> list[str]:
    return run(page, tmp_path_factory.mktemp("tools"))


def test_every_block_prints_what_the_page_says(page, printed):
    assert len(printed) > 20
    assert differences(page, printed) == []


def test_every_fence_is_seen(page):
    """No block of code or output escapes the comparison by standing elsewhere."""
    found = BLOCK.findall(page)
    assert len(re.findall(r"^```", page, re.MULTILINE)) == 2 * sum(1 + bool(text) for _, text in found)


def test_a_changed_number_is_found(page, printed):
    """The control: each digit-bearing output, with one digit changed, is no longer what its block prints."""
    changed = 0
    for match in BLOCK.finditer(page):
        if match[2] and (digit := re.search(r"\d", match[2])):
            at = match.start(2) + digit.start()
            wrong = page[:at] + str((int(page[at]) + 1) % 10) + page[at + 1 :]
            assert len(differences(wrong, printed)) == 1
            changed += 1
    assert changed > 20


def test_an_output_left_out_is_found(page, printed):
    without = re.sub(r"\n```text\n.*?^```\n", "", page, count=1, flags=re.MULTILINE | re.DOTALL)
    assert len(differences(without, printed)) == 1


def test_changed_code_is_found(tmp_path):
    small = "```python\nx = 2\n```\n\n```python\nprint(x + 1)\n```\n\n```text\n3\n```\n"
    assert differences(small, run(small, tmp_path)) == []
    assert differences(small, run(small.replace("x = 2", "x = 3"), tmp_path)) != []


def test_the_prose_names_no_number_that_is_not_printed(page):
    assert unfounded(page) == []
    assert unfounded(page + "\nIt is 0.123 then, and −0.6 or 0.99.\n") == ["0.123"]
