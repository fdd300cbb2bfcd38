"""The machinery of exercises: a judge tries an answer on cases from small to large, and says what it saw in one line.

A chapter's judges are generators of cases, one a module of this folder::

    @exercise("unet", hints=("…", "…", "…"))
    def crop_and_concatenate(random):
        yield Case({"skip": skip, "x": x}, expected, mistakes={"You forgot to crop.": what_that_gives})

and a chapter calls them with the reader's function: `check.crop_and_concatenate(crop_and_concatenate)`.
"""

import copy
import ctypes
import dis
import html
import json
import linecache
import os
import random as python_random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

SECONDS = 5.0  # what an answer may take for all its cases together
SHOWN = 16  # a tensor of so many numbers is shown whole
NOT_STARTED, WRONG, RIGHT = "not started", "wrong", "right"
_SIGNS = {NOT_STARTED: "○", WRONG: "✗", RIGHT: "✓"}
_COLOURS = {NOT_STARTED: "#888888", WRONG: "#d55e00", RIGHT: "#009e73"}
EXERCISES: dict[str, dict[str, "Exercise"]] = {}  # chapter → name → exercise, in the order of the files


@dataclass
class Case:
    """One try: the `inputs` by name, in the order of the signature, and what an answer must give for them.

    `expected` is a tensor, a number (a whole one must come as a whole one), a bool, a list of these for an answer
    that gives several values, or the class of the exception that must be raised. `mistakes` maps the sentence that
    explains a mistake to what it gives here: a value (several values as a list), a class of exception, a tuple of
    such alternatives, or a function that knows it in the tensor or list that came. `also` looks at what came, right
    or wrong, and returns a sentence if something else is amiss. Tensors and modules among the inputs, also inside
    lists and dicts, are copied for each try; an answer may change a module, and nothing else.
    """

    inputs: dict[str, Any]
    expected: Any
    mistakes: dict[str, Any] = field(default_factory=dict)
    also: Callable[[Any], str | None] | None = None

    def suspects(self, came: Any) -> tuple[str, ...]:
        """Return the sentences of all mistakes that give what `came` from an answer."""
        return tuple(says for says, mistake in self.mistakes.items() if _fits(came, mistake))


@dataclass(frozen=True)
class Verdict:
    """What a judge found: the `state`, the explanation `says`, the `evidence` (smallest input, expected, came)."""

    name: str
    state: str
    says: str = ""
    evidence: str = ""
    hint: str = ""
    note: str = ""

    def __str__(self) -> str:
        said = [part for part in (self.says, self.evidence, self.hint, self.note) if part]
        return " ".join([f"{_SIGNS[self.state]} {self.name}: {self.state}.", *said])

    def _repr_html_(self) -> str:
        parts = [
            f"<strong>{_SIGNS[self.state]} <code>{html.escape(self.name)}</code>: {self.state}.</strong>",
            html.escape(self.says),
            f"<br><code>{html.escape(self.evidence)}</code>" if self.evidence else "",
            f"<br><em>{html.escape(self.hint)}</em>" if self.hint else "",
            f"<br>{html.escape(self.note)}" if self.note else "",
        ]
        style = f"border-left: 4px solid {_COLOURS[self.state]}; padding: 0.3em 0.8em; overflow-wrap: anywhere"
        return f'<div style="{style}">{" ".join(part for part in parts if part)}</div>'


