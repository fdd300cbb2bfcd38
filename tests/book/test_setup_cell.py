"""The set-up cell: one text for all notebooks, that does nothing outside Colab."""

import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "book" / "setup_cell.py").read_text().rstrip("\n")
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_has_the_one_setup_cell_before_all_other_code(path):
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "setup" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1, "exactly one cell is tagged `setup`"
    assert tagged[0] is code[0], "it is the first code cell"
    assert tagged[0].source == TEXT, "its text is that of book/setup_cell.py, to the letter"


def test_it_installs_the_project_with_what_the_chapters_use():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'"{project["name"]}[book] @ git+{project["urls"]["Repository"]}"' in TEXT
    assert "book" in project["optional-dependencies"]


# Runs the cell with every way to start a program watched.
WATCHED = """
import subprocess, sys, types
calls = []
subprocess.run = lambda command, **settings: calls.append(command)
if {colab}:
    sys.modules["google"] = types.ModuleType("google")
    sys.modules["google.colab"] = types.ModuleType("google.colab")
exec(open({path!r}).read())
print(calls)
"""


@pytest.mark.parametrize("colab", [False, True])
def test_it_does_nothing_outside_colab(colab):
    code = WATCHED.format(colab=colab, path=str(ROOT / "book" / "setup_cell.py"))
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if colab:
        assert "'pip', 'install', '-q', 'segen[book] @ git+https://" in shown
    else:
        assert shown == "[]"
