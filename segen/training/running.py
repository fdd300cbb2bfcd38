"""What surrounds the loop: processes that agree, interrupts that wait, random states that are put back."""

import functools
import os
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import is_initialized
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from segen.training.checkpoint import Checkpoint


def make_accelerator() -> Accelerator:
    """Return an Accelerator for the device there is, with bf16 where CUDA has it.

    A second one in a process must have the first one's precision, so then none is asked for.
    """
    pays = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    precision = "bf16" if pays and not is_initialized() and "ACCELERATE_MIXED_PRECISION" not in os.environ else None
    # Each process keeps its own batch-norm buffers until they are shared: with the default, two forward passes before
    # one backward fail since torch 2.6 (pytorch issue 175024), and a GAN's discriminator needs those.
    handlers = [DistributedDataParallelKwargs(broadcast_buffers=False)]
    return Accelerator(mixed_precision=precision, kwargs_handlers=handlers)


class Processes:
    """The processes that train together; alone, each method does the obvious thing at no cost."""

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.index, self.count = accelerator.process_index, accelerator.num_processes

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple:
        """Return model and optimiser placed on the device, joined to the other processes' and in the precision."""
        with warnings.catch_warnings():  # `broadcast_buffers` has a new name that torch 2.6 does not know
            warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
            return self.accelerator.prepare(model, optimizer)

    def _reduce(self, number: float) -> list[float]:
        """Return the `number` of each process."""
        mine = torch.tensor([float(number)], device=self.accelerator.device)
        return self.accelerator.gather(mine).tolist()

    def agree(self, flag: bool, step: int = 0) -> bool:
        """Return whether `flag` is set in any process; to ask costs time, so it is done each tenth `step` only."""
        if self.count == 1 or step % 10:
            return flag and self.count == 1
        return any(self._reduce(flag))

    def first(self, step: int) -> int:
        """Return the smallest `step` of all processes that is not negative, or -1."""
        if self.count == 1:
            return step
        return int(min((s for s in self._reduce(step) if s >= 0), default=-1))

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a tensor over the processes."""
        return value if self.count == 1 else self.accelerator.reduce(value.clone(), "mean")

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the processes, on the CPU."""
        if self.count == 1:
            return value
        return self.accelerator.reduce(value.to(self.accelerator.device), "sum").cpu()

    def share_buffers(self, models: Iterable[nn.Module]) -> None:
        """Give every process the first one's buffers: each has seen other batches, the checkpoint holds one set."""
        if self.count > 1:
            for model in models:
                for buffer in self.accelerator.unwrap_model(model).buffers():
                    torch.distributed.broadcast(buffer, 0)

    @contextmanager
    def hold(self, path: str | os.PathLike | None):
        """Lock the checkpoint at `path` in the first process; if that fails, all processes raise."""
        if path is None:
            yield None
            return
        checkpoint, error = Checkpoint(path), None
        if self.index == 0:
            try:
                checkpoint.__enter__()
            except OSError as caught:
                error = caught
        self._raise_together(error, f"The checkpoint {str(path)!r} could not be locked by the first process.")
        try:
            yield checkpoint
        finally:
            checkpoint.__exit__()

    def write(self, checkpoint: Checkpoint, state: dict) -> None:
        """Write `state` in the first process; if that fails, all processes raise."""
        error = None
        if self.index == 0:
            try:
                checkpoint.write(state)
            except OSError as caught:
                error = caught
        self._raise_together(error, f"{checkpoint} could not be written by the first process.")

    def _raise_together(self, error: OSError | None, otherwise: str) -> None:
        if self.agree(error is not None):
            raise error or OSError(otherwise)


class Interrupt:
    """Whether somebody has pressed Ctrl-C, or the notebook's stop button."""

    asked = False

    def during(self, callback: Callable | None, trainer) -> None:
        """Call the callback, if there is one; an interrupt that it raises ends the training like any other."""
        if callback is not None:
            try:
                callback(trainer)
            except KeyboardInterrupt:
                self.asked = True


@contextmanager
def interrupts():
    """Turn the first interrupt into a flag, so that a step is finished before it ends; a second one is raised."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # signals go to the main thread only
        return

    def handle(*_):
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def check_batch(batch) -> None:
    """Raise ValueError if `batch` is no tuple or list of tensors."""
    if not isinstance(batch, tuple | list) or not all(isinstance(part, torch.Tensor) for part in batch):
        given = ", ".join(type(p).__name__ for p in batch) if isinstance(batch, tuple | list) else type(batch).__name__
        raise ValueError(
            f"A batch was made of {given}; let the dataset give pairs (image, target) of tensors or numbers."
        )


def random_numbers(trainer):
    """Put back torch's global random states at the end: the loop seeds them at each step."""
    device = trainer.accelerator.device
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def describe(thing) -> str | None:
    """Return a text that tells one setting (a function, a class, a transform) from another, in every process."""
    if thing is None:
        return None
    if isinstance(thing, functools.partial):
        given = [_value(a) for a in thing.args] + [f"{k}={_value(v)}" for k, v in sorted(thing.keywords.items())]
        return f"{describe(thing.func)}({', '.join(given)})"
    if hasattr(thing, "__qualname__"):
        return thing.__qualname__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(thing))


def _value(value) -> str:
    return str(value.tolist()) if isinstance(value, torch.Tensor) else repr(value)
