"""The sections on real data of Part I run where the data is, and say in one sentence how to get it where it is not."""

import ast
import gzip
import re
import struct
from contextlib import suppress
from pathlib import Path

import nbformat
import numpy as np
import pytest

BOOK = Path(__file__).parents[2] / "book" / "convolution"
SECTIONS = {"images": "real", "classifier": "real", "architectures": "cifar"}
TRAIN, TEST = 40, 520


def cells(chapter: str) -> list:
    return [c for c in nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4).cells if c.cell_type == "code"]


def section(chapter: str) -> tuple[str, dict]:
    """The cell's source, of two steps only, and the functions, classes and constants of the chapter before it."""
    namespace: dict = {}
    for cell in cells(chapter):
        if cell.id == SECTIONS[chapter]:
            return re.sub(r"(steps|decay)=\d+", r"\1=2", cell.source), namespace
        tags = set(cell.metadata.get("tags", []))
        if "imports" in tags:
            exec(cell.source, namespace)
        elif not {"setup", "exercise", "solution"} & tags:
            for node in ast.parse(cell.source).body:
                constant = getattr(getattr(node, "targets", [None])[0], "id", "").isupper()
                if constant or isinstance(node, ast.FunctionDef | ast.ClassDef):
                    with suppress(NameError):  # a constant or a default of something that was computed
                        exec(ast.unparse(node), namespace)
    raise AssertionError(f"{chapter} has no cell {SECTIONS[chapter]}")


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """A folder with the two sets in small, of noise, laid out as they are published."""
    random, arrays = np.random.default_rng(0), {}
    (tmp_path / "FashionMNIST").mkdir()
    for split, stem, n in (("train", "train", TRAIN), ("test", "t10k", TEST)):
        arrays[f"x_{split}"] = random.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{split}"] = random.integers(0, 10, n, dtype=np.uint8)
        pixels = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        (tmp_path / "FashionMNIST" / f"{stem}-images-idx3-ubyte.gz").write_bytes(idx(pixels))
        (tmp_path / "FashionMNIST" / f"{stem}-labels-idx1-ubyte.gz").write_bytes(idx(arrays[f"y_{split}"]))
    np.savez(tmp_path / "cifar10_subset_lossless.npz", **arrays)
    monkeypatch.setenv("SEGEN_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("chapter", SECTIONS)
def test_where_the_data_is_the_section_runs(chapter, data, capsys) -> None:
    source, namespace = section(chapter)
    capsys.readouterr()
    exec(source, namespace)
    said = capsys.readouterr().out
    assert "was looked for" not in said
    scores = [float(number) for number in re.findall(r"accuracy'?:? (0\.\d+|1\.0)", said)]
    assert scores
    assert all(0 <= score < 0.4 for score in scores), said  # it is noise


@pytest.mark.parametrize("chapter", SECTIONS)
def test_where_it_is_not_the_section_says_how_to_get_it(chapter, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SEGEN_DATA", str(tmp_path / "nothing"))
    source, namespace = section(chapter)
    capsys.readouterr()
    exec(source, namespace)
    said = " ".join(capsys.readouterr().out.split())
    name = "FashionMNIST" if chapter == "images" else "CIFAR10"
    assert re.fullmatch(
        rf".* was looked for in .*nothing and is not there; call {name}\(download=True\), or put .*\.", said
    )


@pytest.mark.parametrize("chapter", SECTIONS)
def test_the_page_shows_the_sentence(chapter) -> None:
    """The book is made without the data: its readers see how to get it."""
    (cell,) = [cell for cell in cells(chapter) if cell.id == SECTIONS[chapter]]
    said = " ".join("".join(output.get("text", "") for output in cell.outputs).split())
    assert "download=True" in said
    assert said.count(". ") == 0
