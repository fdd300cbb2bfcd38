"""The page on mistakes: its smallest case holds by another library, and its references are those of the book."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "appendix" / "mistakes.ipynb"
NUMBER = re.compile(r"\b\d{4}\.\d{4,5}\b")
# Numbers that are often given for a work and belong to another one, or to none.
WRONG = {"1705.06199", "1510.00595", "1211.05929", "1705.02407", "1812.04972", "1711.11137"}
# The two means, by hand: for A, IoU (3/4 + 0)/2 and F1 (6/7 + 0)/2; for B, (1/3 + 1/3)/2 and (1/2 + 1/2)/2.
TRUTH, A, B = [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PAGE, as_version=4)


def printed(notebook) -> str:
    return "".join(o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs)


def text(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_smallest_case_is_ranked_two_ways_by_scikit_learn_too(notebook):
    iou = [jaccard_score(TRUTH, p, average="macro", zero_division=0) for p in (A, B)]
    f1 = [f1_score(TRUTH, p, average="macro", zero_division=0) for p in (A, B)]
    assert iou == pytest.approx([3 / 8, 1 / 3])
    assert f1 == pytest.approx([3 / 7, 1 / 2])
    said = printed(notebook)
    truth, a, b = (str(np.array(strip)) for strip in (TRUTH, A, B))
    assert f"truth {truth}  A {a}  B {b}" in said
    for value in (*iou, *f1):
        assert f"{value:.3f}" in said
        assert f"{value:.3f}" in text(notebook)


def test_fewer_than_four_pixels_do_not_disagree(notebook):
    said = dict(re.findall(r"(\d) pixels: largest disagreement (\d\.\d+)", printed(notebook)))
    assert said == {"1": "0.000", "2": "0.000", "3": "0.000", "4": "0.042"}
    assert min(3 / 8 - 1 / 3, 1 / 2 - 3 / 7) == pytest.approx(0.042, abs=5e-4)


def test_the_table_of_references_is_that_of_the_book(notebook):
    rows = [line for line in text(notebook).split("\n") if line.startswith("| ") and "{cite}" in line]
    right = {n for row in rows for n in NUMBER.findall(row.split("|")[2])}
    given = {n for row in rows for n in NUMBER.findall(row.split("|")[3])}
    known = set(NUMBER.findall((ROOT / "book" / "references.bib").read_text(encoding="utf-8")))
    assert len(rows) == 7
    assert right <= known
    assert given == WRONG
    assert not known & WRONG


def test_no_other_page_gives_a_wrong_number():
    others = [p for kind in ("ipynb", "md", "bib") for p in (ROOT / "book").rglob(f"*.{kind}") if p != PAGE]
    assert len(others) > 3
    for path in others:
        assert not WRONG & set(NUMBER.findall(path.read_text(encoding="utf-8"))), path


def test_each_claim_has_its_section_and_what_is_right(notebook):
    sections = re.split(r"^## (?=\d\. )", text(notebook), flags=re.MULTILINE)[1:]
    assert [section[0] for section in sections] == list("1234567")
    for section in sections:
        assert re.search(r"\*\*(Right:|What is right)\*\*", section), section[:40]
