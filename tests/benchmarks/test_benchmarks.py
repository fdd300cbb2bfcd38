"""Each benchmark runs in a tiny setting and gives the rows it promises; no time is asserted."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a file of benchmarks/ by its name, as run.py does, and forgets it afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    mine = {path.stem for path in BENCHMARKS.glob("*.py")}
    for name in mine & set(sys.modules):
        monkeypatch.delitem(sys.modules, name)
    yield importlib.import_module
    for name in mine & set(sys.modules):
        del sys.modules[name]


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """Write a CamVid of eight frames a split, and make it the one that is found."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for folder, shape, high in ((split, (90, 120, 3), 256), (f"{split}annot", (90, 120), 12)):
            (tmp_path / "CamVid" / folder).mkdir(parents=True)
            for i in range(8):
                pixels = rng.integers(high, size=shape, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "CamVid" / folder / f"{i}.png")
    monkeypatch.setenv("SEGEN_DATA", str(tmp_path))


def is_spread(text: str) -> bool:
    """Return whether the text is `median (least–greatest)` with the three in order."""
    found = re.fullmatch(r"([\d.]+) \(([\d.]+)–([\d.]+)\)", text)
    return bool(found) and float(found[2]) <= float(found[1]) <= float(found[3])


def test_sides_take_turns_after_one_block_each_to_warm_up(load):
    calls = []
    sides = {name: (lambda name=name: calls.append(name)) for name in "AB"}
    times = load("measuring").interleave(sides, seconds=0, rounds=3)
    assert "".join(calls) == "AB" * 4
    assert [len(wall) for wall in times.wall.values()] == [3, 3]


def test_ratios_are_of_neighbours(load):
    times = load("measuring").Times({"A": [2.0, 9.0], "B": [1.0, 3.0]}, processor=7.5)
    assert times.ratios("A", "B") == [2.0, 3.0]
    assert times.busy == 0.5


