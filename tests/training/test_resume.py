"""A run that is killed anywhere and started again ends like one that was not, to the last bit."""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = Path(__file__).with_name("runs.py")
STEPS = 24
PLACES = [
    "before backward",
    "after backward",
    "after the optimiser's step",
    "within the file's bytes",
    "before the file is flushed",
    "before the file is renamed",
    "after the file is renamed",
]


class Server:
    """The process that forks runs; see runs.py."""

    def __init__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(RUNS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request) -> dict:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, **request) -> dict:
        """Run to the end or the kill; return the result, with `killed`."""
        return self.run_all([request])[0]

    def run_all(self, requests: list[dict]) -> list[dict]:
        pids = []
        for request in requests:
            Path(request["result"]).unlink(missing_ok=True)
            pids.append(self.ask(**request)["pid"])
        results = []
        for pid, request in zip(pids, requests, strict=True):
            answer, file = self.ask(wait=pid), Path(request["result"])
            results.append(answer | (json.loads(file.read_text()) if file.exists() else {}))
        return results


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.process.stdin.close()
    server.process.wait(timeout=30)


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """The run that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    return server.run(checkpoint=str(folder / "a.pt"), result=str(folder / "result"))


def random_points(count: int) -> list[tuple[str, int]]:
    """Return (place, step) pairs: every place once, the rest by lot, after the first save that is not the start's."""
    lot = random.Random(20261122)
    places = PLACES + [lot.choice(PLACES) for _ in range(count - len(PLACES))]
    return [(place, lot.randint(5, STEPS - 2)) for place in places]


@pytest.mark.parametrize(("place", "step"), random_points(10))
def test_a_killed_run_resumes_to_the_same_bits(server, whole, tmp_path, place, step):
    request = {"checkpoint": str(tmp_path / "a.pt"), "result": str(tmp_path / "result")}
    assert server.run(**request, place=place, step=step)["killed"]
    again = server.run(**request)
    assert not again["killed"]
    assert 0 < again["first"] < STEPS, "it must go on, not begin anew"
    assert again["first"] + again["steps"] == STEPS
    assert again["digest"] == whole["digest"]
    assert os.listdir(tmp_path) == ["a.pt", "result"] or sorted(os.listdir(tmp_path)) == ["a.pt", "result"]


@pytest.fixture(scope="module")
def whole_gan(server, tmp_path_factory):
    """A GAN's run that nothing stops."""
    folder = tmp_path_factory.mktemp("whole_gan")
    return server.run(gan=True, checkpoint=str(folder / "a.pt"), result=str(folder / "result"))


@pytest.mark.parametrize(("place", "step"), random_points(10))
def test_a_killed_gan_resumes_to_the_same_bits(server, whole, whole_gan, tmp_path, place, step):
    assert whole_gan["digest"] != whole["digest"]
    request = {"gan": True, "checkpoint": str(tmp_path / "a.pt"), "result": str(tmp_path / "result")}
    assert server.run(**request, place=place, step=step)["killed"]
    again = server.run(**request)
    assert 0 < again["first"] < STEPS, "it must go on, not begin anew"
    assert again["first"] + again["steps"] == STEPS
    assert again["digest"] == whole_gan["digest"]


def test_killed_three_times_in_one_run(server, whole, tmp_path):
    request = {"checkpoint": str(tmp_path / "a.pt"), "result": str(tmp_path / "result")}
    for place, step in [("after backward", 6), ("before the file is renamed", 11), ("within the file's bytes", 17)]:
        assert server.run(**request, place=place, step=step)["killed"]
    assert server.run(**request)["digest"] == whole["digest"]


def test_an_interrupt_saves_and_the_next_run_goes_on(server, whole, tmp_path):
    request = {"checkpoint": str(tmp_path / "a.pt"), "result": str(tmp_path / "result")}
    stopped = server.run(**request, interrupt=True)
    assert (stopped["first"], stopped["steps"]) == (0, 10)
    again = server.run(**request)
    assert (again["first"], again["steps"]) == (10, STEPS - 10)
    assert again["digest"] == whole["digest"]


def test_workers_do_not_change_a_bit(server, whole, tmp_path):
    request = {"checkpoint": str(tmp_path / "a.pt"), "result": str(tmp_path / "result"), "workers": 2}
    assert server.run(**request)["digest"] == whole["digest"]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def two(server, folder, **more) -> list[dict]:
    """Run two processes under gloo."""
    port = free_port()
    common = {"checkpoint": str(folder / "a.pt"), "processes": 2, "port": port}
    return server.run_all([common | {"rank": r, "result": str(folder / f"result{r}"), **more} for r in (0, 1)])


def test_two_processes_resume_to_the_same_bits(server, whole, tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    first, second = two(server, tmp_path / "whole")
    assert first["digest"] == second["digest"], "both processes must hold the same"
    assert first["digest"] != whole["digest"], "the control: two processes draw other random numbers than one"
    killed = two(server, tmp_path / "killed", place="after backward", step=13)
    assert all(result["killed"] for result in killed)
    for result in two(server, tmp_path / "killed"):
        assert result["first"] == 12
        assert result["digest"] == first["digest"]


def test_two_processes_train_a_gan_alike_and_resume(server, whole_gan, tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    first, second = two(server, tmp_path / "whole", gan=True)
    assert first["digest"] == second["digest"], "both processes must hold the same"
    assert first["digest"] != whole_gan["digest"]
    assert all(
        result["killed"] for result in two(server, tmp_path / "killed", gan=True, place="after backward", step=13)
    )
    for result in two(server, tmp_path / "killed", gan=True):
        assert result["first"] == 12
        assert result["digest"] == first["digest"]
