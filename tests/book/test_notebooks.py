"""What every notebook of the book keeps to: outputs of its own code, words for pictures, exercises in five cells."""

import base64
import copy
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
PARTS = ("convolution", "segmentation", "generation")  # whose notebooks are chapters

_spec = importlib.util.spec_from_file_location("book_run", ROOT / "book" / "run.py")
book_run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(book_run)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def shows_picture(cell) -> bool:
    return any(kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {}))


def problems(notebook, *, chapter: bool) -> list[str]:
    """What `notebook` lacks, by a sentence each; a chapter has to have more than another notebook."""
    found = book_run.problems(notebook)
    cells = notebook.cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    if not text or not re.match(r"# \S", text[0]):
        found.append("It does not begin with its title.")
    if not code or "setup" not in tags(code[0]):
        found.append("Its first code cell is not tagged setup.")
    if len(code) < 2 or "imports" not in tags(code[1]):
        found.append("Its second code cell is not tagged imports.")
    for cell in code:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if shows_picture(cell) and len(alt) < 15:
            found.append(f"The picture of cell [{cell.execution_count}] has no alt text: {alt!r}")
    for source in text:
        if re.search(r"^\s*`{3,}\{", source, re.MULTILINE):
            found.append(f"A directive between backticks shows as code in Colab: {source[:60]!r}")
    labels = re.findall(r"^:label: *(\S+)", "\n".join(text), re.MULTILINE)
    if len(labels) != len(set(labels)):
        found.append(f"A label is given twice: {sorted(labels)}")
    return found + (exercise_problems(cells, text) if chapter else [])


def exercise_problems(cells, text: list[str]) -> list[str]:
    """What the card and the exercises of a chapter lack."""
    found = []
    if not any(":::{admonition}" in source for source in text[:2]):
        found.append("Below its title there is no card.")
    blocks = re.findall(r"^:{3,}\{exercise(?:-start)?\}", "\n".join(text), re.MULTILINE)
    if not 5 <= len(blocks) <= 8:
        found.append(f"It has {len(blocks)} exercises, and five to eight are wanted.")
    stubs = [index for index, cell in enumerate(cells) if "exercise" in tags(cell)]
    if len(stubs) < 3:
        found.append(f"{len(stubs)} of its exercises are checked, and three at least are wanted.")
    for index in stubs:
        found += five_cells(cells[index - 1 : index + 4])
    return found


def five_cells(cells) -> list[str]:
    """What the cells of one exercise lack: task, stub, check, solution's text, solution's code."""
    if len(cells) < 5:
        return ["An exercise is not followed by its check and its solution."]
    task, stub, check, block, solution = cells
    name = re.search(r"def (\w+)\(", stub.source)
    if name is None:
        return [f"A stub defines no function: {stub.source[:60]!r}"]
    found, name = [], name[1]
    call = f"check.{name}({name})"
    label = re.search(r"^:{3,}\{exercise\}[^\n]*\n:label: *(\S+)", task.source, re.MULTILINE)
    if task.cell_type != "markdown" or label is None:
        found.append(f"{name}: above the stub there is no {{exercise}} block with a label.")
    if "check" not in tags(check) or check.source.strip() != call:
        found.append(f"{name}: below the stub there is no cell tagged check that says {call}.")
    if block.cell_type != "markdown" or label is None or f"{{solution}} {label[1]}\n" not in block.source:
        found.append(f"{name}: below the check there is no {{solution}} block for its exercise.")
    if not {"solution", "hide-cell"} <= set(tags(solution)):
        return [*found, f"{name}: the solution's cell is not tagged solution and hide-cell."]
    if solution.metadata.get("cellView") != "form" or not solution.source.startswith("# @title Solution\n"):
        found.append(f"{name}: the solution is not folded in Colab (cellView form, first line `# @title Solution`).")
    if solution.metadata.get("jupyter", {}).get("source_hidden") is not True:
        found.append(f"{name}: the solution is not folded in JupyterLab (jupyter.source_hidden).")
    if solution.source.rstrip().splitlines()[-1] != call:
        found.append(f"{name}: the solution's cell does not end with {call}.")
    for cell, state in ((check, "not started"), (solution, "right")):
        shown = "".join(text for output in cell.outputs for text in book_run.texts(output))
        if f": {state}." not in shown:
            found.append(f"{name}: a cell that should show {state!r} shows {shown[:80]!r}")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "book").as_posix())
def test_every_notebook_of_the_book(path):
    chapter = path.relative_to(ROOT / "book").parts[0] in PARTS
    assert problems(nbformat.read(path, as_version=4), chapter=chapter) == []
    assert path.stat().st_size <= book_run.LARGEST


# The test of the test: a chapter that passes, and what is broken in it


