"""The machinery of exercises, on an exercise made for the purpose: doubling what is given."""

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

import segen.checks
from segen.checks import judging
from segen.checks.judging import EXERCISES, NOT_STARTED, RIGHT, WRONG, Case, exercise

HINTS = ("first", "second", "third")


@pytest.fixture
def double(monkeypatch):
    """An exercise: `double(x)` is 2x; it fails for what is smaller than 2 elements with a message of its own."""
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise("arithmetic", hints=HINTS)
    def double(random):
        """Double."""
        for size in (1, 2, 5, 40):
            x = torch.rand(size, 3, generator=random) + 1
            yield Case({"x": x}, 2 * x, mistakes={"You squared it.": x**2, "You added one.": x + 1})

    return double


def test_three_states(double):
    def stub(x):
        """A docstring only."""
        ...

    def stub_with_pass(x):
        pass

    for started in (stub, stub_with_pass, lambda x: ..., lambda x: None):
        assert double.judge(started).state == NOT_STARTED
    assert double.judge(lambda x: x**2).state == WRONG
    assert double.judge(lambda x: x + x).state == RIGHT


def test_a_wrong_answer_is_explained_by_the_smallest_input_that_shows_it(double):
    verdict = double.judge(lambda x: 2 * x if len(x) == 1 else x**2)
    assert verdict.says == "You squared it."
    assert verdict.evidence.startswith("For x = tensor 2×3 [[")
    assert "expected tensor 2×3" in verdict.evidence
    assert "got tensor 2×3" in verdict.evidence
    assert "\n" not in str(verdict)


def test_mistakes_that_look_alike_on_the_smallest_input_are_told_apart_on_larger_ones(monkeypatch):
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise("arithmetic", hints=HINTS)
    def cube(random):
        for n in (1, 2, 3):
            yield Case({"n": n}, n**3, mistakes={"Doubled and one less.": 3 * n - 1, "Doubled.": 2 * n})
            yield Case({"n": n}, n**3, mistakes={"Squared and doubled.": 2 * n * n, "Doubled.": 2 * n})

    assert cube.judge(lambda n: 2 * n).says == "Doubled."
    verdict = cube.judge(lambda n: 2 * n * n)
    assert verdict.evidence.startswith("For n = 1")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_float_type_is_accepted(double, dtype):
    assert double.judge(lambda x: (2 * x).to(dtype)).state == RIGHT
    assert double.judge(lambda x: (2.2 * x).to(dtype)).state == WRONG


def test_any_right_way_is_accepted(double):
    ways = [
        lambda x: (2 * x).numpy(),
        lambda x: (2 * x).requires_grad_(),
        lambda x: (2 * x).T.contiguous().T,
        torch.nn.Linear(3, 3, bias=False).requires_grad_(False),
    ]
    ways[-1].weight.copy_(2 * torch.eye(3))
    assert [double.judge(way).state for way in ways] == [RIGHT] * 4


def test_non_contiguous_input_is_given(double):
    seen = []
    assert double.judge(lambda x: seen.append(x.is_contiguous()) or 2 * x).state == RIGHT
    assert set(seen) == {True, False}
    assert "view" in double.judge(lambda x: 2 * x.view(-1).view(x.shape)).evidence


def test_a_changed_input_is_reported(double):
    assert double.judge(lambda x: x.mul_(2)).says == "It changes its input x: work on a copy."


def test_what_is_no_function_is_refused(double):
    for nonsense in (None, ..., 3, "double", torch.ones(3), int):
        verdict = double.judge(nonsense)
        assert verdict.state == WRONG
        assert "give the function itself: check.double(double)" in verdict.says


def test_odd_results_are_refused_and_never_raise(double):
    class Spiteful:
        def __repr__(self):
            raise RuntimeError("no")

    def generator(x):
        yield 2 * x

    odd = [None, ..., "x", [], {}, Spiteful(), 2, float("nan"), np.array(["a"], dtype=object), torch.zeros(0)]
    odd += [
        torch.zeros(1, 3, dtype=torch.complex64),
        torch.zeros(1, 3).to_sparse(),
        torch.zeros(1, 3, device="meta"),
        np.zeros((1, 3), "U1"),
    ]
    for result in odd:
        assert double.judge(lambda x, result=result: [x, result][1]).state == WRONG
    assert double.judge(generator).state == WRONG
    assert "is a return missing?" in double.judge(lambda x: print(end="")).says


