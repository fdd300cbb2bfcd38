"""Batches, in an order that depends on the seed alone."""

import hashlib
import math
import signal
from collections.abc import Callable, Iterator, Sized

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from segen.data.common import check_numbers


def derive_seed(*numbers: int) -> int:
    """Return a seed in [0, 2**63) that is a function of `numbers` alone, the same on every machine.

    Sums and products of seeds collide (seed 1, step 2 and seed 2, step 1); a hash does not.
    """
    digest = hashlib.sha256(repr(tuple(map(int, numbers))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def batches(
    dataset: Dataset,
    batch_size: int,
    *,
    seed: int = 0,
    start: int = 0,
    num_workers: int = 0,
    augment: Callable | None = None,
    process: int = 0,
    processes: int = 1,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return an endless iterator of batches (images `[N, C, H, W]`, targets `[N, …]`), shuffled anew each epoch.

    The order is a function of `seed` and the epoch. `start` counts batches: `start=5` gives what `start=0` gives
    after its first five. An incomplete last batch of an epoch is dropped. `augment(image, target)` changes one
    sample at a time; it may draw from torch's global generator, which is seeded for each sample and put back
    afterwards, so that no global random state changes. With several `processes`, each gets its own share of every
    batch, and all shares together are the batch that one process alone would get.

    Raises ValueError if the dataset is empty or smaller than a batch, or if a number makes no sense.
    """
    if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
        raise ValueError(f"A {type(dataset).__name__} was given as dataset; give one with a length and an index.")
    check_numbers(seed=(seed, -math.inf), batch_size=(batch_size, 1), start=(start, 0), num_workers=(num_workers, 0))
    if augment is not None and not callable(augment):
        raise ValueError(f"augment={augment!r} was given; give a function of an image and its target, or None.")
    length = len(dataset)
    if length == 0:
        raise ValueError("The dataset is empty, so there are no batches to draw; give at least one sample.")
    if batch_size > length:
        raise ValueError(
            f"batch_size={batch_size} is larger than the dataset of {length} samples; "
            f"choose at most {length}, or give more samples."
        )
    if batch_size % processes:
        raise ValueError(
            f"A batch of {batch_size} samples cannot be shared equally by {processes} processes; "
            f"choose a multiple of {processes}."
        )
    loader = DataLoader(
        dataset,
        batch_sampler=_Order(length, batch_size, seed, start, process, processes),
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=_ignore_interrupts,
        # Of its own, since a loader without one draws its workers' seeds from the global generator.
        generator=torch.Generator().manual_seed(derive_seed(seed, start)),
    )
    if augment is None:
        return iter(loader)
    first = process * (batch_size // processes)
    return _augmented(loader, augment, seed, start, first)


def collate(samples: list) -> tuple[Tensor, Tensor]:
    """Stack samples into a batch, as torch does; raise ValueError, naming the sizes, if they are not of one size."""
    try:
        return default_collate(samples)
    except RuntimeError as error:
        images = [sample[0] for sample in samples if isinstance(sample, tuple | list)]
        sizes = {tuple(image.shape) for image in images if isinstance(image, Tensor)}
        raise ValueError(
            f"The samples of a batch are not of one size (images {', '.join(map(str, sorted(sizes)))}; {error}); "
            "give the dataset a size, crop them alike, or use batches of one."
        ) from error


def _ignore_interrupts(_worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the main one: it ends its workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Order:
    """The indices of this process's share of each batch, without end."""

    def __init__(self, length: int, batch_size: int, seed: int, start: int, process: int, processes: int):
        self.length, self.batch_size, self.seed, self.start = length, batch_size, seed, start
        share = batch_size // processes
        self.share = slice(process * share, (process + 1) * share)

    def __iter__(self) -> Iterator[list[int]]:
        an_epoch = self.length // self.batch_size
        epoch, first = divmod(self.start, an_epoch)
        while True:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
            order = torch.randperm(self.length, generator=generator).tolist()
            for number in range(first, an_epoch):
                yield order[number * self.batch_size :][: self.batch_size][self.share]
            epoch, first = epoch + 1, 0


def _augmented(loader, augment, seed: int, start: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Augment in the main process, each sample from a seed of its own: (seed, batch, place in the batch)."""
    for number, (images, targets) in enumerate(loader, start):
        samples = []
        with torch.random.fork_rng(devices=[]):
            for place, (image, target) in enumerate(zip(images, targets, strict=True), first):
                torch.manual_seed(derive_seed(seed, number, place))
                samples.append(augment(image, target))
        changed_images, changed_targets = zip(*samples, strict=True)
        yield torch.stack(changed_images), torch.stack([torch.as_tensor(t) for t in changed_targets])
