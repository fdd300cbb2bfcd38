"""The training loop, the same for a classifier, a segmenter and a GAN."""

import copy
import math
import os
from collections.abc import Callable, Sized
from contextlib import contextmanager
from numbers import Real

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from segen.data.common import check_numbers
from segen.data.loading import batches, derive_seed
from segen.training.averaging import update_average
from segen.training.checkpoint import Checkpoint, read
from segen.training.running import (
    Processes,
    check_batch,
    describe,
    interrupts,
    make_accelerator,
    random_numbers,
)


class History:
    """What a run logged: `.step`, a list of step numbers, and under each logged name a list of floats as long.

    A name that was not logged at a step has nan there. There are no clock times, so that equal runs have equal
    histories.
    """

    def __init__(self, **lists: list):
        self.step: list[int] = []
        vars(self).update({name: list(values) for name, values in lists.items()})

    def record(self, step: int, values: dict[str, float]) -> None:
        """Append `values`, by name, at `step`."""
        for name in [*values, *(name for name in vars(self) if name != "step" and name not in values)]:
            column = vars(self).setdefault(name, [math.nan] * len(self.step))
            column.append(float(values.get(name, math.nan)))
        self.step.append(step)

    def __eq__(self, other) -> bool:
        """Return whether both hold the same, to the last bit; nan equals nan."""
        return isinstance(other, History) and repr(sorted(vars(self).items())) == repr(sorted(vars(other).items()))

    def __repr__(self) -> str:
        names = ", ".join(name for name in vars(self) if name != "step") or "nothing"
        return f"History of {len(self.step)} records: {names}"


