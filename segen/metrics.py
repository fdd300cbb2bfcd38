"""How good a result is."""

import torch

VOID = 255


class ConfusionMatrix:
    """Count, over a whole set, how often a pixel of one class was given each class: `matrix`, int64 `[K, K]`.

    Rows are the target's classes, columns the prediction's. All scores are ratios of its sums, divided once at the
    end, so they do not depend on how the set was cut into batches or processes. Pixels whose target is 255 (void)
    are not counted, whatever was predicted there. Per-class scores are float64 `[K]`, from 0 to 1, with `nan` for
    an absent class; means leave these out; of an empty set every score is `nan`. For several processes, add their
    `matrix` or use `merge`.

    Raises ValueError unless `num_classes` is from 1 to 255. Source: Everingham et al., IJCV 2015, section 4.1.3
    (IoU over a whole set).
    """

    def __init__(self, num_classes: int) -> None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or not 1 <= num_classes <= VOID:
            raise ValueError(f"ConfusionMatrix was given num_classes={num_classes!r}; give 1 to 255, as 255 is void.")
        self.num_classes = num_classes
        self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch: two maps of class indices of one shape, `[N, H, W]` or any other, integers.

        Raises ValueError, and counts nothing, for floats (take the logits' argmax first), for shapes that differ,
        and for indices outside 0..K−1 (in the target, 255 is void).
        """
        _check_maps(prediction, target)
        prediction, target = prediction.long().flatten(), target.long().flatten()
        if not (_are_bytes(prediction) and _are_bytes(target)):
            self._refuse(prediction, target)
            prediction = prediction.where(target != VOID, 0)  # what was wrong lies under void only
        # One number a pixel, counted in one pass: void is then a row of its own, which is cut off, and an index that
        # is no class is found by looking at the counts instead of at the pixels.
        pair = torch.add(prediction, target, alpha=256)
        counts = pair.bincount(minlength=256 * 256).view(256, 256).cpu()
        k = self.num_classes
        if int(counts[:VOID].sum()) != int(counts[:k, :k].sum()):
            self._refuse(prediction, target)
        self.matrix += counts[:k, :k]

    def merge(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        """Add what `other` has counted, for instance in another process, and return this matrix."""
        if other.num_classes != self.num_classes:
            raise ValueError(
                f"A ConfusionMatrix of {self.num_classes} classes was given one of {other.num_classes} to merge; "
                "merge those of the same classes."
            )
        self.matrix += other.matrix.to(self.matrix.device)
        return self

    def iou(self) -> torch.Tensor:
        """Return each class's intersection over union, TP / (TP + FP + FN): `[K]`; 0 if predicted but never there."""
        right, target, predicted = self._sums()
        return right / (target + predicted - right)

    def dice(self) -> torch.Tensor:
        """Return each class's Dice coefficient (its F1), 2 TP / (2 TP + FP + FN): `[K]`."""
        right, target, predicted = self._sums()
        return 2 * right / (target + predicted)

    def class_accuracy(self) -> torch.Tensor:
        """Return the share of each class's pixels that was found (its recall), TP / (TP + FN): `[K]`."""
        right, target, _ = self._sums()
        return right / target

    def mean_iou(self) -> float:
        """Return the mean of the IoU of the classes that are in the prediction or the target."""
        return self.iou().nanmean().item()

    def pixel_accuracy(self) -> float:
        """Return the share of all pixels that was labelled right."""
        right, target, _ = self._sums()
        return (right.sum() / target.sum()).item()

    def _sums(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Right pixels, pixels of the target and pixels of the prediction, by class, in float64 `[K]`."""
        counts = self.matrix.double()
        return counts.diagonal(), counts.sum(1), counts.sum(0)

    def _refuse(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Raise ValueError, naming the indices that are no class."""
        k, counted = self.num_classes, target != VOID
        for name, values in (("target", target[counted]), ("prediction", prediction[counted])):
            bad = values[(values < 0) | (values >= k)]
            if bad.numel():
                indices = ", ".join(map(str, bad.unique()[:5].tolist()))
                void = ", and 255 for void" if name == "target" else ""
                raise ValueError(
                    f"The {name} has the class index {indices}, but of {k} classes the indices are "
                    f"0..{k - 1}{void}; map the {name} to these, or count more classes."
                )


def _are_bytes(values: torch.Tensor) -> bool:
    if values.numel() == 0:
        return True
    low, high = values.aminmax()
    return bool((low >= 0) & (high <= 255))


def _check_maps(prediction: torch.Tensor, target: torch.Tensor) -> None:
    for name, values in (("prediction", prediction), ("target", target)):
        if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
            raise ValueError(
                f"ConfusionMatrix was given a {name} {list(values.shape)} of {values.dtype} where class indices are "
                "expected; of logits [N, K, H, W] give logits.argmax(1)."
            )
    if prediction.shape != target.shape:
        raise ValueError(
            f"ConfusionMatrix was given a prediction {list(prediction.shape)} and a target {list(target.shape)}; "
            "give two maps of class indices of one shape, [N, H, W]."
        )
