"""The loop: what it computes, what it must not forget, and what it refuses."""

import copy
import functools
import importlib.util
import math
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from torch import nn
from torch.nn import functional as F

from segen import show
from segen.data import RoadSigns
from segen.data.loading import batches
from segen.losses import cross_entropy
from segen.models import FCN, VGG, AlexNet, DenseNet, GoogLeNet, PreActResNet, ResNet, SEResNet
from segen.training import ClassifierTrainer, SegmentationTrainer, Trainer
from segen.training import trainer as trainer_module

spec = importlib.util.spec_from_file_location("segen_test_runs", Path(__file__).with_name("runs.py"))
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)


class Stop(Exception):
    """Ends a run at a step boundary without a save, as a kill does."""


def killed_and_resumed(path, step=14):
    """Return (trainer, history) of a run that ended after `step` and was begun again by a new trainer."""

    def stop(trainer):
        if trainer.step_number >= step:
            raise Stop

    with pytest.raises(Stop):
        runs.fit(runs.build_trainer(), path, callback=stop)
    trainer = runs.build_trainer()
    return trainer, runs.fit(trainer, path)


def straight(path):
    trainer = runs.build_trainer()
    return trainer, runs.fit(trainer, path)


def test_resuming_is_exact_in_one_process_too(tmp_path):
    assert runs.digest(*killed_and_resumed(tmp_path / "a")) == runs.digest(*straight(tmp_path / "b"))


def no_seed_per_step(monkeypatch):
    monkeypatch.setattr(trainer_module.torch, "manual_seed", lambda seed: None)
    torch.random.default_generator.manual_seed(5)  # both runs begin alike; from there on the stream is consumed


def no_optimiser(monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", lambda self, state: None)


def no_average(monkeypatch):
    restore = Trainer._restore

    def forget(self, state, path):
        fresh = {name: average.state_dict() for name, average in self.averaged.items()}
        restore(self, state | {"averaged": {name: dict(fresh[name]) for name in fresh}}, path)

    monkeypatch.setattr(Trainer, "_restore", forget)


def no_offset(monkeypatch):
    original = trainer_module.batches
    monkeypatch.setattr(trainer_module, "batches", lambda *a, **k: original(*a, **k | {"start": 0}))


@pytest.mark.parametrize("forgotten", [no_seed_per_step, no_optimiser, no_average, no_offset])
def test_what_is_forgotten_shows(forgotten, monkeypatch, tmp_path):
    """The four controls: without any one of these, the comparison above must fail."""
    forgotten(monkeypatch)
    expected = runs.digest(*straight(tmp_path / "b"))
    if forgotten is no_seed_per_step:
        torch.random.default_generator.manual_seed(5)
    assert runs.digest(*killed_and_resumed(tmp_path / "a")) != expected


def test_a_longer_run_goes_on_where_a_shorter_one_ended(tmp_path):
    def fit(steps, path):
        torch.manual_seed(0)
        trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1), seed=1)
        history = trainer.fit(runs.Noise(), steps=steps, batch_size=4, every=5, checkpoint=path, progress=False)
        return [p.tolist() for p in trainer.model.parameters()], vars(history)

    short = fit(7, tmp_path / "a")
    assert short[1]["step"] == [5, 7]
    assert fit(12, tmp_path / "a") == fit(12, tmp_path / "b")