def test_spread_and_disturbance_are_told(load):
    measuring = load("measuring")
    assert measuring.spread([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"
    assert measuring.Row("what", "1", "at most 2", True, 0.95).cells() == ["what", "1", "at most 2", "yes", "0.95"]
    assert measuring.Row("what", "3", "at most 2", False, 0.5).cells()[3:] == ["**no**", "0.50 disturbed"]
    assert measuring.Row("what", "3").cells()[2:] == ["", "", ""]


@pytest.mark.parametrize(
    ("name", "settings", "count"),
    [
        ("trainer", {"steps": 1, "scenes": 8}, 2),
        ("dcgan", {"steps": 1}, 3),
        ("confusion", {"shape": (1, 8, 8), "updates": 1}, 3),
        ("scenes", {"count": 2}, 4),
        ("channels_last", {"steps": 1}, 1),
    ],
)
def test_a_benchmark_gives_its_rows(load, name, settings, count):
    if name == "confusion":
        pytest.importorskip("torchmetrics")
    rows = load(name).measure(0.0, rounds=1, **settings)
    assert len(rows) == count
    assert all(is_spread(row.result) and row.busy > 0 for row in rows)
    assert all((row.met is None) == (row.asked == "") for row in rows)


def test_imports_starts_fresh_processes(load, monkeypatch):
    imports, started = load("imports"), []
    with pytest.raises(imports.subprocess.CalledProcessError):
        imports.start("raise SystemExit(1)")
    monkeypatch.setattr(imports, "start", started.append)
    rows = imports.measure(0.0, rounds=2)
    assert started[:2] == ["import torch", "import segen"]
    assert len(started) == 3 * len(rows)


def test_confusion_refuses_a_peer_that_counts_otherwise(load):
    pytest.importorskip("torchmetrics")
    confusion = load("confusion")
    prediction, target = confusion.maps(1, 16, 16)
    peer = confusion.MulticlassConfusionMatrix(confusion.CLASSES)  # without void, so it is given none
    confusion.assert_equal(confusion.ConfusionMatrix(confusion.CLASSES), {"peer": peer}, prediction, target % 19)
    with pytest.raises(AssertionError, match="differently"):
        confusion.assert_equal(confusion.ConfusionMatrix(confusion.CLASSES), {"peer": peer}, prediction, target % 19)


def test_the_hand_written_loop_learns_what_the_trainer_learns(load):
    """The two sides do the same work: after equal steps their weights are equal."""
    trainer = load("trainer")
    data, networks = trainer.StreetScenes(16), []
    real = trainer.UNet

    def kept(*args):
        networks.append(real(*args))
        return networks[-1]

    trainer.UNet = kept
    for make in (trainer.by_hand, trainer.by_trainer):
        block = make(data, steps=2)
        block()
        block()
    for mine, theirs in zip(networks[0].state_dict().values(), networks[1].state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_unets_are_compared_on_camvid(load, camvid, monkeypatch):
    pytest.importorskip("segmentation_models_pytorch")
    pytest.importorskip("monai")
    unet = load("unet")
    monkeypatch.setattr(unet, "RATES", (1e-3,))
    rows = unet.measure(0.0, rounds=1)
    assert len(rows) == 3 + 2 + 4
    assert all(is_spread(row.result) for row in rows[:5])
    assert [float(row.result.split()[0]) >= 0 for row in rows[5:]] == [True] * 4
    assert [row.met is None for row in rows[5:]] == [False, True, True, False]
    assert all("1 steps" in row.result for row in rows[5:])


def test_unets_without_camvid_say_so(load, tmp_path, monkeypatch):
    unet = load("unet")
    monkeypatch.setenv("SEGEN_DATA", str(tmp_path))
    monkeypatch.setattr(unet, "throughput", lambda **_: [])
    (row,) = unet.measure(0.0, rounds=1)
    assert row.result.startswith("not measured: CamVid's train split was looked for")


def test_frames_are_padded_with_what_does_not_count(load, camvid):
    unet = load("unet")
    image, mask = unet.Frames("val")[3]
    assert image.shape == (3, 96, 128)
    assert mask.shape == (96, 128)
    inside, there = unet.CamVid(split="val", size=unet.SIZE)[3]
    assert torch.equal(image[:, 3:-3, 4:-4], inside)
    assert torch.equal(mask[3:-3, 4:-4], there)
    assert int((mask != 255).sum()) == int((there != 255).sum())


def test_flip_moves_image_and_mask_together(load):
    unet = load("unet")
    mask = torch.arange(12).reshape(3, 4)
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        image, labels = unet.flip(mask[None].float(), mask)
        assert torch.equal(image[0].long(), labels)
        seen.add(int(labels[0, 0]))
    assert seen == {0, 3}


def test_the_table_keeps_each_machine_s_rows_apart(load, tmp_path):
    run, row = load("run"), load("measuring").Row("what", "1.00 (1.00–1.00)")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{run.BEGIN}{run.END}after\n")
    assert run.written(readme) == {}
    first = {"scenes": run.lines("scenes", [row, row]), "trainer": run.lines("trainer", [row])}
    run.write(run.table(run.merged({}, "a machine", first)), readme)
    assert run.written(readme) == {"a machine": first}
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    run.write(run.table(run.written(readme)), readme)
    assert readme.read_text() == text  # writing what is there changes nothing

    again = {"scenes": run.lines("scenes", [row])}
    run.write(run.table(run.merged(run.written(readme), "another", again)), readme)
    assert run.written(readme) == {"a machine": {"trainer": first["trainer"]}, "another": again}
    later = {"trainer": first["trainer"]}  # the last row of a machine goes, and its heading with it
    assert run.merged(run.written(readme), "another", later) == {"another": again | later}


def test_every_benchmark_is_run_and_in_the_readme(load):
    run = load("run")
    files = {path.stem for path in BENCHMARKS.glob("*.py")} - {"run", "measuring"}
    readme = run.README.read_text(encoding="utf-8")
    assert files == set(run.NAMES)
    assert all(f"`{name}.py`" in readme for name in run.NAMES)
    assert (run.BEGIN in readme, run.END in readme) == (True, True)


def test_an_unknown_name_is_refused_with_those_there_are(load, monkeypatch, capsys):
    run = load("run")
    monkeypatch.setattr(sys, "argv", ["run.py", "speed"])
    with pytest.raises(SystemExit):
        run.main()
    assert "there is no benchmark speed; choose from trainer, dcgan, unet" in capsys.readouterr().err
