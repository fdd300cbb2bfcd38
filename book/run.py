"""Run notebooks from the top in a fresh kernel and keep what they print: `python book/run.py NOTEBOOK...`.

A notebook is written only if every cell ran and nothing that belongs to one machine or moment is left in it.
`python book/run.py --check NOTEBOOK...` runs nothing and says whether the outputs kept belong to the code.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
LARGEST = 1_000_000  # bytes of a notebook file
WIDGET = "application/vnd.jupyter.widget-view+json"
# What would be another text on another machine, or in the next run.
FOREIGN = [r"/(?:home|root|tmp|work|Users)/[^\s'\"<]*", r"<[^<>]* at 0x[0-9a-f]{6,}>"]
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted", "papermill", "lines_to_next_cell")


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the cells that a kernel runs: the code cells that are not empty."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """Return the SHA-256 of all code, cell by cell, as 64 hexadecimal digits."""
    sources = json.dumps([cell.source for cell in code_cells(notebook)], ensure_ascii=False)
    return hashlib.sha256(sources.encode()).hexdigest()


def last_lines(text: str) -> str:
    """Return what a terminal would show of `text`: after a carriage return a line begins anew."""
    shown = []
    for line in text.split("\n"):
        parts = [part for part in line.split("\r") if part.strip()]
        shown.append(parts[-1].rstrip() if parts else "")
    return "\n".join(shown)


def tidy_outputs(outputs: list) -> list:
    """Return a cell's outputs with each stream in one piece, progress bars at their end and no widgets."""
    streams, tidy = {}, []
    for output in outputs:
        if output.output_type == "stream":
            # All that goes to one stream of a cell is joined: the parts in which it arrives are an accident.
            if output.name in streams:
                streams[output.name].text += output.text
                continue
            streams[output.name] = output
        elif WIDGET in output.get("data", {}):
            continue
        tidy.append(output)
    for stream in streams.values():
        stream.text = last_lines(stream.text)
    return [output for output in tidy if output.output_type != "stream" or output.text.strip()]


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Take from `notebook`, in place, all that one run or one editor has left there, and sign its code."""
    for cell in notebook.cells:
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs)
    for key in ("widgets", "jupytext", "vscode"):
        notebook.metadata.pop(key, None)
    notebook.metadata.kernelspec = KERNEL
    notebook.metadata.language_info = LANGUAGE
    notebook.metadata.segen = {"code_sha256": code_hash(notebook)}


def texts(output: nbformat.NotebookNode) -> list[str]:
    """Return the texts of one output: never a picture's base64, in which anything may stand by chance."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    return [str(value) for kind, value in output.data.items() if kind.startswith("text/") or "xml" in kind]


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Return a sentence for each reason why the outputs in `notebook` cannot be published."""
    found = []
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("Its kernel is not called python3.")
    if notebook.metadata.get("segen", {}).get("code_sha256") != code_hash(notebook):
        found.append("Its outputs belong to other code than it holds.")
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"Its cells were not run once from top to bottom: execution counts {counts}.")
    if "widgets" in notebook.metadata:
        found.append("It keeps the state of widgets.")
    for number, cell in enumerate(code_cells(notebook), start=1):
        if "execution" in cell.metadata:
            found.append(f"Cell [{number}] keeps the times at which it ran.")
        for output in cell.outputs:
            if WIDGET in output.get("data", {}):
                found.append(f"Cell [{number}] shows a widget, which nobody else can see.")
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                found.append(f"Cell [{number}] ended with {output.ename}.")
            for text in texts(output):
                # Terminals colour: a path may be cut by an escape sequence.
                plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
                for match in (match for pattern in FOREIGN if (match := re.search(pattern, plain))):
                    found.append(f"Cell [{number}] prints {match[0]!r}, which is another text elsewhere.")
    size = len(nbformat.writes(notebook).encode())
    if size > LARGEST:
        found.append(f"It has {size:,} bytes, and {LARGEST:,} are allowed: make its pictures smaller.")
    return found


class _Client(NotebookClient):
    """The client that notes, before the kernel goes, how much memory it had at most."""

    peak: float | None = None

    async def async_execute_cell(self, *args, **keywords):
        """Execute a cell and read the kernel's high-water mark in GiB, where the system tells it."""
        try:
            return await super().async_execute_cell(*args, **keywords)
        finally:
            alive = self.km is not None and self.km.has_kernel
            status = Path(f"/proc/{self.km.provisioner.pid}/status") if alive else Path()
            if status.is_file() and (mark := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
                self.peak = int(mark[1]) / 2**20


def execute(notebook: nbformat.NotebookNode, timeout: int) -> tuple[float, float | None]:
    """Run `notebook` in place and return (seconds, the kernel's peak memory in GiB or None).

    The kernel starts in an empty folder and keeps the progress of exercises there, so that a run neither
    reads what lies beside the notebook nor touches what its reader has done.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "SEGEN_PROGRESS": str(Path(folder) / ".progress.json"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        client = _Client(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": folder}},
        )
        started = time.perf_counter()
        client.execute(env=environment)
        return time.perf_counter() - started, client.peak


def run(path: Path, timeout: int) -> list[str]:
    """Run the notebook at `path`, write it if there is nothing to complain of, and return the complaints."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    try:
        seconds, peak = execute(notebook, timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return [str(error)]
    tidy(notebook)
    memory = f", {peak:.2f} GiB at most" if peak else ""
    print(f"{path}: {len(code_cells(notebook))} cells in {seconds:.1f} s{memory}", flush=True)
    if found := problems(notebook):
        return found
    nbformat.validate(notebook)
    beside = path.with_suffix(".ipynb.part")
    nbformat.write(notebook, beside)
    os.replace(beside, path)
    return []


def main() -> int:
    """Run or check the notebooks named on the command line; return 1 if one of them has a problem."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="run nothing, only look at what is kept")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that one cell may take (600)")
    asked = parser.parse_args()
    failed = False
    for path in asked.notebooks:
        if not path.is_file():
            found = ["There is no such notebook."]
        elif asked.check:
            found = problems(nbformat.read(path, as_version=4))
        else:
            found = run(path, asked.timeout)
        failed |= bool(found)
        for problem in found:
            print(f"{path}: {problem}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
