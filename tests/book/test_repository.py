"""The public address stands in pyproject.toml; every other place agrees with it and `make repository` moves them."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
OWNER, NAME = ADDRESS.removeprefix("https://github.com/").split("/")
# In two pieces, since this file is itself in the tree that is moved there and back.
OTHER_OWNER, OTHER_NAME = "Some-Body", "another.name"
ELSEWHERE = f"https://github.com/{OTHER_OWNER}/{OTHER_NAME}"


def text_of(path: Path) -> str:
    """Return what a text file holds, and nothing for another file."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", "replace")


def move(root: Path, url: str) -> subprocess.CompletedProcess:
    """Run the script on the tree at `root`."""
    command = [sys.executable, str(ROOT / "book" / "repository.py"), url, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory, project_files):
    """A copy of the tree, and a notebook with every spelling of the address in an unusual format."""
    root = tmp_path_factory.mktemp("tree") / "segen"
    for path in project_files:
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    source = (ROOT / "book" / "setup_cell.py").read_text()
    code = {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [], "metadata": {}}
    code |= {"execution_count": 1, "id": "a"}
    links = (
        f"[Colab](https://colab.research.google.com/github/{OWNER}/{NAME}/blob/main/a.ipynb), "
        f"[site](https://{OWNER.lower()}.github.io/{NAME}/a.html), clone {ADDRESS}.git, or {ADDRESS}. "
        f"Not ours: {ADDRESS}-data and {ADDRESS}2 and {ADDRESS}.data."
    )
    notebook = {
        "cells": [{"cell_type": "markdown", "metadata": {}, "source": [links], "id": "b"}, code],
        "metadata": {"segen": {"code_sha256": hashlib.sha256(json.dumps([source.rstrip("\n")]).encode()).hexdigest()}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    code["source"][-1] = code["source"][-1].rstrip("\n")
    (root / "book" / "odd.ipynb").write_text(json.dumps(notebook, indent=3) + "\n\n")
    (root / "_build").mkdir(exist_ok=True)
    (root / "_build" / "page.html").write_text(ADDRESS)
    (root / "segen" / "assets").mkdir(exist_ok=True)
    (root / "segen" / "assets" / "odd.bin").write_bytes(b"\0" + ADDRESS.encode())
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_address_is_the_one_of_pyproject(project_files):
    # Any address that ends in the project's name and is not somebody else's project of that name is ours.
    patterns = [
        rf"https://github\.com/([\w.-]+/{re.escape(NAME)})(?![\w-])",
        rf"colab\.research\.google\.com/github/([\w.-]+/{re.escape(NAME)})(?![\w-])",
        rf"https://([\w-]+)\.github\.io/{re.escape(NAME)}(?![\w-])",
    ]
    examples = ("https://github.com/you/segen", "https://github.com/OWNER/NAME")  # in usage texts
    places = set()
    for path in project_files:
        if path == Path(__file__):
            continue
        text = text_of(path)
        for example in examples:
            text = text.replace(example, "")
        for pattern in patterns:
            for found in re.findall(pattern, text):
                assert found in (f"{OWNER}/{NAME}", OWNER.lower()), f"{path.relative_to(ROOT)} has {found}"
                places.add(str(path.relative_to(ROOT)))
    assert {"pyproject.toml", "_config.yml", "book/setup_cell.py"} <= places


def test_every_place_moves_and_moves_back(copy):
    before = contents(copy)
    ours = re.compile(re.escape(ADDRESS).encode() + rb"(?![\w-]|\.(?!git\b)\w)")
    expected = {name for name, data in before.items() if ours.search(data)} - {
        "_build/page.html",
        "segen/assets/odd.bin",
    }
    assert {"pyproject.toml", "_config.yml", "book/setup_cell.py", "book/odd.ipynb"} <= expected

    done = move(copy, ELSEWHERE + ".git/")  # as git prints it
    assert done.returncode == 0, done.stderr
    assert expected <= set(done.stdout.split())
    moved = contents(copy)
    assert {name for name in before if before[name] != moved[name]} == set(done.stdout.split())
    assert tomllib.loads(moved["pyproject.toml"].decode())["project"]["urls"]["Repository"] == ELSEWHERE
    assert not [name for name in expected if ours.search(moved[name])]
    assert f'git+{ELSEWHERE}"' in moved["book/setup_cell.py"].decode()

    text = moved["book/odd.ipynb"].decode()
    notebook = json.loads(text)
    assert f"colab.research.google.com/github/{OTHER_OWNER}/{OTHER_NAME}/blob/main/a.ipynb" in text
    assert f"https://{OTHER_OWNER.lower()}.github.io/{OTHER_NAME}/a.html" in text
    assert f"clone {ELSEWHERE}.git, or {ELSEWHERE}. Not ours: {ADDRESS}-data and {ADDRESS}2 and {ADDRESS}.data" in text
    code = "".join(notebook["cells"][1]["source"])
    assert notebook["metadata"]["segen"]["code_sha256"] == hashlib.sha256(json.dumps([code]).encode()).hexdigest()
    assert text.startswith('{\n   "cells"')  # its odd format is kept

    assert move(copy, ADDRESS).returncode == 0
    assert contents(copy) == before


def test_moving_to_where_it_is_changes_nothing(copy):
    before = contents(copy)
    done = move(copy, ADDRESS)
    assert (done.returncode, done.stdout) == (0, "")
    assert contents(copy) == before


@pytest.mark.parametrize("url", ["segen", "https://example.org/a/b", "https://github.com/only"])
def test_what_is_no_address_is_refused_and_nothing_changes(copy, url):
    before = contents(copy)
    done = move(copy, url)
    assert done.returncode == 1
    assert re.fullmatch(rf"{re.escape(repr(url))} is no repository's address; give one like .*\.\n", done.stderr)
    assert contents(copy) == before
