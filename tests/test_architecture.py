"""The shape of the project, kept: who may import whom, how long things are, and which rooms belong together."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "segen"
# Data flows one way; a room imports only from those to its left.
ROOMS = ["data", "layers", "models", "losses", "metrics", "training", "show"]
JUDGES = {"checks", "recipes", "benchmarks", "tests"}
# Chapters about several modules at once, or about one that bears another name.
OF_MANY = {
    "images": ["layers"],
    "classifier": ["training"],
    "architectures": ["models"],
    "pixels": ["metrics"],
    "driving": ["data"],
    "evaluation": ["metrics"],
    "inversion": ["models"],
    "progressive_growing": ["models/progan"],
    "wgan": ["losses"],
    "spectral_normalisation": ["models"],
}

# What is passed on by names of the caller's own: the arguments that a check speaks of, the lists of a history.
ANY_NAME = {"arguments", "lists"}


def modules(package: Path = PACKAGE) -> list[Path]:
    """Return the package's files, the checks of exercises excepted."""
    return sorted(path for path in package.rglob("*.py") if "checks" not in path.relative_to(package).parts)


def room(path: Path, package: Path = PACKAGE) -> str:
    return path.relative_to(package).with_suffix("").parts[0]


def imported(source: str, path: Path, root: Path = ROOT) -> set[str]:
    """Return the absolute names of the modules that the file at `path` imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            here = path.relative_to(root).parts[: -node.level] if node.level else ()
            base = ".".join([*here, *([node.module] if node.module else [])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def trespasses(source: str, path: Path) -> list[str]:
    """Return the imports by which a file of the package reaches to its right, or to what judges it."""
    found = []
    for name in sorted(imported(source, path)):
        first, *rest = name.split(".")
        if first in JUDGES or (first == "segen" and rest and rest[0] in JUDGES):
            found.append(name)
        elif first == "segen" and rest and {rest[0], room(path)} <= {*ROOMS}:
            found += [name] * (ROOMS.index(rest[0]) > ROOMS.index(room(path)))
    return found


def code_lines(source: str) -> int:
    """Count the lines of a file that are code: no docstring, no comment, not empty."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    said = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            said |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate((line.strip() for line in source.splitlines()), start=1)
    return sum(bool(line) and not line.startswith("#") and number not in said for number, line in lines)


def swallowers(source: str) -> list[str]:
    """Return the public functions that accept any keyword, and so any misspelt one."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.args.kwarg is not None
        and node.args.kwarg.arg not in ANY_NAME
        and (not node.name.startswith("_") or node.name == "__init__")
    ]


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def chapters() -> list[Path]:
    return sorted(path for path in (ROOT / "book").glob("*/*.ipynb") if path.parent.name != "appendix")


@pytest.mark.parametrize("path", modules(), ids=names(modules()))
def test_imports_go_one_way(path):
    assert trespasses(path.read_text(encoding="utf-8"), path) == []


def test_every_room_is_known():
    assert {room(path) for path in modules()} <= {*ROOMS, "__init__", "__main__"}


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from segen.training import Trainer", "segen/models/unet.py"),
        ("from ..training import Trainer", "segen/models/unet.py"),
        ("import segen.show", "segen/losses.py"),
        ("def f():\n    from segen import metrics", "segen/data/streets.py"),
        ("from segen.checks import unet", "segen/show.py"),
        ("from . import checks", "segen/show.py"),
        ("import benchmarks.run", "segen/show.py"),
    ],
)
def test_an_import_the_wrong_way_would_be_found(line, file):
    assert trespasses(line, ROOT / file)


def test_no_file_of_the_package_is_too_long():
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in names(modules())}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_the_package_stays_small():
    """What is read to learn stays small; how the embedded world is drawn is counted apart."""
    lengths = {name: code_lines((ROOT / name).read_text(encoding="utf-8")) for name in names(modules())}
    drawing = sum(length for name, length in lengths.items() if name.startswith("segen/data/drawing/"))
    assert drawing < 1600
    assert sum(lengths.values()) - drawing < 4500
    assert code_lines('"""Says."""\n\n# why\ndef f():\n    """Says,\n\n    more."""\n    return 1\n') == 2


def test_no_public_function_swallows_misspelt_arguments():
    assert {name: found for name in names(modules()) if (found := swallowers((ROOT / name).read_text()))} == {}
    assert swallowers("class A:\n    def __init__(self, **options): ...") == ["__init__"]


def test_importing_segen_is_cheap():
    code = "import sys, json, segen; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torchvision", "matplotlib", "accelerate", "PIL", "scipy"} & set(json.loads(loaded.stdout))


@pytest.mark.parametrize("path", chapters(), ids=names(chapters()))
def test_a_chapter_has_its_rooms(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    name = path.stem
    if any("check" in cell["metadata"].get("tags", []) for cell in cells):
        assert (PACKAGE / "checks" / f"{name}.py").is_file()
    places = OF_MANY.get(name, [f"models/{name}", name, f"training/{name}"])
    files = [file for place in places for file in (PACKAGE / place, PACKAGE / f"{place}.py") if file.exists()]
    assert files
    for file in files:
        beside = ROOT / "tests" / file.relative_to(PACKAGE).parent
        assert file.is_dir() or (beside / f"test_{file.stem}.py").is_file()


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_network_has_its_test(path):
    assert (ROOT / "tests" / "models" / f"test_{path.stem}.py").is_file()
