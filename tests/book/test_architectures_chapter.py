"""The chapter on architectures: what its prose says of the stored tables holds, and the tables can be made again."""

import ast
import functools
import itertools
import re

import architectures as recipe
import depth as depth_recipe
import pytest
import torch
from chapters import Chapter

import segen

CHAPTER = Chapter("convolution/architectures")


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined("TABLE_1", "CONFIGURATION_D", "COLOURS")


def row(table: str, **settings) -> dict:
    (found,) = [row for row in segen.results(table) if settings.items() <= row.items()]
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_tables_are_whole() -> None:
    for name, module, runs in (("architectures", recipe, 7), ("depth", depth_recipe, 5)):
        rows = segen.results(name)
        assert [{key: row[key] for key in module.GRID[0]} for row in rows] == module.GRID
        assert len(rows) == runs
        for row in rows:
            assert row["seeds"] == [0, 1, 2]
            assert row["recipe"] == f"recipes/{name}.py"
            assert row["commit"]
            assert module.FIXED.items() <= row.items()
            for value in ("accuracy", "macro_f1", "losses"):
                assert len(row[value]) == 3
            assert all(0 <= value <= 1 for value in row["accuracy"] + row["macro_f1"])
    for row in segen.results("architectures"):
        low, high = row["latency_spread_ms"]
        assert 0 < low <= row["latency_ms"] <= high


def test_rows_begin_as_they_did() -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    signs = recipe.RoadSigns(recipe.TRAINING, seed=0)
    for network in ("AlexNet", "ResNet"):
        _, history = recipe.fit(network, 1, steps=recipe.FIRST, signs=signs)
        assert history.loss[0] == pytest.approx(row("architectures", network=network)["losses"][1][0], abs=0.02)
        # The control: another seed is another run.
        assert abs(history.loss[0] - row("architectures", network=network)["losses"][0][0]) > 1e-3


def test_rows_of_the_depths_begin_as_they_did() -> None:
    _, history = depth_recipe.fit("residual", 20, 1, steps=depth_recipe.FIRST)
    stored = row("depth", network="residual", depth=20)["losses"]
    assert history.loss[0] == pytest.approx(stored[1][0], abs=0.02)
    assert abs(history.loss[0] - stored[0][0]) > 0.02


def test_more_plain_layers_are_worse_in_training_and_shortcuts_mend_it() -> None:
    last = {(r["network"], r["depth"]): [mean(x[-3:]) for x in r["losses"]] for r in segen.results("depth")}
    for seed in range(3):
        assert last["plain", 56][seed] > last["plain", 20][seed] + 0.2
        assert last["plain", 56][seed] > last["residual", 56][seed] + 0.2
        assert last["residual", 20][seed] < last["residual", 56][seed]


def test_the_chapter_counts_as_the_recipe() -> None:
    for network in ("AlexNet", "GoogLeNet", "DenseNet"):
        layers = chapter()["costs"](recipe.NETWORKS[network], side=32)
        assert sum(work for *_, work in layers) == row("architectures", network=network)["multiply_adds"]


@pytest.mark.parametrize("kind", ["plain", "residual", "pre-activated"])
def test_the_chapter_measures_gradients_as_the_recipe(kind: str) -> None:
    images, labels = chapter()["first_batch"](8, size=16)
    norms = []
    for build, measure in (
        (chapter()["build"], chapter()["gradient_norms"]),
        (depth_recipe.build, depth_recipe.gradient_norms),
    ):
        torch.manual_seed(3)
        norms.append(measure(build(kind, 20), images, labels))
    assert norms[0] == pytest.approx(norms[1])
    assert len(norms[0]) == 19


NETWORKS = {
    "AlexNet": ["scratch_alexnet"],
    "VGG": ["CONFIGURATION_D", "scratch_vgg"],
    "GoogLeNet": ["bn_conv", "Inception", "TABLE_1", "scratch_googlenet"],
    "ResNet": ["Unit", "scratch_resnet"],
    "pre-activated": ["PreUnit", "scratch_resnet"],
    "DenseNet": ["norm_relu", "DenseLayer", "scratch_densenet"],
    "SENet": ["SqueezeExcitation", "SEUnit", "Unit", "scratch_resnet"],
}


@pytest.mark.parametrize("network", NETWORKS)
def test_each_network_takes_under_60_lines(network: str) -> None:
    """All that the chapter writes for it, blank lines and docstrings included, with `conv`, which all share."""
    lines = {}
    for cell in CHAPTER.cells.values():
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and {"exercise", "solution", "check"}.isdisjoint(tags):
            for node in ast.parse(cell.source).body:
                name = node.targets[0] if isinstance(node, ast.Assign) else node
                lines[getattr(name, "name", getattr(name, "id", None))] = node.end_lineno - node.lineno + 1
    assert sum(lines[name] for name in ["conv", *NETWORKS[network]]) < 60


BEHIND = {("DenseNet", "AlexNet"), ("DenseNet", "GoogLeNet"), ("DenseNet", "ResNet"), ("AlexNet", "GoogLeNet")}
BEHIND |= {("AlexNet", "ResNet")}


def test_what_the_prose_says_of_the_table() -> None:
    accuracy = {row["network"]: row["accuracy"] for row in segen.results("architectures")}
    assert min(accuracy["GoogLeNet"] + accuracy["ResNet"]) == 0.961
    for behind, ahead in itertools.permutations(accuracy, 2):
        apart = max(accuracy[behind]) < min(accuracy[ahead])
        assert apart == ((behind, ahead) in BEHIND), (behind, ahead)
    assert (min(accuracy["SEResNet"]), max(accuracy["SEResNet"])) == (0.794, 0.976)
    weights = [row["parameters"] for row in segen.results("architectures")]
    assert 50 < max(weights) / min(weights) < 52


def test_numbers_in_the_prose_are_in_the_tables() -> None:
    """Each number with decimals in what is said of a stored table is printed by that table."""
    cells = CHAPTER.cells
    for text, table in (("table-read-text", "table"),):
        printed = "".join(output.text for output in cells[table].outputs)
        numbers = re.findall(r"\b\d+\.\d{2,3}\b", cells[text].source)
        assert len(numbers) > 3
        assert [number for number in numbers if number not in printed] == []
