"""The matrix of exercises, over every notebook of the book: stub, solution and misconceptions before their judge."""

import ast
import importlib
import importlib.util
from pathlib import Path

import nbformat
import pytest
import torch

from segen.checks.judging import EXERCISES, NOT_STARTED, RIGHT, WRONG, Exercise

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
MISCONCEPTIONS = Path(__file__).parent / "misconceptions"
JUDGES = sorted(p.stem for p in (ROOT / "segen" / "checks").glob("*.py") if p.stem not in ("__init__", "judging"))


# Reading a notebook


def tagged(cell, tag: str) -> bool:
    return cell.cell_type == "code" and tag in cell.metadata.get("tags", [])


def statements(cell) -> list[ast.stmt]:
    """The statements of a code cell, without the lines that only IPython understands."""
    lines = cell.source.splitlines()
    return ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)).body


def checked(statement: ast.stmt) -> str | None:
    """The name of the exercise if the statement is `check.NAME(NAME)`."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("check"), name), [ast.Name(argument)], [])) if name == argument:
            return name
    return None


def calls_check(statement: ast.stmt) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "check" for n in ast.walk(statement) if isinstance(n, ast.Name))


def chapter_of(notebook) -> str | None:
    """The chapter whose judges the notebook imports as `check`."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "segen.checks" in cell.source:
            for statement in statements(cell):
                if isinstance(statement, ast.ImportFrom) and statement.module == "segen.checks":
                    for alias in statement.names:
                        if alias.asname == "check":
                            return alias.name
    return None


def defined(cell, imports, name: str):
    """The function `name` that the cell defines after the cell of imports, its check not called; or None."""
    kept = [statement for statement in statements(cell) if not checked(statement)]
    space: dict = {"__name__": "__main__"}
    for body in ([] if imports is None else statements(imports), kept):
        exec(compile(ast.Module(body, type_ignores=[]), "<cell>", "exec"), space)
    return space.get(name)


def misconceptions(folder: Path, chapter: str, name: str) -> dict:
    """The wrong answers kept for an exercise, by the name of their idea."""
    file = folder / f"{chapter}.py"
    if not file.is_file():
        return {}
    spec = importlib.util.spec_from_file_location(f"misconceptions_{chapter}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prefix = f"{name}__"
    return {key.removeprefix(prefix): value for key, value in vars(module).items() if key.startswith(prefix)}


# The matrix


def problems_of_exercise(exercise: Exercise, stub, solution, wrong: dict) -> list[str]:
    """What is amiss with a judge, before the stub, the solution, the misconceptions and some nonsense."""
    found, name = [], exercise.name
    if stub is None or exercise.judge(stub).state != NOT_STARTED:
        found.append(f"{name}: the stub is not judged as not started.")
    for seed in range(3):
        verdict = None if solution is None else exercise.judge(solution, seed=seed)
        if verdict is None or verdict.state != RIGHT:
            found.append(f"{name}: the solution is not judged as right (seed {seed}): {verdict}")
    if len(wrong) < 3:
        found.append(f"{name}: {len(wrong)} misconceptions are held, and three at least are needed.")
    messages: dict[str, str] = {}
    for idea, answer in wrong.items():
        if not answer.__doc__:
            found.append(f"{name}: the misconception {idea} does not say what it is.")
        for seed in range(2):
            verdict = exercise.judge(answer, seed=seed)
            if verdict.state != WRONG:
                found.append(f"{name}: the misconception {idea} passes (seed {seed}).")
        verdict = exercise.judge(answer)
        if not verdict.says:
            found.append(f"{name}: the misconception {idea} is not recognised: {verdict}")
        elif verdict.says in messages:
            found.append(f"{name}: {idea} and {messages[verdict.says]} get one message: {verdict.says}")
        messages[verdict.says] = idea
    first = next(exercise.cases(torch.Generator().manual_seed(0))).expected
    nonsense = [None, 0, 1, True, "x", [], float("nan"), torch.zeros(1), torch.zeros(0), first, object(), {}]
    for constant in nonsense:
        for answer in (constant, lambda *_, constant=constant: constant):
            if not isinstance(constant, type) and exercise.judge(answer).state == RIGHT:
                found.append(f"{name}: the constant {constant!r} passes.")
    for answer in (lambda *given: given[0], lambda *given: given[-1], lambda: None, int, torch.nn.Identity()):
        if exercise.judge(answer).state == RIGHT:
            found.append(f"{name}: {answer!r} passes.")
    if len(set(exercise.hints)) != 3:
        found.append(f"{name}: three hints are needed, for the first, second and third wrong try.")
    return found


def problems(path: Path, folder: Path = MISCONCEPTIONS) -> list[str]:
    """What is amiss with the checked exercises of the notebook at `path`, by a sentence each."""
    notebook = nbformat.read(path, as_version=4)
    cells, found = notebook.cells, []
    chapter = chapter_of(notebook)
    imports = next((cell for cell in cells if tagged(cell, "imports")), None)
    names = []
    for cell in cells:
        if cell.cell_type != "code" or "check." not in cell.source or tagged(cell, "solution"):
            continue
        body = statements(cell)
        called = [checked(statement) for statement in body if calls_check(statement)]
        if not called:
            continue
        if len(body) != 1 or None in called or not tagged(cell, "check"):
            found.append(f"A check is one line `check.NAME(NAME)` in a cell tagged check, not: {cell.source!r}")
        names += [name for name in called if name]
    if names and chapter is None:
        return [*found, "It checks exercises without `from segen.checks import CHAPTER as check`."]
    judges = {}
    if chapter is not None:
        importlib.import_module(f"segen.checks.{chapter}")
        judges = EXERCISES[chapter]
    for cell in cells:
        if tagged(cell, "exercise") or tagged(cell, "solution"):
            functions = [s.name for s in statements(cell) if isinstance(s, ast.FunctionDef)]
            if not set(functions) & set(names):
                found.append(f"No cell checks what this one defines: {functions or cell.source!r}")
    for name in sorted(set(names), key=names.index):
        if name not in judges:
            found.append(f"{name}: segen.checks.{chapter} has no such judge.")
            continue

        def of(tag: str, name: str = name):
            return next((c for c in cells if tagged(c, tag) and f"def {name}(" in c.source), None)

        stub, solution = of("exercise"), of("solution")
        if solution is not None:
            if [checked(s) for s in statements(solution)][-1] != name:
                found.append(f"{name}: the solution's cell does not end with its check.")
            above = cells[cells.index(solution) - 1]
            if above.cell_type != "markdown" or "{solution}" not in above.source:
                found.append(f"{name}: above the solution's cell there is no {{solution}} block.")
        found += problems_of_exercise(
            judges[name],
            None if stub is None else defined(stub, imports, name),
            None if solution is None else defined(solution, imports, name),
            misconceptions(folder, chapter, name),
        )
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "book").as_posix())
def test_every_exercise_of_the_book(path):
    assert problems(path) == []


