"""The script that makes the environment: it finds a Python, installs once, and says in a sentence what is missing."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="The script is written for bash.")

# A Python that is this one, but makes an environment of nothing but itself, whose pip notes that it was called.
STAND_IN = """#!/usr/bin/env bash
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "$*" >>"$NOTES"; printf '%s\\n' "$PIP_SAYS"; exit "$PIP_EXIT" ;;
    *) exec {python} "$@" ;;
esac
"""


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def project(tmp_path):
    """Return a function that runs the script in a project of its own, and the folder of its programs."""
    (tmp_path / "project" / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "environment", tmp_path / "project" / ".ci")
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / "project" / name).write_text("one\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python3.13", "python3.11", "python3"):
        # As pyenv's: the name is there, the version is not.
        script(programs, name, "#!/usr/bin/env bash\necho 'command not found' >&2\nexit 127\n")
    script(programs, "python3.12", STAND_IN.format(python=sys.executable))
    # Room enough, whatever is left on the disk of the machine that runs the tests.
    script(programs, "df", "#!/usr/bin/env bash\necho Filesystem\necho disk 1 1 99999999 1% /\n")

    def run(**settings):
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHON", "SEGEN_VENV")}
        environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "NOTES": str(tmp_path / "notes")}
        environment |= {"PIP_SAYS": "", "PIP_EXIT": "0"} | settings
        command = ["bash", str(tmp_path / "project" / ".ci" / "environment")]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)

    run.folder, run.programs, run.notes = tmp_path / "project", programs, tmp_path / "notes"
    return run


def installs(project) -> int:
    return len(project.notes.read_text().splitlines()) if project.notes.exists() else 0


def test_it_passes_over_names_that_fail_and_installs_once(project):
    first = project()
    assert first.returncode == 0, first.stderr
    assert (project.folder / ".venv" / "bin" / "python").exists()
    assert "-r requirements.txt -e ." in project.notes.read_text()
    second = project()
    assert (second.returncode, second.stderr, installs(project)) == (0, "", 1)
    for number, name in enumerate(("requirements.txt", "pyproject.toml"), start=2):
        (project.folder / name).write_text("another\n")
        assert project().returncode == 0
        assert installs(project) == number


def test_no_python_in_range_gets_a_sentence(project):
    for settings in ({"PYTHON": "python3.13"}, {"PYTHON": "/no/such/python"}):
        ran = project(**settings)
        assert ran.returncode == 1
        assert "No Python 3.11, 3.12 or 3.13" in ran.stderr
        assert settings["PYTHON"] in ran.stderr
        assert not (project.folder / ".venv").exists()


def test_a_python_too_new_or_too_old_is_not_taken(project):
    for version in ("(3, 10)", "(3, 14)"):
        fake = f"""#!/usr/bin/env bash\n(echo "import sys; sys.version_info = {version}"; cat) | {sys.executable} -\n"""
        script(project.programs, "other", fake)
        assert "No Python 3.11, 3.12 or 3.13" in project(PYTHON="other").stderr


def test_no_space_gets_a_sentence(project):
    script(project.programs, "df", "#!/usr/bin/env bash\necho Filesystem\necho disk 1 1 2500000 1% /\n")
    ran = project()
    assert ran.returncode == 1
    assert "only 2 GB are free" in ran.stderr
    assert not (project.folder / ".venv").exists()


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("connection broken by 'NewConnectionError(...)': /simple/torch/", "there seems to be no network"),
        ("ERROR: ResolutionImpossible", "pip could not install the environment"),
    ],
)
def test_a_failed_installation_gets_a_sentence_and_is_tried_again(project, says, sentence):
    ran = project(PIP_SAYS=says, PIP_EXIT="1")
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert project().returncode == 0
    assert installs(project) == 2


def test_a_broken_environment_gets_a_sentence(project):
    (project.folder / ".venv").mkdir()
    ran = project()
    assert ran.returncode == 1
    assert "rm -r .venv" in ran.stderr