def test_the_loop_equals_one_written_by_hand():
    """Same batches, AdamW, clipping, warm-up and cosine, spelled out; the parameters agree to the last bit."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    hand = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    hand.load_state_dict(ours.state_dict())
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    trainer = SegmentationTrainer(ours, lr=3e-3, seed=4, warmup=5, decay=20, clip=0.5, channels_last=False)
    history = trainer.fit(runs.Noise(), steps=20, batch_size=4, every=20, progress=False)

    optimiser = torch.optim.AdamW(hand.parameters(), lr=3e-3)
    losses = []
    for step, (images, masks) in zip(range(20), batches(runs.Noise(), 4, seed=4), strict=False):
        warm, cosine = min(1, (step + 1) / 6), (1 + math.cos(math.pi * step / 20)) / 2
        optimiser.param_groups[0]["lr"] = 3e-3 * (warm * (0.01 + 0.99 * cosine))
        loss = F.cross_entropy(hand(images), masks)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(hand.parameters(), 0.5)
        optimiser.step()
        losses.append(loss.item())
    for name, value in hand.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-7)
        assert not torch.equal(before[name], value)
    assert history.loss[-1] == pytest.approx(sum(losses) / 20, rel=1e-5)


def test_averaged_weights_against_the_closed_form():
    """After n steps of decay d the average is the sum of dⁿ⁻ⁱ(1 − d)θᵢ, by hand, buffers included."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5))
    trainer = SegmentationTrainer(network, seed=0, average=0.5)
    states = [{k: v.clone() for k, v in network.state_dict().items()}]
    trainer.fit(
        runs.Noise(), steps=6, batch_size=4, every=1, progress=False,
        callback=lambda t: states.append({k: v.clone() for k, v in t.model.state_dict().items()}),
    )  # fmt: skip
    for name in ("0.weight", "1.running_var"):
        expected = states[0][name].double()
        for number, state in enumerate(states[1:]):
            decay = min(0.5, (1 + number) / (10 + number))
            expected = decay * expected + (1 - decay) * state[name].double()
        torch.testing.assert_close(trainer.averaged["model"].state_dict()[name].double(), expected)
    assert trainer.averaged["model"][1].num_batches_tracked == 6


class TwoNetworks(Trainer):
    """A small GAN: the ground that adversarial training stands on."""

    def __init__(self, generator, critic, **settings):
        super().__init__({"generator": generator, "critic": critic}, **settings)

    def step(self, batch):
        real, _ = batch
        fake = self.models["generator"](torch.randn(len(real), 4, device=real.device))
        scores = self.models["critic"](real.flatten(1)), self.models["critic"](fake.detach())
        critic_loss = F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()
        self.descend("critic", critic_loss)
        generator_loss = F.softplus(-self.models["critic"](fake)).mean()
        self.descend("generator", generator_loss)
        return {"critic": critic_loss, "generator": generator_loss}


def build_gan():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3 * 16 * 16))
    critic = nn.utils.parametrizations.spectral_norm(nn.Linear(3 * 16 * 16, 1))
    adam = functools.partial(torch.optim.Adam, betas=(0.0, 0.9))
    rates = {"generator": 1e-3, "critic": 2e-3}
    return TwoNetworks(generator, critic, lr=rates, seed=2, optimizer=adam, averages={"generator": 0.9})


def test_two_networks_resume_exactly(tmp_path):
    def fit(trainer, path, steps):
        history = trainer.fit(runs.Noise(), steps=steps, batch_size=4, every=5, checkpoint=path, progress=False)
        state = trainer._state()
        tensors = [t for part in ("models", "averaged") for s in state[part].values() for t in s.values()]
        moments = [t for s in state["optimizers"].values() for m in s["state"].values() for t in m.values()]
        return [t.clone() for t in tensors + moments], history

    fit(build_gan(), tmp_path / "a", 13)
    resumed, history = fit(build_gan(), tmp_path / "a", 25)
    expected, whole = fit(build_gan(), tmp_path / "b", 25)
    assert all(torch.equal(a, b) for a, b in zip(resumed, expected, strict=True))
    assert vars(history) == vars(whole)
    assert set(vars(whole)) == {"step", "critic", "generator", "lr_critic", "lr_generator"}


def test_global_random_states_are_put_back():
    torch.manual_seed(11), random.seed(11), np.random.seed(11)  # noqa: NPY002
    trainer = runs.build_trainer()
    expected = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    runs.fit(trainer, None)
    assert torch.equal(torch.random.get_rng_state(), expected[0])
    assert random.getstate() == expected[1]
    assert np.random.get_state()[1].tolist() == expected[2]  # noqa: NPY002


def test_segmentation_scores_are_those_of_the_whole_set():
    torch.manual_seed(0)
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    data = runs.Noise()
    images, masks = (torch.stack(part) for part in zip(*(data[i] for i in range(len(data))), strict=True))
    with torch.no_grad():
        logits = trainer.model.eval()(images)
    found = trainer.evaluate(data, batch_size=5)
    assert found == pytest.approx(trainer.evaluate(data, batch_size=22))
    right = logits.argmax(1)
    ious = [((right == k) & (masks == k)).sum() / ((right == k) | (masks == k)).sum() for k in range(5)]
    assert found["mean_iou"] == pytest.approx(float(np.mean(ious)), abs=1e-6)
    assert found["pixel_accuracy"] == pytest.approx((right == masks).float().mean().item(), abs=1e-6)
    assert found["loss"] == pytest.approx(F.cross_entropy(logits, masks).item(), rel=1e-5)