@pytest.mark.parametrize("chapter", JUDGES)
def test_every_judge_is_used_by_a_notebook(chapter):
    importlib.import_module(f"segen.checks.{chapter}")
    used = set()
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        if chapter_of(notebook) == chapter:
            bodies = [statements(cell) for cell in notebook.cells if tagged(cell, "check")]
            used |= {checked(statement) for body in bodies for statement in body}
    assert set(EXERCISES[chapter]) <= used


@pytest.mark.parametrize("chapter", JUDGES)
def test_every_misconception_belongs_to_a_judge(chapter):
    importlib.import_module(f"segen.checks.{chapter}")
    file = (MISCONCEPTIONS / f"{chapter}.py").read_text(encoding="utf-8")
    names = [s.name for s in ast.parse(file).body if isinstance(s, ast.FunctionDef) and "__" in s.name]
    assert {name.split("__")[0] for name in names} == set(EXERCISES[chapter])


# The test of the test: a notebook in which one thing is missing

STUB = '''def output_size(size, depth=4):
    """The side of the output."""
    ...
'''
SOLUTION = """# @title Solution
def output_size(size, depth=4):
    for _ in range(depth):
        size -= 4
        if size <= 0 or size % 2:
            raise ValueError
        size //= 2
    size -= 4
    for _ in range(depth):
        size = 2 * size - 4
    if size <= 0:
        raise ValueError
    return size


check.output_size(output_size)"""


def small_notebook(folder: Path, *, without: str = "", solution: str = SOLUTION, stub: str = STUB) -> Path:
    """Write a notebook with one exercise, from which the part named `without` is missing."""

    def code(source: str, *tags: str):
        return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})

    parts = {
        "imports": code("from segen.checks import unet as check\n%matplotlib inline", "imports"),
        "task": nbformat.v4.new_markdown_cell(":::{exercise}\n:label: unet-output-size\nHow large?\n:::"),
        "stub": code(stub, "exercise"),
        "check": code("check.output_size(output_size)", "check"),
        "block": nbformat.v4.new_markdown_cell(":::{solution} unet-output-size\nSo.\n:::"),
        "solution": code(solution, "solution", "hide-cell"),
    }
    cells = [cell for name, cell in parts.items() if name != without]
    path = folder / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_whole_exercise_passes(tmp_path):
    assert problems(small_notebook(tmp_path)) == []


@pytest.mark.parametrize(
    ("without", "complaint"),
    [
        ("solution", "the solution is not judged as right"),
        ("stub", "the stub is not judged as not started"),
        ("check", "No cell checks what this one defines"),
        ("block", "no {solution} block"),
        ("imports", "without `from segen.checks import"),
    ],
)
def test_an_exercise_that_lacks_something_fails(tmp_path, without, complaint):
    assert any(complaint in problem for problem in problems(small_notebook(tmp_path, without=without)))


def test_an_exercise_without_misconceptions_fails(tmp_path):
    found = problems(small_notebook(tmp_path), folder=tmp_path)
    assert any("0 misconceptions are held" in problem for problem in found)


def test_a_misconception_that_passes_fails(tmp_path):
    right = SOLUTION.replace("check.output_size(output_size)", "").replace("# @title Solution\n", "")
    copies = "\n".join(right.replace("def output_size", f"def output_size__idea{i}") for i in range(3))
    (tmp_path / "unet.py").write_text(copies, encoding="utf-8")
    assert any("passes" in problem for problem in problems(small_notebook(tmp_path), folder=tmp_path))


def test_misconceptions_that_get_one_message_fail(tmp_path):
    copies = "\n".join(f'def output_size__idea{i}(size, depth):\n    "Padded."\n    return size\n' for i in range(3))
    (tmp_path / "unet.py").write_text(copies, encoding="utf-8")
    assert any("get one message" in problem for problem in problems(small_notebook(tmp_path), folder=tmp_path))


def test_a_stub_that_answers_and_a_wrong_solution_fail(tmp_path):
    wrong = SOLUTION.replace("size -= 4", "size -= 2", 1)
    found = problems(small_notebook(tmp_path, solution=wrong, stub=STUB.replace("...", "return 388")))
    assert any("the stub is not judged" in problem for problem in found)
    assert any("the solution is not judged as right" in problem for problem in found)