class Exercise:
    """One checked exercise: call it with the reader's function, and it shows one line; it never raises."""

    def __init__(self, chapter: str, hints: Sequence[str], cases: Callable[[torch.Generator], Iterator[Case]]):
        self.chapter, self.name, self.hints, self.cases = chapter, cases.__name__, tuple(hints), cases
        self.__doc__ = cases.__doc__
        EXERCISES.setdefault(chapter, {})[self.name] = self

    def __call__(self, answer: Callable) -> None:
        """Judge `answer`, keep the progress and show the verdict: not started, wrong or right."""
        try:
            tries = read_progress().get(self.chapter, {}).get(self.name, {}).get("tries", 0)
            self._show(self._count(self.judge(answer, seed=tries), answer))
        except Exception as error:  # a defect of ours must not look like the reader's
            print(f"? {self.name}: the check itself failed with {type(error).__name__}: {error}")

    def judge(self, answer: Callable, seed: int = 0) -> Verdict:
        """Return the verdict on `answer`, tried on inputs drawn from `seed`; nothing is shown or kept."""
        if not callable(answer) or isinstance(answer, type):
            says = f"It was given {_short(answer)}; give the function itself: check.{self.name}({self.name})."
            return Verdict(self.name, WRONG, says)
        if _is_stub(answer):
            return Verdict(self.name, NOT_STARTED, "Write the function in the cell above and run both cells again.")
        failure, suspects, clock = None, (), _Clock(SECONDS)
        random = torch.Generator().manual_seed(seed)
        with _random_states_kept():
            for number, case in enumerate(self.cases(random)):
                found = _try(answer, case, clock, strided=number % 2 == 1)
                if failure is None:
                    failure = found
                    suspects = found.suspects if found else ()
                else:  # larger inputs only tell apart the mistakes that look alike on the smallest
                    alike = found.suspects if found else case.suspects(case.expected)
                    suspects = [says for says in suspects if says in alike] or suspects
                if failure and (len(suspects) < 2 or clock.left <= 0):
                    break
        if failure is None:
            return Verdict(self.name, RIGHT)
        return Verdict(self.name, WRONG, failure.says or next(iter(suspects), ""), failure.evidence)

    def _count(self, verdict: Verdict, answer: Callable) -> Verdict:
        """Return `verdict` with the hint that is due, after keeping the reader's progress."""
        if _is_solution(answer):
            return Verdict(**vars(verdict) | {"note": "(The chapter's solution: not counted in your progress.)"})
        if verdict.state == NOT_STARTED:
            return verdict
        kept = read_progress()
        mine = kept.setdefault(self.chapter, {}).setdefault(self.name, {"tries": 0, "done": False})
        mine["done"] = mine["done"] or verdict.state == RIGHT
        mine["tries"] += verdict.state == WRONG
        note = write_progress(kept)
        if verdict.state == RIGHT or not self.hints:
            return Verdict(**vars(verdict) | {"note": note})
        which = min(mine["tries"], len(self.hints))
        hint = f"Hint {which} of {len(self.hints)}: {self.hints[which - 1]}"
        return Verdict(**vars(verdict) | {"hint": hint, "note": note})

    @staticmethod
    def _show(verdict: Verdict) -> None:
        """Show `verdict`: as text and HTML in a notebook, as one printed line elsewhere."""
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if hasattr(shell, "kernel"):
            from IPython.display import display

            display({"text/plain": str(verdict), "text/html": verdict._repr_html_()}, raw=True)
        else:
            print(verdict)


def exercise(chapter: str, *, hints: Sequence[str]) -> Callable[[Callable], Exercise]:
    """Make an `Exercise` of `chapter` out of a generator of cases; `hints` are for the first wrong try, the second…

    The generator is given a `torch.Generator` for its random inputs and yields its cases from small to large.
    """
    return lambda cases: Exercise(chapter, hints, cases)


# One case -------------------------------------------------------------------------------------------------------


@dataclass
class _Failure:
    """Why a case failed: a sentence that is sure (`says`), or those mistakes that give just this (`suspects`)."""

    evidence: str
    says: str = ""
    suspects: tuple[str, ...] = ()