def test_classifier_scores_equal_scikit_learns():
    torch.manual_seed(0)
    data = [(torch.randn(3, 8, 8), int(label)) for label in torch.randint(0, 4, (70,))]
    trainer = ClassifierTrainer(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), lr=1e-3)
    history = trainer.fit(data, steps=30, batch_size=10, every=10, validation=data, progress=False)
    found = trainer.evaluate(data, batch_size=16)
    labels = [label for _, label in data]
    guesses = trainer.predict(torch.stack([image for image, _ in data])).argmax(1).tolist()
    assert set(found) == {"loss", "accuracy", "macro_f1"}
    assert found["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(guesses, labels, strict=True)]))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, guesses, average="macro"))
    assert history.validation_accuracy[-1] == found["accuracy"]
    assert history.step == [10, 20, 30]


def judged(guesses, classes):
    """A trainer whose network guesses what the images say, `[classes, 1, 1]`, and the images."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(classes, classes, bias=False))
    nn.init.eye_(network[1].weight)
    return ClassifierTrainer(network), F.one_hot(guesses, classes).float()[..., None, None]


@pytest.mark.parametrize("seed", range(60))
def test_scores_with_absent_classes_equal_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(2, 9)), int(rng.integers(1, 40))
    here = rng.choice(k, size=rng.integers(1, k + 1), replace=False)
    labels = rng.choice(here, n)
    guesses = np.where(rng.random(n) < 0.6, labels, rng.integers(0, k, n))
    trainer, images = judged(torch.from_numpy(guesses), k)
    data = [(image, int(label)) for image, label in zip(images, labels, strict=True)]
    void = [(images[0], 255)] * int(rng.integers(0, 4))  # does not count
    found = trainer.evaluate(data + void, batch_size=int(rng.integers(1, 9)))
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, guesses))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, guesses, average="macro"))
    # Asked about all classes, scikit-learn calls those that are nowhere 0, or leaves them out when told so.
    every = {"labels": list(range(k)), "average": "macro"}
    assert found["macro_f1"] == pytest.approx(f1_score(labels, guesses, **every, zero_division=np.nan))
    nowhere = k - len({*labels, *guesses})
    assert found["macro_f1"] * (k - nowhere) / k == pytest.approx(f1_score(labels, guesses, **every, zero_division=0))
    matrix = trainer.confusion(data + void).matrix
    np.testing.assert_array_equal(matrix, confusion_matrix(labels, guesses, labels=range(k)))


def test_absent_classes_by_hand():
    # Class 1 is guessed but never there: its F1 is 0. Class 2 is there but never guessed: 0. Class 3 is nowhere: out.
    trainer, images = judged(torch.tensor([0, 0, 1]), 4)
    found = trainer.evaluate(list(zip(images, [0, 0, 2], strict=True)))
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_the_confusion_matrix_is_seen_in_two_lines():
    signs = RoadSigns(30, seed=1)
    trainer = ClassifierTrainer(ResNet(3, 10, width=2, blocks=(1,), small=True))
    matrix = trainer.confusion(signs).matrix
    figure = show.confusion(matrix, signs.classes)
    assert matrix.sum() == 30
    assert matrix.sum(1).tolist() == np.bincount([label for _, label in signs], minlength=10).tolist()
    assert matrix.diagonal().sum() / 30 == pytest.approx(trainer.evaluate(signs)["accuracy"])
    assert len(figure.axes[0].texts) >= 10


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (4, r"class index 4, but of 4 classes the indices are 0\.\.3, and 255 for void; map the target to these, or "),
        (-1, r"class index -1, but of 4 classes"),
        (256, r"class index 256, but of 4 classes"),
        (1.0, r"of torch.float\d\d where class indices are expected; "),
        (True, r"of torch.bool where class indices are expected; "),
        (torch.tensor([1]), r"target \[2, 1\]"),
        (torch.eye(4)[1], r"of torch.float32 where class indices are expected; "),
        ("stop", r"A batch was made of Tensor, tuple; let the dataset give pairs"),
    ],
)
def test_labels_that_are_no_classes_are_refused(label, sentence):
    trainer, images = judged(torch.tensor([0, 1]), 4)
    data = [(image, label) for image in images]
    with pytest.raises(ValueError, match=sentence):
        trainer.fit(data, steps=1, batch_size=2, progress=False)
    with pytest.raises(ValueError, match=sentence.partition(", or ")[0]):
        trainer.evaluate(data)


@pytest.mark.parametrize("make", [AlexNet, VGG, GoogLeNet, ResNet, PreActResNet, DenseNet, SEResNet, FCN])
def test_images_too_small_for_a_network_are_refused_before_a_kernel_meets_them(make):
    """No kernel outgrows its padded input, and no stride its map: each network says first what it can read."""
    trainer = ClassifierTrainer(make(3, 4, width=2))
    small = [(torch.zeros(3, 3, 40), 1)] * 2
    for use in (lambda: trainer.fit(small, steps=1, batch_size=2, progress=False), lambda: trainer.evaluate(small)):
        with pytest.raises(
            ValueError, match=r"images of 3×40 \(height × width\), but can only read sides that .* to \d"
        ):
            use()


def test_predict_and_evaluate_keep_the_mode():
    trainer = SegmentationTrainer(nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)))
    trainer.model.train()
    before = trainer.model[1].running_mean.clone()
    trainer.evaluate(runs.Noise())
    assert trainer.model.training
    assert torch.equal(trainer.model[1].running_mean, before)


def test_nan_stops_at_its_step_and_keeps_the_last_good_checkpoint(tmp_path):
    calls = []

    def loss(logits, target):
        if torch.is_grad_enabled():
            calls.append(1)
        return cross_entropy(logits, target) * (math.nan if len(calls) == 8 else 1.0)

    def build():
        torch.manual_seed(0)
        return SegmentationTrainer(nn.Conv2d(3, 5, 1), loss=loss)

    path = tmp_path / "a.pt"
    with pytest.raises(ValueError, match=r"At step 8 .* no longer finite"):
        build().fit(runs.Noise(), steps=20, batch_size=4, checkpoint=path, checkpoint_every=3, progress=False)
    good = build()
    good.load(path)
    assert good.step_number == 6
    assert all(p.isfinite().all() for p in good.model.parameters())


def test_empty_dataset_and_too_large_a_batch():
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    with pytest.raises(ValueError, match="dataset is empty"):
        trainer.fit([], steps=1, batch_size=1)
    with pytest.raises(ValueError, match="batch_size=30 is larger than the dataset of 22"):
        trainer.fit(runs.Noise(), steps=1, batch_size=30)
    with pytest.raises(ValueError, match="give at least one"):
        trainer.evaluate([])
    with pytest.raises(ValueError, match="steps=-1"):
        trainer.fit(runs.Noise(), steps=-1, batch_size=2)
    with pytest.raises(ValueError, match="lr=0"):
        SegmentationTrainer(nn.Conv2d(3, 5, 1), lr=0)


def test_nothing_is_written_when_the_data_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="empty"):
        SegmentationTrainer(nn.Conv2d(3, 5, 1)).fit([], steps=1, batch_size=1, checkpoint=tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 8}, "seed=7, and here seed=8"),
        ({"lr": 1e-2}, "lr="),
        ({"loss": functools.partial(cross_entropy, weight=torch.ones(5))}, "loss="),
        ({"model": nn.Conv2d(3, 5, 3)}, "'weight' has shape"),
        ({"model": nn.Conv2d(3, 5, 1, bias=False)}, "'bias' has shape"),
        ({"model": nn.Sequential(nn.Conv2d(3, 5, 1))}, "models="),
        ({"batch_size": 5}, "batch_size=4, and here batch_size=5"),
        ({"augment": runs.augment}, "augment="),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, change, sentence):
    def fit(model=None, batch_size=4, augment=None, **settings):
        model = model or nn.Conv2d(3, 5, 1)
        trainer = SegmentationTrainer(model, **{"seed": 7, **settings})
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        try:
            trainer.fit(
                runs.Noise(), steps=2, batch_size=batch_size, augment=augment, checkpoint=tmp_path / "a", progress=False
            )
        finally:
            unchanged = all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
            assert unchanged == bool(change_now)

    change_now = {}
    fit()
    content = (tmp_path / "a").read_bytes()
    change_now = change
    with pytest.raises(ValueError, match=sentence):
        fit(**change)
    assert (tmp_path / "a").read_bytes() == content


def test_a_full_disk_during_a_save_loses_nothing(tmp_path):
    """The limit on the size of files stands for a full disk; it is set in a process of its own."""
    code = f"""
import importlib.util, resource, signal, sys
spec = importlib.util.spec_from_file_location("runs", {str(Path(runs.__file__))!r})
runs = importlib.util.module_from_spec(spec); spec.loader.exec_module(runs)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fill(trainer):
    if trainer.step_number == 10:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
trainer = runs.build_trainer()
try:
    runs.fit(trainer, {str(tmp_path / "a.pt")!r}, callback=fill)
except OSError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(error, trainer.step_number)
    trainer.save({str(tmp_path / "b.pt")!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "could not be written" in done.stdout, done.stderr
    assert "make room" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "b.pt"]
    for name, step in (("a.pt", 8), ("b.pt", 12)):
        trainer = runs.build_trainer()
        trainer.load(tmp_path / name)
        assert trainer.step_number == step


def test_a_second_interrupt_ends_at_once(tmp_path):
    def press_twice(trainer):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    history = runs.fit(runs.build_trainer(), tmp_path / "a", callback=press_twice)
    assert history.step == [5]
    assert signal.getsignal(signal.SIGINT) is before


def test_histories_are_equal_if_all_they_hold_is():
    history = trainer_module.History(step=[1, 2], loss=[0.5, math.nan])
    assert history == trainer_module.History(loss=[0.5, math.nan], step=[1, 2])
    assert history != trainer_module.History(step=[1, 2], loss=[0.5, 0.25])
    assert history != trainer_module.History(step=[1, 2])


def test_in_a_thread_it_trains_as_well():
    import threading

    result = []
    thread = threading.Thread(target=lambda: result.append(runs.fit(runs.build_trainer(), None)))
    thread.start()
    thread.join()
    assert result[0].step == [5, 10, 15, 20, 24]


def test_half_precision_is_the_accelerators():
    """In a process of its own, since a process has one precision for good."""
    code = f"""
import importlib.util, math, torch
from accelerate import Accelerator
spec = importlib.util.spec_from_file_location("runs", {str(Path(runs.__file__))!r})
runs = importlib.util.module_from_spec(spec); spec.loader.exec_module(runs)
from segen.training import SegmentationTrainer
torch.manual_seed(0)
seen = []
class Spy(torch.nn.Conv2d):
    def forward(self, x):
        y = super().forward(x)
        seen.append(y.dtype)
        return y
half = Accelerator(mixed_precision="bf16", cpu=True)
trainer = SegmentationTrainer(Spy(3, 5, 1), lr=1e-2, accelerator=half, average=0.9)
history = trainer.fit(runs.Noise(), steps=20, batch_size=4, every=10, progress=False, validation=runs.Noise())
print(set(seen), trainer.model.weight.dtype, history.loss[-1] < history.loss[0])
again = SegmentationTrainer(torch.nn.Conv2d(3, 5, 1))  # takes what the process has
print(again.accelerator.mixed_precision)
image, mask = runs.Noise()[0]
print(math.isfinite(again.evaluate([(image.bfloat16(), mask)])["loss"]))  # which autocast brings to one type
try:
    again.evaluate([(image.double(), mask)])
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == [
        "{torch.bfloat16} torch.float32 True",
        "bf16",
        "True",
        "Conv2d was given images of torch.float64, but has weights of torch.float32; bring them to that type with "
        ".to(torch.float32), or the network to theirs with .to(torch.float64).",
    ], done.stdout + done.stderr


def test_a_callback_that_leaves_evaluation_mode_changes_nothing(tmp_path):
    trainer = runs.build_trainer()
    history = runs.fit(trainer, tmp_path / "a", callback=lambda t: t.model.eval())
    assert runs.digest(trainer, history) == runs.digest(*straight(tmp_path / "b"))


def test_fit_in_a_callback_of_the_same_trainer_is_refused(tmp_path):
    told = []

    def again(trainer):
        with pytest.raises(
            ValueError, match="fit of the same trainer is under way, as from its callback; let the first"
        ):
            trainer.fit(runs.Noise(), steps=50, batch_size=4, progress=False)
        told.append(trainer.step_number)

    trainer = runs.build_trainer()
    history = runs.fit(trainer, tmp_path / "a", callback=again)
    assert told == [5, 10, 15, 20, 24]
    assert runs.digest(trainer, history) == runs.digest(*straight(tmp_path / "b"))

    def stop(_):
        raise Stop

    trainer = runs.build_trainer()
    with pytest.raises(Stop):
        runs.fit(trainer, None, callback=stop)
    assert runs.fit(trainer, None).step[-1] == runs.STEPS  # a run that failed is over


@pytest.mark.parametrize(
    "change",
    [
        *({"steps": n} for n in (-1, 2.5, "3", None, True)),
        *({"every": n} for n in (0, 1.5)),
        {"checkpoint_every": 0},
        {"batch_size": 2.0},
        {"num_workers": -1},
        {"callback": 3},
        {"augment": 3},
        {"validation": []},
        {"data": iter([])},
        {"data": None},
    ],
)
def test_fit_refuses_with_a_sentence_before_anything_is_written(change, tmp_path):
    settings = {"data": runs.Noise(), "steps": 2, "batch_size": 4, "checkpoint": tmp_path / "a", "progress": False}
    with pytest.raises(ValueError, match=r"(was|were) given; |was given as|is empty; "):
        SegmentationTrainer(nn.Conv2d(3, 5, 1)).fit(**settings | change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        *({"lr": rate} for rate in ("x", None, math.nan, math.inf)),
        *({"seed": seed} for seed in ("x", None, 1.5)),
        *({"warmup": n} for n in (-1, 0.05)),
        *({"decay": n} for n in (0, -5)),
        *({"clip": norm} for norm in (0, -1)),
        *({"average": share} for share in (1.0, 2, -0.1)),
        {"model": nn.ReLU()},
        {"model": nn.Conv2d(3, 5, 1).requires_grad_(False)},
        {"model": None},
    ],
)
def test_a_trainer_refuses_with_a_sentence(change):
    with pytest.raises(ValueError, match=r"; give "):
        SegmentationTrainer(**{"model": nn.Conv2d(3, 5, 1)} | change)


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        (torch.zeros(3, 4, 4), "made of Tensor; "),
        ((torch.zeros(3, 4, 4), torch.zeros(4, 4).long(), 1), "made of 3 parts; "),
        ({"image": torch.zeros(3, 4, 4)}, "made of dict"),
        ((torch.zeros(3, 4, 4), "a"), "made of Tensor, tuple; let the dataset give pairs"),
        (
            (torch.zeros(3, 4, 4).double(), torch.zeros(4, 4).long()),
            r"torch.float64, but .* them to that type with .to\(torch.float32\)",
        ),
    ],
)
def test_samples_of_another_kind_are_refused(sample, sentence):
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    with pytest.raises(ValueError, match=sentence):
        trainer.fit([sample] * 4, steps=1, batch_size=4, progress=False)
    with pytest.raises(ValueError, match=sentence):
        trainer.evaluate([sample] * 4)


@pytest.mark.parametrize("network", [nn.Conv2d(3, 5, 1), FCN(3, 5, width=4)], ids=["Conv2d", "FCN"])
@pytest.mark.parametrize(
    ("images", "weights"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float32, torch.float64)],
)
def test_images_of_another_float_type_than_the_weights_are_refused(network, images, weights):
    trainer = SegmentationTrainer(copy.deepcopy(network).to(weights))
    data = [(torch.zeros(3, 32, 32, dtype=images), torch.zeros(32, 32).long())] * 2
    name = type(network).__name__
    sentence = (
        rf"^{name} was given images of {images}, but has weights of {weights}; bring them .* \.to\({weights}\), or"
    )
    for use in (
        lambda: trainer.fit(data, steps=1, batch_size=2, progress=False),
        lambda: trainer.evaluate(data),
        lambda: trainer.predict(data[0][0][None]),
    ):
        with pytest.raises(ValueError, match=sentence):
            use()
    trainer.evaluate([(image.to(weights), mask) for image, mask in data])


def test_evaluate_and_predict_refuse_with_a_sentence():
    trainer = SegmentationTrainer(nn.Conv2d(3, 5, 1))
    for batch_size in (0, -1, 1.5):
        with pytest.raises(ValueError, match=r"batch_size=.* was given; give a whole number"):
            trainer.evaluate(runs.Noise(), batch_size=batch_size)
    with pytest.raises(ValueError, match="give at least one"):
        trainer.evaluate(iter([]))
    with pytest.raises(ValueError, match="predict was given ndarray; give a tensor"):
        trainer.predict(np.zeros((1, 3, 4, 4)))
