"""A chapter as it is stored, for the tests of what it says: its cells by name, what they print, what they define."""

import ast
import functools
from pathlib import Path

import nbformat

BOOK = Path(__file__).parents[2] / "book"
LEARNERS = {"exercise", "solution", "check"}


class Chapter:
    """The chapter `name`, such as "segmentation/unet"."""

    def __init__(self, name: str) -> None:
        self.path = BOOK / f"{name}.ipynb"

    @functools.cached_property
    def cells(self) -> dict:
        """All cells, by their names."""
        return {cell.id: cell for cell in nbformat.read(self.path, as_version=4).cells}

    def printed(self, *names: str) -> str:
        """What the cells of these names print, without what goes to the error stream; or what all of them print."""
        outputs = [o for name in names or self.cells for o in self.cells[name].get("outputs", [])]
        return "".join(output.get("text", "") for output in outputs if output.get("name") != "stderr")

    def prose(self, *names: str) -> str:
        """The text of the cells of these names, or of all that are not code."""
        texts = [cell.source for name, cell in self.cells.items() if cell.cell_type == "markdown"]
        return "\n".join([self.cells[name].source for name in names] if names else texts)

    def defined(self, *constants: str, given: dict | None = None, without: tuple[str, ...] = ()) -> dict:
        """Return the chapter's functions and classes as it defines them, after its imports and nothing else.

        Of what it assigns, only the names in `constants` are set. Exercises, and the cells named in `without`, are left
        out. `given` is there before anything runs.
        """
        namespace = dict(given or {})
        code = [cell for cell in self.cells.values() if cell.cell_type == "code"]
        exec(next(cell.source for cell in code if "imports" in cell.metadata.get("tags", [])), namespace)
        for cell in code:
            if LEARNERS & set(cell.metadata.get("tags", [])) or cell.id in without:
                continue
            for node in ast.parse(cell.source).body:
                named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in constants
                if named or isinstance(node, ast.FunctionDef | ast.ClassDef):
                    exec(ast.unparse(node), namespace)
        return namespace
