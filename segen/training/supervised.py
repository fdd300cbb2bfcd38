"""Training with targets: what a classifier and a segmenter have in common."""

from collections.abc import Callable, Sized

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from segen.data.common import check_numbers
from segen.data.loading import collate
from segen.layers import check_float_type
from segen.losses import cross_entropy
from segen.metrics import VOID, ConfusionMatrix
from segen.training.running import check_batch, describe
from segen.training.trainer import Trainer


class SupervisedTrainer(Trainer):
    """Train `model` to lower `loss(logits, target)`; a subclass says by which numbers it is judged.

    `average` is the decay of an exponential average of the weights (0: none is kept), which `predict` and `evaluate`
    then use. The other arguments are those of `Trainer`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        lr: float = 2e-3,
        seed: int = 0,
        optimizer: Callable = torch.optim.AdamW,
        warmup: int = 20,
        decay: int | None = None,
        clip: float | None = 1.0,
        average: float = 0.0,
        channels_last: bool = True,
        accelerator: Accelerator | None = None,
    ):
        super().__init__(
            {"model": model},
            lr=lr,
            seed=seed,
            optimizer=optimizer,
            warmup=warmup,
            decay=decay,
            clip=clip,
            averages={"model": average} if average else None,
            channels_last=channels_last,
            accelerator=accelerator,
        )
        self.loss = loss
        self._settings["loss"] = describe(loss)

    @property
    def model(self) -> nn.Module:
        """The network that is trained."""
        return self.unwrapped("model")

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Take one step down the gradient of the loss of a batch (images `[N, C, H, W]`, targets `[N, …]`)."""
        images, targets = self._checked(batch)
        with self.accelerator.autocast():
            check_float_type(images, self.model, type(self.model).__name__)
        loss = self.loss(self.models["model"](images), targets)
        norm = self.descend("model", loss)
        return {"loss": loss, "gradient_norm": norm}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Return the logits of `images` `[N, C, H, W]` in evaluation mode, on the CPU; no gradient is kept."""
        if not isinstance(images, Tensor):
            raise ValueError(f"predict was given {type(images).__name__}; give a tensor of images [N, C, H, W].")
        model = self.averaged.get("model", self.model)
        was_training = model.training
        model.eval()
        try:
            with self.accelerator.autocast():  # the averaged copy has no precision of its own
                check_float_type(images, model, type(model).__name__)
                return model(*self._place([images])).float().cpu()
        finally:
            model.train(was_training)

    def evaluate(self, data, *, batch_size: int = 64) -> dict[str, float]:
        """Return the loss and the scores of all of `data`, each computed once, over the whole set.

        The loss is the mean over batches of `batch_size`, weighted by their targets that are not void: the mean over
        the set for a loss that is a mean over targets, nan where all is void. Raises ValueError if `data` is empty.
        """
        loss, matrix = self._count(data, batch_size)
        return {"loss": loss, **self.scores(matrix)}

    def confusion(self, data, *, batch_size: int = 64) -> ConfusionMatrix:
        """Return the confusion matrix of all of `data`, from which `evaluate` takes its scores.

        To see it: `show.confusion(trainer.confusion(data).matrix, data.classes)`. Errors as of `evaluate`.
        """
        return self._count(data, batch_size)[1]

    def _count(self, data, batch_size: int) -> tuple[float, ConfusionMatrix]:
        """Return the loss and what was predicted for which target, of all of `data` and over all processes."""
        check_numbers(batch_size=(batch_size, 1))
        samples = len(data) if isinstance(data, Sized) else 0
        mine = range(self.processes.index, samples, self.processes.count)
        if not mine:
            raise ValueError(
                f"The dataset to evaluate has {samples} samples; give at least one for each process "
                f"(there are {self.processes.count})."
            )
        self._share_buffers()
        matrix, total, counted = None, 0.0, 0
        for first in range(0, len(mine), batch_size):
            images, targets = self._checked(collate([data[i] for i in mine[first : first + batch_size]]))
            logits = self.predict(images)
            matrix = matrix or ConfusionMatrix(logits.shape[1])
            matrix.update(logits.argmax(1), targets)
            valid = int((targets != VOID).sum())
            total, counted = total + float(self.loss(logits, targets)) * valid, counted + valid
        sums = torch.tensor([total, counted], dtype=torch.float64)
        sums, matrix.matrix = self.processes.sum(sums), self.processes.sum(matrix.matrix)
        return float(sums[0] / sums[1]), matrix

    def _checked(self, batch) -> tuple[Tensor, Tensor]:
        """Return `batch`; raise ValueError unless it is a pair (images, targets) that the network can read."""
        check_batch(batch)
        if len(batch) != 2:
            raise ValueError(f"A batch was made of {len(batch)} parts; let the dataset give pairs (image, target).")
        return tuple(batch)

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """Return the numbers by which this kind of training is judged, from what was counted."""
        raise TypeError(f"{type(self).__name__} has no scores; write scores(self, matrix), which returns a dict.")

    def validate(self, data) -> dict[str, float]:
        """Return what `evaluate` does, for the record."""
        return self.evaluate(data)
