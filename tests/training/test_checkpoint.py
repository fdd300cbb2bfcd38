"""The checkpoint file: whole at every moment, held by one run, and refused when it is damaged."""

import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from segen.training import SegmentationTrainer
from segen.training.checkpoint import Checkpoint, read

STATE = {"step": 3, "weights": {"w": torch.arange(1000.0)}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.pt"
    with Checkpoint(path) as checkpoint:
        checkpoint.write(STATE)
    return path


def test_what_is_written_is_read(path):
    assert torch.equal(read(path)["weights"]["w"], STATE["weights"]["w"])
    assert os.listdir(path.parent) == ["a.pt"]


@pytest.mark.parametrize("tenth", range(10))
def test_cut_short_at_any_tenth(path, tenth):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenth // 10])
    with pytest.raises(ValueError, match="damaged, cut short"):
        read(path)
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    before = trainer.model.weight.clone()
    with pytest.raises(ValueError, match="damaged, cut short"):
        trainer.fit([(torch.zeros(3, 4, 4), torch.zeros(4, 4).long())], steps=1, batch_size=1, checkpoint=path)
    assert torch.equal(trainer.model.weight, before)
    assert path.read_bytes() == content[: len(content) * tenth // 10], "what is left may still be of use"


def test_a_missing_file_and_a_foreign_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        read(tmp_path / "none")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="no checkpoint of segen"):
        read(tmp_path / "foreign")


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_nothing_in_it_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "segen checkpoint 1", "x": Harmful()}, tmp_path / "a")
    (tmp_path / "b").write_bytes(pickle.dumps(Harmful(), protocol=2))
    for name in "ab":
        with pytest.raises(ValueError, match="cannot be read"):
            read(tmp_path / name)
    assert not (tmp_path / "harm").exists()


def test_two_runs_on_one_checkpoint(path):
    with Checkpoint(path) as first:
        first.write(STATE)
        with pytest.raises(BlockingIOError, match="Another run is using"), Checkpoint(path):
            pass
        first.write(STATE | {"step": 4})
        with pytest.raises(BlockingIOError, match="Another run is using"), Checkpoint(path):
            pass
    with Checkpoint(path) as second:
        assert second.read()["step"] == 4


def test_two_runs_that_both_begin_with_no_file(tmp_path):
    with Checkpoint(tmp_path / "a") as first, Checkpoint(tmp_path / "a") as second:
        first.write(STATE)
        with pytest.raises(BlockingIOError, match="Another run is using"):
            second.write(STATE)
        first.write(STATE)
    assert os.listdir(tmp_path) == ["a"]


HOLDER = """
import sys, time
from segen.training.checkpoint import Checkpoint
with Checkpoint(sys.argv[1]) as held:
    held.write({"step": 5})
    if len(sys.argv) > 2:
        import os
        if os.fork() == 0:
            time.sleep(60)  # a worker that outlives its run
            os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("worker", [False, True])
def test_the_lock_dies_with_its_process(path, worker):
    arguments = [sys.executable, "-c", HOLDER, str(path)] + ["worker"] * worker
    holder = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), Checkpoint(path):
            pass
        holder.kill()
        holder.wait()
        time.sleep(0.1)
        with Checkpoint(path) as checkpoint:
            assert checkpoint.read()["step"] == 5
    finally:
        os.killpg(holder.pid, 9) if worker else None
        holder.stdout.close()


def test_a_folder_that_cannot_be_written(path, monkeypatch):
    """Root may write anywhere, so the refusal comes from the system call."""

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    before = path.read_bytes()
    with Checkpoint(path) as checkpoint:
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=r"could not be written \(Permission denied\); the checkpoint before"):
            checkpoint.write(STATE)
        monkeypatch.undo()
        assert path.read_bytes() == before
        checkpoint.write(STATE | {"step": 9})  # and the same run can save again
    assert read(path)["step"] == 9


def test_what_a_killed_save_left_is_cleared_away(path):
    (path.parent / "a.pt.partial").write_bytes(b"half")
    with Checkpoint(path):
        assert os.listdir(path.parent) == ["a.pt"]
    os.link(path, path.parent / "a.pt.partial")  # killed between giving the name and taking the old one away
    with Checkpoint(path) as checkpoint:
        checkpoint.write(STATE)
    assert os.listdir(path.parent) == ["a.pt"]


def test_saving_to_the_run_s_own_checkpoint_from_a_callback(tmp_path):
    torch.manual_seed(0)
    data = [(torch.zeros(3, 4, 4), torch.zeros(4, 4).long())]
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    trainer.fit(
        data, steps=3, batch_size=1, every=1, checkpoint=tmp_path / "a", progress=False,
        callback=lambda t: (t.save(tmp_path / "a"), t.save(tmp_path / f"copy{t.step_number}")),
    )  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["a", "copy1", "copy2", "copy3"]
    assert read(tmp_path / "copy2")["step"] == 2


def test_a_single_wrong_bit_is_found(path):
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # torch takes it
    with pytest.raises(ValueError, match="damaged"):
        read(path)


@pytest.mark.parametrize("place", ["", ".", "a folder", os.devnull, None, 3])
def test_what_is_no_file_is_refused_and_kept(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    with pytest.raises(ValueError, match="give the path of a file"):
        Checkpoint(place)
    assert (tmp_path / "a folder").is_dir()
    with pytest.raises(OSError, match=r"could not be written .*too long.* none"), Checkpoint("x" * 300) as checkpoint:
        checkpoint.write(STATE)


def test_a_checkpoint_that_may_not_be_read(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=r"could not be opened \(Permission denied\); make"), Checkpoint(path):
        pass


@pytest.mark.parametrize("target", ["a.pt", "none yet"])
def test_a_link_stays_one(path, target):
    link = path.with_name("link")
    link.symlink_to(path.with_name(target))
    with Checkpoint(link) as checkpoint:
        checkpoint.write(STATE | {"step": 9})
    assert link.is_symlink()
    assert read(path.with_name(target))["step"] == read(link)["step"] == 9