def of(monkeypatch, inputs, expected, mistakes=None):
    """An exercise of one case."""
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise("arithmetic", hints=HINTS)
    def one(random):
        """One case."""
        yield Case(inputs, expected, mistakes or {})

    return one


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (0.5, [0.5, np.float32(0.5), torch.tensor(0.5), 0.50000001], [0.6, True, "0.5", [0.5], torch.zeros(1), None]),
        (2.0, [2, 2.0, np.int64(2), torch.tensor(2)], [float("nan"), True]),
        (float("nan"), [float("nan"), torch.tensor(float("nan"))], [0.0]),
        (3, [3, np.int32(3), torch.tensor(3)], [3.0, True, torch.tensor(3.0), torch.tensor([3])]),
        (True, [True, np.bool_(True), torch.tensor(True)], [1, torch.tensor(1), False, "True"]),
        (False, [False, torch.tensor(False)], [0, True]),
        (torch.tensor(1.5), [1.5, np.float64(1.5), np.array(1.5)], [1.0, np.array([1.5])]),
        ([1, 2.5], [(1, 2.5), [1, torch.tensor(2.5)]], [(1, 2), (1, 2.5, 3), {1, 2.5}, 1]),
        ([torch.ones(2), 3], [(torch.ones(2), 3), [np.ones(2), 3]], [(3, torch.ones(2)), (torch.ones(3), 3)]),
        ([1, 2, 3], [torch.tensor([1, 2, 3]), np.array([1, 2, 3])], [torch.tensor([1.0, 2, 3]), torch.tensor(1)]),
    ],
)
def test_numbers_and_several_values(monkeypatch, expected, right, wrong):
    judge = of(monkeypatch, {"x": 1}, expected)
    for answer in right:
        assert judge.judge(lambda x, answer=answer: [x, answer][1]).state == RIGHT, answer
    for answer in wrong:
        assert judge.judge(lambda x, answer=answer: [x, answer][1]).state == WRONG, answer


def test_mistakes_in_several_values_are_recognised(monkeypatch):
    swapped = {"You swapped them.": [2, 1], "Both are large.": lambda came: min(came) > 100, "Three.": ([3, 3], [3])}
    judge = of(monkeypatch, {"x": 1}, [1, 2], swapped)
    assert judge.judge(lambda x: (2, x)).says == "You swapped them."
    assert judge.judge(lambda x: (200, 100 + x)).says == "Both are large."
    assert judge.judge(lambda x: [2 + x]).says == "Three."
    assert "(in value 1)" in judge.judge(lambda x: (x, 5)).evidence
    assert "(3 values in place of 2)" in judge.judge(lambda x: (x, 5, 5)).evidence


def test_what_is_held_in_lists_and_dicts_is_copied_and_must_not_change(monkeypatch):
    inputs = {"several": [torch.ones(2), torch.full((2,), float("nan"))], "named": {"w": torch.ones(3)}}
    judge = of(monkeypatch, inputs, 5)

    def changes_a_list(several, named):
        several[0].add_(1)
        return 5

    def changes_a_dict(several, named):
        named["w"].mul_(2)
        return 5

    assert judge.judge(lambda several, named: len(several) + len(named["w"])).state == RIGHT
    assert judge.judge(changes_a_list).says.startswith("It changes its input several")
    assert judge.judge(changes_a_dict).says.startswith("It changes its input named")


def test_a_module_may_be_changed_but_is_fresh_for_each_try(monkeypatch):
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(module.weight)
    judge = of(monkeypatch, {"module": module}, 2.0)

    def double_it(module):
        with torch.no_grad():
            return module.weight.mul_(2).sum()

    assert judge.judge(double_it).state == RIGHT
    assert judge.judge(double_it).state == RIGHT
    assert "a Linear" in judge.judge(lambda module: 3.0).evidence


def test_an_exception_of_the_answer_is_reported_with_its_line(double):
    def wrong(x):
        y = 2 * x
        return y + torch.ones(7)

    line = wrong.__code__.co_firstlineno + 2
    verdict = double.judge(wrong)
    assert verdict.says == "It raised RuntimeError."
    assert "must match the size" in verdict.evidence
    assert f"(line {line} of your code)" in verdict.evidence


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, RecursionError, MemoryError, StopIteration])
def test_no_exception_escapes(double, error, capsys):
    def wrong(x):
        raise error("stop")

    double(wrong)
    assert error.__name__ in capsys.readouterr().out


