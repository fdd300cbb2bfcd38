"""The runner of notebooks, and nbval after it, on small notebooks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "book" / "run.py"


def write(path: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    """Write a notebook of code cells, as an editor would."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def texts(path: Path) -> list[str]:
    """What each cell shows, as text."""
    notebook = nbformat.read(path, as_version=4)
    return [
        "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in notebook.cells
    ]


def test_a_notebook_is_run_from_the_top_in_an_empty_folder_and_tidied(tmp_path):
    (tmp_path / "beside.txt").write_text("not to be seen")
    path = write(
        tmp_path / "a.ipynb",
        "import os\nprint(os.listdir('.'), os.environ['OMP_NUM_THREADS'])",
        "import sys\nfor i in range(3):\n    print(f'\\r{i} of 2  ', end='', file=sys.stderr, flush=True)",
        "import segen\nfrom pathlib import Path\nPath('left.txt').write_text('x')\nsegen.__version__",
        "",
    )
    done = run(path)
    assert done.returncode == 0, done.stderr
    assert "3 cells in " in done.stdout
    shown = texts(path)
    assert shown[0] == "[] 1\n"
    assert shown[1] == "2 of 2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ipynb", "beside.txt"]
    raw = path.read_text(encoding="utf-8")
    kept = json.loads(raw)
    assert raw.startswith('{\n "cells"')
    assert raw.endswith("}\n")
    assert [cell["id"] for cell in kept["cells"]] == [f"cell-{n}" for n in range(4)]
    assert [cell["execution_count"] for cell in kept["cells"]] == [1, 2, 3, None]
    assert all(set(cell["metadata"]) <= {"tags"} for cell in kept["cells"])
    assert set(kept["metadata"]) == {"kernelspec", "language_info", "segen"}
    assert run("--check", path).returncode == 0
    assert run(path).returncode == 0
    assert path.read_text(encoding="utf-8") == raw


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("print('/home/me/data')", "another text elsewhere"),
        ("object()", "another text elsewhere"),
        ("import os; os._exit(1)", "died"),
    ],
)
def test_a_notebook_that_fails_or_tells_of_its_machine_is_not_written(tmp_path, source, complaint):
    path = write(tmp_path / "a.ipynb", "print('fine')", source)
    before = path.read_bytes()
    done = run(path)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_what_was_changed_after_the_run_is_found(tmp_path):
    path = write(tmp_path / "a.ipynb", "print(1)")
    assert "Its outputs belong to other code than it holds." in run("--check", path).stderr
    assert run(path).returncode == 0
    path.write_text(path.read_text().replace("print(1)", "print(2)"))
    done = run("--check", path, tmp_path / "absent.ipynb")
    assert done.returncode == 1
    assert "Its outputs belong to other code than it holds." in done.stderr
    assert "There is no such notebook." in done.stderr


def test_a_readers_progress_is_left_alone(tmp_path):
    progress = tmp_path / "progress.json"
    path = write(
        tmp_path / "a.ipynb",
        "from segen.checks import unet as check",
        "def output_size(size, depth):\n    return 1\n\ncheck.output_size(output_size)",
    )
    assert run(path, SEGEN_PROGRESS=str(progress)).returncode == 0
    assert "Hint 1 of 3" in texts(path)[1]
    assert not progress.exists()


def nbval(folder: Path) -> subprocess.CompletedProcess:
    """Test the notebooks of `folder` as `make test` does."""
    (folder / "conftest.py").write_text((ROOT / "book" / "conftest.py").read_text())
    options = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def test_nbval_passes_what_the_runner_made_and_finds_what_changed(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "from segen.checks import unet as check",
        "def output_size(size, depth):\n    ...\n\ncheck.output_size(output_size)",
        "# @title Solution\ndef output_size(size, depth):\n    return 0\n\ncheck.output_size(output_size)",
        "print(6 * 7)",
        tags=("nbval-check-output",),
    )
    assert run(path).returncode == 0
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    path.write_text(path.read_text().replace('"42\\n"', '"43\\n"'))
    done = nbval(tmp_path)
    assert done.returncode == 1
    assert "1 failed, 3 passed" in done.stdout
