"""What recipes share: rows that are missing are trained, each is stored when it is done, and no half table is left."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import table
import torch

from segen.models import ResNet, pretrained, weights

ROOT = Path(__file__).parents[2]
RECIPE = """
from table import fill

GRID = [{"kind": kind, "width": 4} for kind in "abc"]


def run(task):
    settings, seed = task
    return {"score": ord(settings["kind"]) + seed / 3, "each": [seed / 7, None], "seconds": 0.25}


if __name__ == "__main__":
    fill("toy", GRID, run, seeds=(0, 1), fixed={"steps": 5})
"""


@pytest.fixture
def project(tmp_path):
    """A project of one recipe, under git."""
    for folder in ("recipes", "segen/assets"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "recipes" / "table.py", tmp_path / "recipes")
    (tmp_path / "recipes" / "toy.py").write_text(RECIPE)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return tmp_path


def run(project: Path, *arguments: str) -> list[dict]:
    command = [sys.executable, str(project / "recipes" / "toy.py"), "--processes", "1", *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads((project / "segen" / "assets" / "toy.json").read_text())["rows"]


def test_a_recipe_fills_what_its_table_lacks(project):
    (first,) = run(project, "--rows", "1")
    commit = subprocess.run(["git", "-C", str(project), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    assert first == {
        "kind": "a",
        "width": 4,
        "steps": 5,
        "recipe": "recipes/toy.py",
        "commit": commit.stdout.strip(),
        "seeds": [0, 1],
        "seconds": 0.5,
        "score": [97.0, 97.3333],
        "each": [[0.0, None], [0.1429, None]],
    }
    stored = project / "segen" / "assets" / "toy.json"
    stored.write_text(stored.read_text().replace('"kind": "a"', '"kind": "c"'))
    rows = run(project)
    assert [row["kind"] for row in rows] == ["a", "b", "c"]
    assert rows[2]["score"] == [97.0, 97.3333]  # what is stored is not trained again
    assert rows[1]["score"] == [98.0, 98.3333]
    assert [path.name for path in stored.parent.iterdir()] == ["toy.json"]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ROOT", tmp_path)
    (tmp_path / "segen" / "assets").mkdir(parents=True)
    assert table.read("toy") == []
    table.write("toy", [{"a": 1}])
    with pytest.raises(ValueError):
        table.write("toy", [{"a": float("nan")}])  # JSON has no such number, and readers would stumble
    assert table.read("toy") == [{"a": 1}]


def test_what_is_shipped_is_read_as_it_was(tmp_path, monkeypatch):
    network = ResNet(3, 2, width=2, blocks=(1,), small=True)
    with torch.no_grad():
        for value in [*network.parameters(), *network.buffers()]:
            value.copy_(torch.rand_like(value, dtype=torch.float64) + 0.5)
    monkeypatch.setattr(table, "ROOT", tmp_path)
    monkeypatch.setattr(weights, "ASSETS", tmp_path / "segen" / "assets")
    monkeypatch.setitem(weights.NETWORKS, "toy", lambda: ResNet(3, 2, width=2, blocks=(1,), small=True))
    (tmp_path / "segen" / "assets").mkdir(parents=True)
    shipped = table.ship("toy", network, {"name": "toy", "accuracy": 0.5})
    assert shipped.card == {"name": "toy", "accuracy": 0.5}
    assert not shipped.training
    for key, value in network.state_dict().items():
        torch.testing.assert_close(shipped.state_dict()[key], value, rtol=1e-3, atol=0)
    assert [file.name for file in weights.ASSETS.iterdir()] == ["toy.safetensors"]
    network.head[-1].bias.data[0] = 1e6
    with pytest.raises(ValueError, match=r"head\.2\.bias is not finite in half precision"):
        table.ship("toy", network, {})
    assert pretrained("toy").card == shipped.card