def _try(answer: Callable, case: Case, clock: "_Clock", *, strided: bool) -> _Failure | None:
    """Return what is wrong with `answer` on `case`, or None; tensors are handed over non-contiguous if `strided`."""
    given = {name: _copied(value, strided) for name, value in case.inputs.items()}
    evidence = f"For {', '.join(f'{name} = {_short(value)}' for name, value in case.inputs.items())}"
    refusal = isinstance(case.expected, type)
    wanted = f"a {case.expected.__name__}" if refusal else _short(case.expected)
    try:
        with clock:
            got = answer(*given.values())
    except TimeLimit:
        clock.stop()  # the last ring may have come between the answer's end and the clock's
        says = f"It was stopped after {SECONDS:g} seconds: is there a loop that never ends?"
        return _Failure(f"{evidence}: expected {wanted}.", says)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if refusal and isinstance(error, case.expected):
            return None
        suspects = case.suspects(error)
        came = f"{type(error).__name__}: {_one_line(str(error))}{_where(error, answer)}"
        says = "" if suspects else f"It raised {type(error).__name__}."
        return _Failure(f"{evidence}: expected {wanted}, got {came}.", says, suspects)
    evidence = f"{evidence}: expected {wanted}, got {_short(got)}."
    changed = [name for name, value in case.inputs.items() if not _unchanged(value, given[name])]
    if changed:
        return _Failure(evidence, f"It changes its input {changed[0]}: work on a copy.")
    if got is None or got is Ellipsis:
        says = f"It returned {got!r}; is a return missing?"
        if not refusal:
            return _Failure(evidence, says)
    if refusal:
        if isinstance(got, BaseException) or (isinstance(got, type) and issubclass(got, BaseException)):
            return _Failure(evidence, f"It returned the {case.expected.__name__}: raise it.")
        suspects = case.suspects(got)
        return _Failure(evidence, "" if suspects else f"It must raise a {case.expected.__name__} here.", suspects)
    differs = _agree(got, case.expected)
    amiss = case.also(got) if case.also else None
    if amiss:
        return _Failure(evidence, amiss)
    if differs is None:
        return None
    suspects = case.suspects(got)
    return _Failure(f"{evidence[:-1]}{differs}.", "", suspects)


def _agree(got: Any, expected: Any) -> str | None:
    """Return None if `got` is what was expected, in any float type, and otherwise where the two differ."""
    if isinstance(expected, list):
        return _agree_all(got, expected)
    if isinstance(expected, int):
        if isinstance(got, torch.Tensor) and got.ndim == 0 and not got.is_meta:
            got = got.item()
        truth = isinstance(expected, bool)
        if not isinstance(got, bool | np.bool_ if truth else int | np.integer) or isinstance(got, bool) > truth:
            return " (not a bool)" if truth else " (not an int)"
        return None if got == expected else ""
    got = _as_tensor(got)
    if got is None:
        return " (not a number)" if isinstance(expected, float) else " (not a tensor of numbers)"
    expected = torch.as_tensor(expected)
    if got.shape != expected.shape:
        return " (another shape)"
    tolerance = 1e-4 if got.dtype not in (torch.float16, torch.bfloat16) else 2e-2
    got, expected = got.to(torch.float64), expected.to(torch.float64)
    near = torch.isclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if near.all():
        return None
    if got.numel() <= SHOWN:
        return ""
    place = tuple(torch.nonzero(~near)[0].tolist())
    return f": at {list(place)} {expected[place]:.4g} was expected and {got[place]:.4g} came"


def _agree_all(got: Any, expected: list) -> str | None:
    """Return None if `got` holds as many values as `expected`, each as expected, and otherwise where they differ."""
    if isinstance(got, np.ndarray | torch.Tensor) and got.ndim > 0:
        got = list(got)
    if not isinstance(got, tuple | list):
        return f" (not {len(expected)} values)"
    if len(got) != len(expected):
        return f" ({len(got)} values in place of {len(expected)})"
    for place, (one, other) in enumerate(zip(got, expected, strict=True)):
        differs = _agree(one, other)
        if differs is not None:
            return f" (in value {place}){differs}"
    return None


def _as_tensor(value: Any) -> torch.Tensor | None:
    """Return a tensor or array of real numbers, or one number, as a dense tensor on the CPU; anything else as None."""
    if isinstance(value, float | int | np.number) and not isinstance(value, bool | np.complexfloating):
        return torch.tensor(float(value), dtype=torch.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.array(value, order="C"))  # ascontiguousarray would give a single number an axis
    if not isinstance(value, torch.Tensor) or value.is_complex() or value.is_quantized or value.is_meta:
        return None
    return value.detach().to_dense().cpu()