class Trainer:
    """Training as a pure function of (data, seed, step); a subclass writes `step(batch)`.

    `models` are trained in place, by name; each has an optimiser of its own under the same name in `.optimizers`,
    made by `optimizer(parameters, lr=…)`. `lr` is one rate for all, or one for each name. It rises over the first
    `warmup` steps, and falls along half a cosine to a hundredth of itself at step `decay` (None: it stays).
    Gradients are clipped to the norm `clip` (None: they are not). `averages` gives a decay for each model of which
    an exponential average is kept in `.averaged`. `channels_last` stores images and weights channels innermost.
    `accelerator` says where to train and in which precision; by default one is made, with bf16 where CUDA has it.

    Nothing in a step depends on how many there will be, or on where the run was resumed: the learning rate is a
    function of the step, the batch of (seed, step), the random draws of (seed, step, process).
    """

    def __init__(
        self,
        models: dict[str, nn.Module],
        *,
        lr: float | dict[str, float],
        seed: int = 0,
        optimizer: Callable = torch.optim.AdamW,
        warmup: int = 0,
        decay: int | None = None,
        clip: float | None = None,
        averages: dict[str, float] | None = None,
        channels_last: bool = True,
        accelerator: Accelerator | None = None,
    ):
        self.lr = dict(lr) if isinstance(lr, dict) else dict.fromkeys(models, lr)
        rates = self.lr.values()
        if self.lr.keys() != models.keys() or not all(isinstance(r, Real) and 0 < r < math.inf for r in rates):
            raise ValueError(f"lr={lr!r} was given; give one rate above 0, or one for each of {', '.join(models)}.")
        check_numbers(seed=(seed, -math.inf), warmup=(warmup, 0), decay=(1 if decay is None else decay, 1))
        if clip is not None and not (isinstance(clip, Real) and clip > 0):
            raise ValueError(f"clip={clip!r} was given; give the greatest norm of a gradient, above 0, or None.")
        for name, share in (averages or {}).items():
            if not (isinstance(share, Real) and 0 <= share < 1):
                raise ValueError(f"The average of {name} was given the decay {share!r}; give 0 or more, under 1.")
        for name, model in models.items():
            if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
                what = (
                    "has no parameter that requires a gradient" if isinstance(model, nn.Module) else "is no nn.Module"
                )
                raise ValueError(f"The {name} ({type(model).__name__}) {what}; give a network that can be trained.")
        self.accelerator = accelerator or make_accelerator()
        self.processes = Processes(self.accelerator)
        self.seed, self.warmup, self.decay, self.clip = int(seed), int(warmup), decay, clip
        self.channels_last, self.averages = channels_last, dict(averages or {})
        self.step_number, self.history = 0, History()
        self._sums: dict[str, list] = {}  # of each logged value since the last record: [sum, count]
        self._bad_step = torch.tensor(-1, device=self.accelerator.device)
        self._checkpoint, self._run, self._fitting = None, {}, False

        self.models, self.optimizers, self.averaged = {}, {}, {}
        for name, model in models.items():
            if channels_last:
                model.to(memory_format=torch.channels_last)
            if name in self.averages:  # before `prepare`, which gives the model a forward of its own
                self.averaged[name] = copy.deepcopy(model).eval().requires_grad_(False).to(self.accelerator.device)
            made = optimizer([p for p in model.parameters() if p.requires_grad], lr=self.lr[name])
            self.models[name], self.optimizers[name] = self.processes.prepare(model, made)
        names = {name: type(model).__name__ for name, model in models.items()}
        self._settings = {"trainer": type(self).__name__, "models": names, "seed": self.seed, "lr": self.lr}
        self._settings |= {"optimizer": describe(optimizer), "warmup": self.warmup, "decay": decay, "clip": clip}
        self._settings |= {"averages": self.averages}

    def step(self, batch) -> dict[str, Tensor]:
        """Train on one batch, by `descend`, and return what is to be logged: scalars by name."""
        raise TypeError(f"{type(self).__name__} has no step; write step(self, batch), which returns a dict of tensors.")

    def validate(self, data) -> dict[str, float]:
        """Return the numbers of held-out `data` that a record shall hold; none, unless a subclass gives some."""
        return {}

    def fit(
        self,
        data,
        *,
        steps: int,
        batch_size: int,
        validation=None,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_every: int = 100,
        every: int = 100,
        callback: Callable | None = None,
        progress: bool = True,
        augment: Callable | None = None,
        num_workers: int = 0,
    ) -> History:
        """Train up to step `steps`; return the history, with a record each `every` steps and one at the end.

        A record holds the means since the record before, the learning rate, and the numbers of `validation`; after
        it `callback(trainer)` is called. With a `checkpoint` the state is saved there each `checkpoint_every` steps
        and at the end; where that file exists already, training goes on from it. An interrupt (Ctrl-C, the
        notebook's stop button) lets the step under way finish, saves, and returns the history so far.
        `batch_size` counts the samples of all processes together. The models are left in evaluation mode.

        Raises ValueError if data, settings or checkpoint do not fit, if a logged value is no longer finite, or in a
        callback of the same trainer; BlockingIOError if another run holds the checkpoint; OSError if it cannot be
        written.
        """
        check_numbers(steps=(steps, 0), checkpoint_every=(checkpoint_every, 1), every=(every, 1))
        check_numbers(num_workers=(num_workers, 0))
        for name, given in (("callback", callback), ("augment", augment)):
            if given is not None and not callable(given):
                raise ValueError(f"{name}={given!r} was given; give a function, or None.")
        if isinstance(validation, Sized) and len(validation) == 0:
            raise ValueError("The dataset to validate on is empty; give at least one sample, or None.")
        # Refuses what does not fit, before a file is made.
        batches(data, batch_size, processes=self.processes.count)
        run = {"batch_size": batch_size, "samples": len(data), "every": every, "augment": describe(augment)}
        run |= {"processes": self.processes.count}
        with self._holding(checkpoint), interrupts() as interrupt, random_numbers(self):
            self._start(run)
            order = {"seed": self.seed, "start": self.step_number, "num_workers": num_workers}
            share = {"process": self.processes.index, "processes": self.processes.count}
            stream = batches(data, batch_size, augment=augment, **order, **share)
            bar = self._bar(steps, progress)
            for number in range(self.step_number, steps):
                torch.manual_seed(derive_seed(self.seed, number, self.processes.index))
                self._set_rate(number)
                self._log(number, self.step(self._place(next(stream))))
                self._average(number)
                self.step_number = number + 1
                bar.update()
                if self.step_number % every == 0:
                    self._record(self.history, validation, bar)
                    interrupt.during(callback, self)
                    self._train()  # a callback may leave the models in evaluation mode
                stop = self.processes.agree(interrupt.asked, self.step_number) or self.step_number == steps
                if stop or self.step_number % checkpoint_every == 0:
                    self._save()
                if stop:
                    break
            return self._finish(validation, callback, bar, interrupt)

    def descend(self, name: str, loss: Tensor) -> Tensor:
        """Take one step of the optimiser of `name` down the gradient of `loss`; return the gradient's norm."""
        self.optimizers[name].zero_grad()
        self.accelerator.backward(loss)
        limit = math.inf if self.clip is None else self.clip
        norm = self.accelerator.clip_grad_norm_(self.models[name].parameters(), limit)
        self.optimizers[name].step()
        return norm

    def unwrapped(self, name: str) -> nn.Module:
        """Return the model of that name as it was given, without what several processes wrap it in."""
        return self.accelerator.unwrap_model(self.models[name])

    def save(self, path: str | os.PathLike) -> None:
        """Write all that `load` needs to go on exactly from here. Raises OSError if that fails."""
        if self._checkpoint is not None and self._checkpoint.is_at(path):
            return self._save()
        with self.processes.hold(path) as held:
            self._write(held)

    def load(self, path: str | os.PathLike) -> None:
        """Take over the state saved at `path`; an unfit one raises ValueError and changes nothing."""
        self._restore(read(path), path)

    # Below: the parts of `fit`, in the order in which it uses them.

    @contextmanager
    def _holding(self, path: str | os.PathLike | None):
        if self._fitting:
            raise ValueError(
                "fit was called while fit of the same trainer is under way, as from its callback; let the first one "
                "end, or train a copy of the network in a trainer of its own."
            )
        with self.processes.hold(path) as self._checkpoint:
            self._fitting = True
            try:
                yield
            finally:
                self._checkpoint, self._fitting = None, False

    def _start(self, run: dict) -> None:
        """Go on from the checkpoint, or make the first one: it is what the lock is on, and finds a full disk now."""
        if self._checkpoint is not None and self.processes.agree(self._checkpoint.exists()):
            state = self._checkpoint.read()
            _compare(state["run"] or run, run, self._checkpoint.path)
            self._restore(state, self._checkpoint.path)
            self._run = run
        else:
            self._run = run
            self._save()
        self._train()

    def _train(self) -> None:
        for model in self.models.values():
            model.train()

    def _share_buffers(self) -> None:
        self.processes.share_buffers([*self.models.values(), *self.averaged.values()])

    def _bar(self, steps: int, progress: bool) -> tqdm:
        hidden = not (progress and self.processes.index == 0)
        return tqdm(total=steps, initial=self.step_number, mininterval=0.5, disable=hidden)

    def _set_rate(self, number: int) -> None:
        rise = min(1.0, (number + 1) / (self.warmup + 1))
        fall = min(1.0, number / self.decay) if self.decay else 0.0
        factor = rise * (0.01 + 0.99 * (1.0 + math.cos(math.pi * fall)) / 2)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.lr[name] * factor

    def _place(self, batch):
        check_batch(batch)
        moved = [part.to(self.accelerator.device, non_blocking=True) for part in batch]
        if self.channels_last and moved[0].ndim == 4:
            moved[0] = moved[0].contiguous(memory_format=torch.channels_last)
        return tuple(moved)

    def _log(self, number: int, values: dict[str, Tensor]) -> None:
        """Add to the sums, on the device: to read a number there would make a GPU wait for it each step."""
        values = {name: value.detach().float() for name, value in values.items()}
        bad = ~torch.stack(list(values.values())).isfinite().all()
        self._bad_step = torch.where(bad & (self._bad_step < 0), number + 1, self._bad_step)
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = [total + value, count + 1]
        if self.accelerator.device.type == "cpu":
            self._check_finite()

    def _check_finite(self) -> None:
        step = self.processes.first(int(self._bad_step))
        if step < 0:
            return
        self._bad_step = torch.full_like(self._bad_step, -1)
        saved = "no checkpoint was asked for" if self._checkpoint is None else f"{self._checkpoint} is from before it"
        raise ValueError(
            f"At step {step} a loss or a gradient was no longer finite, so training stopped ({saved}); "
            "lower lr, clip the gradients, or look for bad values in the data."
        )

    def _average(self, number: int) -> None:
        for name, average in self.averaged.items():
            # Early on the average is short, so that it forgets the random weights it began with.
            decay = min(self.averages[name], (1 + number) / (10 + number))
            update_average(average, self.unwrapped(name), decay)

    def _record(self, history: History, validation, bar: tqdm) -> None:
        self._check_finite()
        self._share_buffers()
        values = {name: float(self.processes.mean(total / count)) for name, (total, count) in self._sums.items()}
        self._sums = {}
        for name, optimizer in self.optimizers.items():
            values["lr" if len(self.optimizers) == 1 else f"lr_{name}"] = optimizer.param_groups[0]["lr"]
        if validation is not None:
            values |= {f"validation_{name}": value for name, value in self.validate(validation).items()}
        history.record(self.step_number, values)
        bar.set_postfix({name: f"{value:.3g}" for name, value in values.items() if "loss" in name})

    def _save(self) -> None:
        if self._checkpoint is not None:
            self._check_finite()
            self._write(self._checkpoint)

    def _write(self, checkpoint: Checkpoint) -> None:
        """Write the one state there is: what differs between processes is made equal in them, and then saved."""
        self._share_buffers()
        self._sums = {name: [self.processes.mean(total), count] for name, (total, count) in self._sums.items()}
        self.processes.write(checkpoint, self._state())

    def _finish(self, validation, callback, bar: tqdm, interrupt) -> History:
        """Return the history with a last record that stays out of `.history`: a longer run would not have it."""
        history = self.history
        if self._sums:
            sums, pure, history = self._sums, self.history, History(**vars(self.history))
            self._record(history, validation, bar)
            self.history = history  # for the callback
            interrupt.during(callback, self)
            self._sums, self.history = sums, pure
        bar.close()
        self._share_buffers()
        for model in self.models.values():
            model.eval()
        if interrupt.asked and self.processes.index == 0:
            print(f"Interrupted: stopped after step {self.step_number}; call fit again to go on from there.")
        return History(**vars(history))

    def _state(self) -> dict:
        return {
            "settings": self._settings,
            "run": self._run,
            "step": self.step_number,
            "models": {name: self.unwrapped(name).state_dict() for name in self.models},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "averaged": {name: average.state_dict() for name, average in self.averaged.items()},
            "history": vars(self.history),
            "sums": self._sums,
        }

    def _restore(self, state: dict, path) -> None:
        _compare(state["settings"], self._settings, path)
        for name, saved in state["models"].items():
            mine = {key: tuple(value.shape) for key, value in self.unwrapped(name).state_dict().items()}
            theirs = {key: tuple(value.shape) for key, value in saved.items()}
            for key in [*mine, *theirs]:
                if mine.get(key) != theirs.get(key):
                    raise ValueError(
                        f"The checkpoint {str(path)!r} is of another model: its {key!r} has shape {theirs.get(key)}, "
                        f"and here it has {mine.get(key)}; build the model it was made with, or give another file."
                    )
        for name in self.models:
            self.unwrapped(name).load_state_dict(state["models"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
        for name, average in self.averaged.items():
            average.load_state_dict(state["averaged"][name])
        self.step_number, self.history, self._run = state["step"], History(**state["history"]), state["run"]
        device = self.accelerator.device
        self._sums = {name: [total.to(device), count] for name, (total, count) in state["sums"].items()}


def _compare(then: dict, now: dict, path) -> None:
    for key in now:
        if then.get(key) != now[key]:
            raise ValueError(
                f"The checkpoint {str(path)!r} was made with {key}={then.get(key)!r}, and here {key}={now[key]!r}; "
                "use the same setting to go on from it, or another file to start anew."
            )