def good_chapter():
    """Make a chapter with three checked exercises and two others, as it is after a run."""
    new = nbformat.v4
    picture = {"image/png": base64.b64encode(b"png").decode(), "text/plain": "<Figure>"}
    cells = [
        new.new_markdown_cell("# U-Net\n\n:::{admonition} The question\nWhere did the edges go?\n:::"),
        new.new_code_cell("import sys", metadata={"tags": ["setup"]}),
        new.new_code_cell("import torch", metadata={"tags": ["imports"]}),
        new.new_code_cell(
            "draw()",
            metadata={"mystnb": {"image": {"alt": "A street and its mask, side by side"}}},
            outputs=[new.new_output("display_data", data=picture)],
        ),
    ]
    for number in range(3):
        name, label = f"task_{number}", f"unet-task-{number}"
        call = f"check.{name}({name})"
        state = [new.new_output("display_data", data={"text/plain": f"{name}: {s}."}) for s in ("not started", "right")]
        cells += [
            new.new_markdown_cell(f":::{{exercise}} Do\n:label: {label}\n\nDo it.\n:::"),
            new.new_code_cell(f"def {name}(x):\n    ...", metadata={"tags": ["exercise"]}),
            new.new_code_cell(call, metadata={"tags": ["check"]}, outputs=[state[0]]),
            new.new_markdown_cell(f":::{{solution}} {label}\n:label: {label}-solution\n\nSo.\n:::"),
            new.new_code_cell(
                f"# @title Solution\ndef {name}(x):\n    return x\n\n\n{call}",
                metadata={
                    "tags": ["solution", "hide-cell"],
                    "cellView": "form",
                    "jupyter": {"source_hidden": True},
                },
                outputs=[state[1]],
            ),
        ]
    cells += [new.new_markdown_cell(f":::{{exercise}}\n:label: unet-quiz-{n}\nWhy?\n:::") for n in range(2)]
    notebook = new.new_notebook(cells=cells)
    for count, cell in enumerate(book_run.code_cells(notebook), start=1):
        cell.execution_count = count
    book_run.tidy(notebook)
    return notebook


def test_a_good_chapter_passes():
    assert problems(good_chapter(), chapter=True) == []


def _drop(notebook, index):
    del notebook.cells[index]


def _source(notebook, index, old, new):
    assert old in notebook.cells[index].source
    notebook.cells[index].source = notebook.cells[index].source.replace(old, new)


BROKEN = {
    "does not begin with its title": lambda n: _source(n, 0, "# U-Net", "U-Net"),
    "there is no card": lambda n: _source(n, 0, ":::{admonition}", ":::{note}"),
    "not tagged setup": lambda n: n.cells[1].metadata.tags.clear(),
    "not tagged imports": lambda n: n.cells[2].metadata.tags.clear(),
    "has no alt text": lambda n: n.cells[3].metadata.pop("mystnb"),
    "belong to other code": lambda n: _source(n, 3, "draw()", "draw(2)"),
    "not run once from top to bottom": lambda n: n.cells[3].update(execution_count=7),
    "kernel is not called python3": lambda n: n.metadata.kernelspec.update(name="segen"),
    "keeps the state of widgets": lambda n: n.metadata.update(widgets={}),
    "keeps the times": lambda n: n.cells[3].metadata.update(execution={}),
    "is another text elsewhere": lambda n: n.cells[3].outputs[0].data.update({"text/plain": "/home/me/x.png"}),
    "ended with ValueError": lambda n: n.cells[3].outputs.append(
        nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    ),
    "shows a widget": lambda n: n.cells[3].outputs[0].data.update({book_run.WIDGET: {}}),
    "make its pictures smaller": lambda n: n.cells[3].outputs[0].data.update({"image/png": "A" * 1_000_000}),
    "shows as code in Colab": lambda n: _source(n, 0, ":::{admonition}", "```{admonition}"),
    "A label is given twice": lambda n: _source(n, -1, "unet-quiz-1", "unet-quiz-0"),
    "It has 4 exercises": lambda n: _drop(n, -1),
    "2 of its exercises are checked": lambda n: n.cells.__delitem__(slice(4, 9)),
    "no {exercise} block": lambda n: _drop(n, 4),
    "no cell tagged check": lambda n: _source(n, 6, "check.task_0(task_0)", "check.task_0(0)"),
    "no {solution} block": lambda n: _source(n, 7, "unet-task-0", "unet-task-1"),
    "not tagged solution and hide-cell": lambda n: n.cells[8].metadata.tags.remove("hide-cell"),
    "not folded in Colab": lambda n: _source(n, 8, "# @title Solution", "# the solution"),
    "not folded in JupyterLab": lambda n: n.cells[8].metadata.pop("jupyter"),
    "does not end with check.task_0(task_0)": lambda n: _source(n, 8, "check.task_0(task_0)", "task_0"),
    "should show 'not started'": lambda n: n.cells[6].outputs.clear(),
    "should show 'right'": lambda n: n.cells[8].outputs.clear(),
}


@pytest.mark.parametrize("complaint", BROKEN)
def test_a_broken_chapter_fails(complaint):
    notebook = copy.deepcopy(good_chapter())
    BROKEN[complaint](notebook)
    assert any(complaint in problem for problem in problems(notebook, chapter=True))
