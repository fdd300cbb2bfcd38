"""The public CI's files: they parse, call only commands that exist, and cover the Pythons that are promised."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(name: str) -> dict:
    """Return a workflow; YAML 1.1 reads its key `on` as true."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return {"on" if key is True else key: value for key, value in workflow.items()}


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_three():
    assert [path.stem for path in WORKFLOWS] == ["book", "tests", "weekly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_its_commands_exist(path):
    workflow = load(path.stem)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"on", "jobs", "permissions"} <= set(workflow)
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step)
        assert set(re.findall(r"\bmake ([a-z]+)", step.get("run", ""))) <= targets
        if "run" in step:  # bash reads each script, and each script within it, without running it
            for script in [step["run"], *re.findall(r"-c '(.*?)'", step["run"], re.DOTALL)]:
                script = re.sub(r"\$\{\{.*?\}\}", "x", script)
                subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_the_tests_run_on_every_python_that_is_promised():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [name.rpartition(" ")[2] for name in classifiers if re.search(r"Python :: 3\.\d+$", name)]
    workflow = load("tests")
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == promised
    assert "make test" in [step.get("run") for step in steps(workflow)]


def test_the_book_is_published_from_main_alone():
    jobs = load("book")["jobs"]
    assert "make book" in [step.get("run") for step in jobs["build"]["steps"]]
    assert "refs/heads/main" in jobs["publish"]["if"]
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert load("book")["permissions"] == {"contents": "read"}


def test_the_weekly_run_takes_off_every_pin_but_jupyter_books(tmp_path):
    command = next(step["run"] for step in steps(load("weekly")) if "sed" in step.get("run", ""))
    copy = tmp_path / "requirements.txt"
    copy.write_text((ROOT / "requirements.txt").read_text())
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    lines = [line.partition("#")[0].strip() for line in copy.read_text().splitlines()]
    assert "jupyter-book<2" in lines
    assert "torch" in lines
    requirements = [line.partition(";")[0] for line in lines if line and line != "jupyter-book<2"]
    assert not [line for line in requirements if re.search(r"[=<>]", line)]