def _fits(came: Any, mistake: Any) -> bool:
    """Return whether `came`, a value, an exception or a class of exception, is what `mistake` gives."""
    if isinstance(mistake, tuple):
        return any(_fits(came, one) for one in mistake)
    if isinstance(mistake, type):
        return isinstance(came, mistake) or (isinstance(came, type) and issubclass(came, mistake))
    if isinstance(came, type | BaseException):
        return False
    if callable(mistake):
        known = list(came) if isinstance(came, tuple | list) else _as_tensor(came)
        return known is not None and bool(mistake(known))
    return _agree(came, mistake) is None


def _copied(value: Any, strided: bool) -> Any:
    """Return a copy of a tensor, with other strides than a fresh one if `strided`, of a module, or of what holds them.

    Anything else is returned as it is.
    """
    if isinstance(value, list | tuple):
        return type(value)(_copied(one, strided) for one in value)
    if isinstance(value, dict):
        return {key: _copied(one, strided) for key, one in value.items()}
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)
    if not isinstance(value, torch.Tensor):
        return value
    if not strided or value.ndim == 0:
        return value.clone()
    wide = value.new_zeros(*value.shape[:-1], 2 * value.shape[-1] + 1)
    wide[..., :-1:2] = value
    return wide[..., :-1:2]


def _unchanged(before: Any, after: Any) -> bool:
    """Return whether the tensors of `before` are in `after` as they were."""
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(before[key], after[key]) for key in before)
    if not isinstance(before, torch.Tensor):
        return True
    return isinstance(after, torch.Tensor) and before.shape == after.shape and bool(_same(before, after))


def _same(before: torch.Tensor, after: torch.Tensor) -> bool:
    return torch.equal(before.nan_to_num(), after.nan_to_num()) if before.is_floating_point() else before.equal(after)


def _short(value: Any) -> str:
    """Return `value` on one line: the numbers of a small tensor, the shape of a large one."""
    if isinstance(value, np.ndarray | torch.Tensor):
        shape = "×".join(map(str, value.shape)) or "scalar"
        numbers = _as_tensor(value)
        if numbers is None or numbers.numel() > SHOWN:
            return f"tensor {shape} {str(value.dtype).removeprefix('torch.')}"
        return f"tensor {shape} {_numbers(numbers.tolist())}"
    if _holds_tensors(value):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, torch.nn.Module):
        return f"a {type(value).__name__}"
    if callable(value):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        text = _one_line(repr(value))
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}…"


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) or _holds_tensors(v) for v in value)


def _numbers(nested: Any) -> str:
    if isinstance(nested, list):
        return f"[{', '.join(map(_numbers, nested))}]"
    return f"{nested:.4g}" if isinstance(nested, float) else str(nested)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:297]}…"


# The answer -----------------------------------------------------------------------------------------------------