def test_a_signature_that_does_not_fit_is_wrong(double):
    assert "takes 0 positional arguments" in double.judge(lambda: print()).evidence


def test_a_defect_of_the_check_is_not_blamed_on_the_reader(monkeypatch, capsys):
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise("arithmetic", hints=HINTS)
    def broken(random):
        yield 1 / 0

    broken(lambda x: 2 * x)
    assert "the check itself failed with ZeroDivisionError" in capsys.readouterr().out


def test_an_expected_exception(monkeypatch):
    monkeypatch.setattr(judging, "EXERCISES", {})

    @exercise("arithmetic", hints=HINTS)
    def half(random):
        yield Case({"n": 4}, 2, mistakes={"Too eager.": ValueError})
        yield Case({"n": 3}, ValueError, mistakes={"Rounded down.": 1})

    def right(n):
        if n % 2:
            raise ValueError
        return n // 2

    def eager(n):
        raise ValueError

    def other(n):
        if n % 2:
            raise KeyError
        return n // 2

    assert half.judge(right).state == RIGHT
    assert half.judge(lambda n: n // 2).says == "Rounded down."
    assert half.judge(eager).says == "Too eager."
    assert half.judge(other).says == "It raised KeyError."
    assert half.judge(lambda n: np.int64(right(n))).state == RIGHT
    assert half.judge(lambda n: torch.tensor(right(n))).state == RIGHT
    assert half.judge(lambda n: right(n) / 1).state == WRONG
    assert half.judge(lambda n: None if n % 2 else n // 2).state == WRONG


# The time limit


def endless(x):
    while True:
        pass


def endless_and_deaf(x):
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def endless_and_deafer(x):
    while True:
        try:
            sum(range(10))
        except:  # noqa: E722
            continue


# Not in a thread: an answer that swallows every exception there may hold out long on a busy machine.
@pytest.mark.parametrize(
    ("answer", "thread"),
    [
        (endless, False),
        (endless, True),
        (endless_and_deaf, False),
        (endless_and_deaf, True),
        (endless_and_deafer, False),
    ],
)
def test_an_endless_loop_is_stopped(double, monkeypatch, answer, thread):
    monkeypatch.setattr(judging, "SECONDS", 0.3)
    verdicts = []
    started = time.monotonic()
    if thread:
        worker = threading.Thread(target=lambda: verdicts.append(double.judge(answer)), daemon=True)
        worker.start()
        worker.join(timeout=20)
    else:
        verdicts.append(double.judge(answer))
    assert "It was stopped after 0.3 seconds" in verdicts[0].says
    assert time.monotonic() - started < 15


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no alarms")
def test_the_alarm_is_given_back(double):
    import signal

    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        assert double.judge(lambda x: 2 * x).state == RIGHT
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        time.sleep(0.6)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_time_limit_is_for_all_cases_together(double, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.3)
    assert "stopped" in double.judge(lambda x: time.sleep(0.12) or 2 * x).says


# Random numbers


def test_inputs_are_fresh_at_each_seed_and_global_states_are_kept(double):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    seen = []

    def answer(x):
        torch.manual_seed(0)
        np.random.rand(3)  # noqa: NPY002
        seen.append(x.sum().item())
        return 2 * x

    double.judge(answer, seed=0)
    double.judge(answer, seed=1)
    assert len(set(seen)) == len(seen)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_a_copied_constant_fails_at_once(double):
    first = next(double.cases(torch.Generator().manual_seed(0))).expected
    assert double.judge(lambda x: [x, first][1]).state == WRONG


# What is shown, and kept


def test_hints_grow_and_progress_is_kept(double, capsys):
    for hint in ("Hint 1 of 3: first", "Hint 2 of 3: second", "Hint 3 of 3: third", "Hint 3 of 3: third"):
        double(lambda x: x**2)
        shown = capsys.readouterr().out
        assert hint in shown
        assert shown.count("\n") == 1
    assert judging.read_progress() == {"arithmetic": {"double": {"tries": 4, "done": False}}}
    double(lambda x: 2 * x)
    assert capsys.readouterr().out == "✓ double: right.\n"
    double(lambda x: x**2)
    assert judging.read_progress()["arithmetic"]["double"]["done"]


def test_a_stub_is_no_try(double, capsys):
    double(lambda x: ...)
    assert "○ double: not started." in capsys.readouterr().out
    assert judging.read_progress() == {}


def test_the_chapters_own_solution_is_not_counted(double, tmp_path, capsys):
    source = "# @title Solution\ndef double(x):\n    return 2 * x\n"
    cell = tmp_path / "cell.py"
    cell.write_text(source, encoding="utf-8")
    space = {}
    exec(compile(source, str(cell), "exec"), space)
    double(space["double"])
    assert "right. (The chapter's solution: not counted in your progress.)" in capsys.readouterr().out
    assert judging.read_progress() == {}


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", "3", '{"arithmetic": 3}', '{"arithmetic": {"double": {}}}', "\x00\xff"]
)
def test_a_damaged_file_of_progress_is_begun_anew(double, damaged, capsys):
    judging.progress_file().write_text(damaged, encoding="latin-1")
    assert judging.read_progress() == {}
    double(lambda x: 2 * x)
    assert capsys.readouterr().out == "✓ double: right.\n"
    assert json.loads(judging.progress_file().read_text())["arithmetic"]["double"]["done"]


def test_where_nothing_can_be_written_progress_lasts_for_the_session(double, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(judging, "_unsaved", None)
    monkeypatch.setenv("SEGEN_PROGRESS", str(tmp_path / "file" / "progress.json"))
    double(lambda x: x**2)
    double(lambda x: x**2)
    shown = capsys.readouterr().out
    assert "Your progress is kept for this session only" in shown
    assert "Hint 2 of 3" in shown


def test_a_write_that_fails_leaves_the_file_before_it(double, monkeypatch, capsys):
    double(lambda x: 2 * x)
    before = judging.progress_file().read_text()
    monkeypatch.setattr(judging, "_unsaved", None)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    double(lambda x: x**2)
    assert "No space left on device" in capsys.readouterr().out
    assert judging.progress_file().read_text() == before
    assert len(list(judging.progress_file().parent.iterdir())) == 1


def test_progress_is_kept_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGEN_PROGRESS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert judging.progress_file() == tmp_path / "segen" / "progress.json"


def test_html_is_escaped_and_text_is_one_line():
    verdict = judging.Verdict("f", WRONG, "a < b", "For x = <net>", "Hint", "")
    assert "a &lt; b" in verdict._repr_html_()
    assert "&lt;net&gt;" in verdict._repr_html_()
    assert str(verdict) == "✗ f: wrong. a < b For x = <net> Hint"


def test_tensors_in_nested_lists_are_shown_as_others_are(monkeypatch):
    judge = of(monkeypatch, {"batches": [(torch.ones(20, 2), torch.tensor([1, 2]))]}, 5)
    assert "batches = [[tensor 20×2 float32, tensor 2 [1, 2]]]" in judge.judge(lambda batches: 6).evidence


def test_progress_shows_what_is_done_and_what_is_left(capsys):
    def shown():  # the columns are as wide as the longest name of a chapter
        return " ".join(repr(segen.checks.progress()).split())

    assert "unet 0 of 4 done ○ crop_and_concatenate" in shown()

    def output_size(size, depth):
        for _ in range(depth):
            size -= 4
            if size <= 0 or size % 2:
                raise ValueError
            size //= 2
        size = (size - 4) * 2**depth - 4 * (2**depth - 1)
        if size <= 0:
            raise ValueError
        return size

    EXERCISES["unet"]["output_size"](output_size)
    assert capsys.readouterr().out == "✓ output_size: right.\n"
    progress = segen.checks.progress()
    assert progress.chapters["unet"]["output_size"]
    assert "unet 1 of 4 done" in shown()
    assert "✓&nbsp;<code>output_size</code>" in progress._repr_html_()


def test_after_a_stop_in_another_thread_functions_can_still_be_traced():
    """Python 3.11 hangs in a traced function if an exception asked for in a thread was withdrawn."""
    code = """
import faulthandler, sys, threading
faulthandler.dump_traceback_later(20, exit=True)
from segen.checks import judging, unet
judging.SECONDS = 0.2
def endless(size, depth):
    while True:
        pass
verdicts = []
worker = threading.Thread(target=lambda: verdicts.append(unet.output_size.judge(endless)))
worker.start()
worker.join()
sys.settrace(lambda *_: None)
(lambda: 1)()
sys.settrace(None)
print(verdicts[0].says)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "It was stopped" in done.stdout, done.stderr