def _is_stub(answer: Callable) -> bool:
    """Return whether `answer` has a body of `...`, `pass` or a docstring only."""
    code = getattr(answer, "__code__", None)
    if code is None or code.co_flags & 0x20:  # a generator is an answer, if a wrong one
        return False
    harmless = {"RESUME", "NOP", "CACHE", "POP_TOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    steps = list(dis.get_instructions(code))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(step.opname in harmless for step in steps) and all(c is None or c is Ellipsis for c in constants)


def _is_solution(answer: Callable) -> bool:
    """Return whether `answer` was written in a cell whose first line is `# @title Solution`."""
    code = getattr(answer, "__code__", None)
    first = linecache.getline(code.co_filename, 1) if code else ""
    return first.replace(" ", "").lower().startswith("#@titlesolution")


def _where(error: BaseException, answer: Callable) -> str:
    """Return in which line of the reader's own cell or file the error arose, if it did there."""
    own = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    return f" (line {lines[-1]} of your code)" if lines else ""


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Put the global random states back, whatever an answer draws or seeds."""
    states = python_random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        python_random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])


# The time limit -------------------------------------------------------------------------------------------------


class TimeLimit(BaseException):
    """Raised inside an answer that takes too long; no `except Exception` of the answer's own swallows it."""


def _raise_at_the_next_line(_: FrameType, event: str, __: Any) -> Callable:
    if event == "line":
        raise TimeLimit
    return _raise_at_the_next_line


def _trace_no_other_function(_: FrameType, __: str, ___: Any) -> None:
    return None


class _Clock:
    """A context in which an answer may run as long as seconds are `left`, whatever loop it is in.

    In the main thread an alarm interrupts it; elsewhere, and where there are no alarms, another thread asks the
    interpreter to. Both ring again and again, for an answer with a bare `except:`. Neither can stop a single
    long operation inside torch, and outside the main thread a bare `except:` may hold out long.
    """

    EVERY = 0.1

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.armed = False

    def __enter__(self) -> None:
        self.started = time.monotonic()
        self.alarm = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
        self.armed = True
        if self.alarm:
            self.traced = sys.gettrace()
            self.before = signal.signal(signal.SIGALRM, self._ring), signal.getitimer(signal.ITIMER_REAL)
            signal.setitimer(signal.ITIMER_REAL, max(self.left, 0.001))
        else:
            self.lock, self.over, self.thread = threading.Lock(), threading.Event(), threading.get_ident()
            self.rung = False
            threading.Thread(target=self._watch, args=(self.over,), daemon=True).start()

    def __exit__(self, *raised: object) -> None:
        self.left -= time.monotonic() - self.started
        self.stop()

    def stop(self) -> None:
        """Ring no more; to be called twice does no harm."""
        self.armed = False
        if self.alarm:
            handler, (delay, interval) = self.before
            signal.setitimer(signal.ITIMER_REAL, delay, interval)
            signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
            sys.settrace(self.traced)
        else:
            self.over.set()
            try:
                with self.lock:  # after this the other thread asks for nothing more
                    rung, self.rung = self.rung, False
                if rung:
                    # What was asked for and has not come must not come later. Withdrawing it would leave the
                    # interpreter waiting for it (Python 3.11 then hangs in a debugger), so it is made to come.
                    self._ask()
                    while True:
                        pass
            except TimeLimit:
                pass

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if not self.armed or (frame is not None and frame.f_code in (_Clock.stop.__code__, _Clock.__exit__.__code__)):
            return
        # An answer with a bare `except:` swallows this exception; the next line it reaches, inside its handler,
        # raises another one, which that handler does not catch.
        while frame is not None and frame.f_code is not _try.__code__:
            frame.f_trace = _raise_at_the_next_line
            frame = frame.f_back
        sys.settrace(_trace_no_other_function)
        # Set anew each time, for a regular alarm can come faster than a busy machine gets through this function.
        signal.setitimer(signal.ITIMER_REAL, self.EVERY)
        raise TimeLimit

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(self.EVERY):
            with self.lock:
                if self.armed and time.monotonic() - self.started > self.left:
                    self.rung = True
                    self._ask()

    def _ask(self) -> None:
        """Ask the interpreter to raise TimeLimit in the answer's thread; it replaces one that has not come yet."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(TimeLimit))


# Progress -------------------------------------------------------------------------------------------------------

_unsaved: dict | None = None  # what could not be written is at least kept as long as the process lives


def progress_file() -> Path:
    """Return where progress is kept: `$SEGEN_PROGRESS`, or `segen/progress.json` in the user's cache folder."""
    if os.environ.get("SEGEN_PROGRESS"):
        return Path(os.environ["SEGEN_PROGRESS"]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "segen" / "progress.json"


def read_progress() -> dict[str, dict[str, dict]]:
    """Return chapter → exercise → {"tries": wrong tries so far, "done": bool}; of a damaged file, what is whole."""
    if _unsaved is not None:
        return _unsaved
    try:
        kept = json.loads(progress_file().read_text(encoding="utf-8"))
        return {
            str(chapter): {
                str(name): {"tries": int(one["tries"]), "done": bool(one["done"])} for name, one in names.items()
            }
            for chapter, names in kept.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_progress(kept: dict[str, dict[str, dict]]) -> str:
    """Write the progress, whole or not at all; return a sentence if it cannot be written, and otherwise ""."""
    global _unsaved
    file = progress_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(kept, stream, indent=1)
            os.replace(beside, file)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        _unsaved = kept
        return f"(Your progress is kept for this session only: {error.strerror or error}.)"
    _unsaved = None
    return ""
