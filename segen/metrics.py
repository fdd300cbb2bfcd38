"""How good a result is."""

import torch
from torch.nn import functional as F

from segen.layers import check_positive
from segen.losses import check_indices, check_target

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


class BoundaryIoU:
    """Count, over a whole set, how well prediction and target agree within `distance` pixels of their contours.

    For class k, `|P_d ∩ G_d| / |P_d ∪ G_d|`, where P_d are the pixels of the prediction's region k that are at most
    `distance` (in steps to any of eight neighbours) from a pixel outside the region, G_d likewise for the target.
    The image's edge is a contour, as in the authors' code. Pixels whose target is 255 (void) are not counted,
    whatever was predicted there, and where a region meets void there is no contour. The paper takes 2 % of the
    image's diagonal as distance: 2 pixels at 64×64. The scores are float64, from 0 to 1, `nan` for a class without
    contour in either map and for an empty set; for several processes, `confusion.merge` the other's `confusion`.

    Raises ValueError unless `num_classes` is from 1 to 254 and `distance` 1 or more. Source: Cheng, Girshick, Dollár,
    Berg, Kirillov, CVPR 2021 (2103.16562).
    """

    def __init__(self, num_classes: int, *, distance: int = 2) -> None:
        check_positive("BoundaryIoU", num_classes=num_classes, distance=distance)
        if num_classes >= VOID:
            raise ValueError(f"BoundaryIoU was given num_classes={num_classes}; give 1 to 254, as 255 is void.")
        self.distance = distance
        self.maps = ConfusionMatrix(num_classes)
        self.confusion = ConfusionMatrix(num_classes + 1)  # the last class: what is far from every contour

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch: two integer maps of class indices `[N, H, W]`; raises as `ConfusionMatrix.update` does."""
        _check_maps(prediction, target, "BoundaryIoU")
        if target.ndim < 2:
            raise ValueError(f"BoundaryIoU was given maps {list(target.shape)}; give [N, H, W], which have contours.")
        self.maps._refuse(prediction, target)
        void = target == VOID
        contours = [self._contours(values.long(), void) for values in (prediction, target)]
        self.confusion.update(contours[0], contours[1].where(~void, VOID))

    def iou(self) -> torch.Tensor:
        """Return each class's boundary IoU: `[K]`; 0 if its contours never meet."""
        return self.confusion.iou()[:-1]

    def mean_iou(self) -> float:
        """Return the mean of the boundary IoU of the classes that are in the prediction or the target."""
        return self.iou().nanmean().item()

    def _contours(self, classes: torch.Tensor, void: torch.Tensor) -> torch.Tensor:
        """Keep the class of the pixels near a contour; all others get the index `num_classes`."""
        # A pixel is far from a contour if the least and the greatest class around it are its own.
        values = classes.float().reshape(-1, 1, *classes.shape[-2:])
        void = void.reshape(values.shape)
        window = {"kernel_size": 2 * self.distance + 1, "stride": 1}
        border = [self.distance] * 4
        greatest = F.max_pool2d(F.pad(values.where(~void, -1), border, value=VOID), **window)
        least = -F.max_pool2d(-F.pad(values.where(~void, VOID), border, value=-1), **window)
        far = (greatest == values) & (least == values)
        return classes.where(~far.reshape(classes.shape), self.maps.num_classes)


class CalibrationError:
    """Compare, over a whole set, how sure a network is with how often it is right: `sums`, float64 `[3, bins]`.

    A pixel's confidence is its largest probability. Pixels go by it into `bins` equal steps `((m − 1)/M, m/M]`;
    the rows of `sums` are, for each, the number of pixels, how many are right, and the sum of their confidence.
    Pixels whose target is 255 (void) are not counted. For several processes, add their `sums`.

    Raises ValueError unless `bins` is 1 or more. Source: Guo, Pleiss, Sun, Weinberger, ICML 2017 (1706.04599,
    section 2, equation 3).
    """

    def __init__(self, bins: int = 15) -> None:
        check_positive("CalibrationError", bins=bins)
        self.sums = torch.zeros(3, bins, dtype=torch.float64)

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch: `logits [N, K, …]`, floats, before softmax, and `target [N, …]`, integers 0..K−1 or 255.

        Raises ValueError, and counts nothing, for shapes or types that do not fit and for an index that is no class.
        """
        check_target(logits, target, name="CalibrationError")
        check_indices(target, logits.shape[1])
        confidence, prediction = logits.double().softmax(dim=1).max(dim=1)
        counted = target != VOID
        confidence, right = confidence[counted].cpu(), (prediction == target)[counted].double().cpu()
        bins = self.sums.shape[1]
        index = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
        rows = torch.stack([torch.ones_like(right), right, confidence])
        self.sums = self.sums.index_add(1, index, rows)

    def error(self) -> float:
        """Return `Σ n_m / n · |accuracy_m − confidence_m|` over the bins m, 0 to 1; of an empty set it is `nan`."""
        number, right, confidence = self.sums
        return ((right - confidence).abs().sum() / number.sum()).item()

    def reliability(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean confidence and the accuracy in each bin, `[bins]`, `nan` where a bin is empty."""
        number, right, confidence = self.sums
        return confidence / number, right / number


def frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return `|μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½)` of two sets of features `[N, D]` and `[M, D]`, 0 or more.

    It is the distance of two Gaussians with the sets' means and covariances (N − 1 in the denominator), in float64.
    Smaller is better; it is biased upwards, the more the fewer the samples, so that only values of equal N compare.

    Raises ValueError for features that are no finite floats `[N, D]` of one D, and below D + 1 samples, where a
    covariance is singular. Source: Heusel et al. (1706.08500, equation 6), there of Inception's features.
    """
    a, b = _features("frechet_distance", a=a, b=b)
    fewest, needed = min(len(a), len(b)), a.shape[1] + 1
    if fewest < needed:
        raise ValueError(
            f"frechet_distance was given {fewest} samples of {a.shape[1]} features; give {needed} or more of each set, "
            "as with fewer the covariance is singular."
        )
    means = a.mean(0), b.mean(0)
    # With Σ = RᵀR from a QR decomposition, the eigenvalues of Σa Σb are the squares of the singular values of Ra Rbᵀ.
    # These are real and exact to rounding; a square root of the product itself loses half the digits, and becomes
    # complex, where features are nearly dependent, as few samples or units that never fire make them.
    roots = [
        torch.linalg.qr((x - mean) / (len(x) - 1) ** 0.5, mode="r").R for x, mean in zip((a, b), means, strict=True)
    ]
    shared = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    distance = (means[0] - means[1]).square().sum() + sum(r.square().sum() for r in roots) - 2 * shared
    return max(distance.item(), 0.0)


def kernel_distance(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float]:
    """Return the squared maximum mean discrepancy of two sets of features `[M, D]`, `[N, D]`, and its standard error.

    The kernel is `(xᵀy / D + 1)³`. The estimate takes all samples, no pair of a sample with itself, in float64; it is
    unbiased, and so may be negative. The error's square adds unbiased estimates of the parts of the variance in
    Hoeffding's decomposition, so it holds for equal distributions too, where the first part vanishes; it is kept from
    below 0, and there the error comes out up to a third too large. Memory is that of a few M × N matrices.

    Raises ValueError for features that are no finite floats `[N, D]` of one D, and below four samples. Source:
    Bińkowski et al. (1801.01401, equation 4); Gretton et al., JMLR 2012, lemma 6.
    """
    a, b = _features("kernel_distance", a=a, b=b)
    m, n = len(a), len(b)
    if min(m, n) < 4:
        raise ValueError(f"kernel_distance was given {m} and {n} samples; give four or more of each set.")
    inside_a, of_a, pairs_a = _within(_cubic(a, a))
    inside_b, of_b, pairs_b = _within(_cubic(b, b))
    across = _cubic(a, b)
    rows, columns, mean = across.mean(1), across.mean(0), across.mean()
    pairs_ab = across.sub_(rows[:, None]).sub_(columns).add_(mean).square().sum() / ((m - 1) * (n - 1))
    # What each sample does by itself, its spread cleared of what it does together with another one …
    alone = 4 / m * ((of_a - rows).var() - pairs_a / (m - 2) - pairs_ab / n)
    alone += 4 / n * ((of_b - columns).var() - pairs_b / (n - 2) - pairs_ab / m)
    # … and what pairs do.
    together = 2 * pairs_a / (m * (m - 1)) + 2 * pairs_b / (n * (n - 1)) + 4 * pairs_ab / (m * n)
    variance = alone.clamp(min=0) + together  # as an estimate of 0 it may be negative, as a variance not
    return (inside_a + inside_b - 2 * mean).item(), variance.sqrt().item()


def inception_score(probabilities: torch.Tensor) -> float:
    """Return `exp(mean KL(p(y | x) ‖ p(y)))` of class probabilities `[N, K]`: from 1 to K, larger is better.

    `p(y)` is their mean over all N, which are not split into parts; in float64, with `0 log 0 = 0`.

    Raises ValueError for what is no floats `[N, K]`, for an empty set, and for rows that are no probabilities.
    Source: Salimans et al. (1606.03498, section 4), there of Inception's classes.
    """
    (p,) = _features("inception_score", probabilities=probabilities)
    low, off = p.min().item(), (p.sum(1) - 1).abs().max().item()
    if low < 0 or off > 1e-2:
        raise ValueError(
            f"inception_score was given rows with the sum {p.sum(1)[(p.sum(1) - 1).abs().argmax()].item():.4g} and the "
            f"least value {low:.4g}; give probabilities, of logits logits.softmax(1)."
        )
    entropy = torch.special.entr
    return (entropy(p.mean(0)).sum() - entropy(p).sum(1).mean()).exp().item()


def precision_recall(real: torch.Tensor, fake: torch.Tensor, k: int = 3) -> tuple[float, float]:
    """Return what share of `fake [M, D]` lies where `real [N, D]` does, and the reverse: each from 0 to 1.

    A set covers the balls around its samples that reach to their `k`-th nearest neighbour in the set, itself not
    counted. Precision is the share of `fake` that `real` covers, recall the share of `real` that `fake` covers.
    Distances are Euclidean, in float64.

    Raises ValueError for features that are no finite floats `[N, D]` of one D, and unless k is 1 or more and below
    the number of samples. Source: Kynkäänniemi et al. (1904.06991, equations 1 and 2).
    """
    check_positive("precision_recall", k=k)
    real, fake = _features("precision_recall", real=real, fake=fake)
    if min(len(real), len(fake)) <= k:
        raise ValueError(
            f"precision_recall was given {len(real)} real and {len(fake)} fake samples with k={k}; give more than k of "
            "each, as a sample is no neighbour of itself."
        )
    between = _distances(real, fake)
    radii = [_distances(x, x).kthvalue(k + 1, dim=1).values for x in (real, fake)]  # the first is the sample itself
    covered = (between <= radii[0][:, None]).any(0), (between <= radii[1]).any(1)
    return covered[0].double().mean().item(), covered[1].double().mean().item()


def _features(judge: str, **sets: torch.Tensor) -> list[torch.Tensor]:
    """Return the sets of features in float64 on the CPU; raise ValueError unless they are finite floats of one D."""
    for name, x in sets.items():
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim != 2 or not x.numel():
            given = f"{list(x.shape)} of {x.dtype}" if isinstance(x, torch.Tensor) else type(x).__name__
            raise ValueError(
                f"{judge} was given {name} as {given}; give floats [N, D], a row for each sample (of maps [N, D, H, W] "
                "their means, maps.mean((2, 3)))."
            )
        bad = (~x.isfinite().all(1)).sum().item()
        if bad:
            raise ValueError(
                f"{judge} was given {name} with NaN or infinity in {bad} of {len(x)} rows; look at what made them."
            )
    widths = {name: x.shape[1] for name, x in sets.items()}
    if len({*widths.values()}) > 1:
        raise ValueError(
            f"{judge} was given {' and '.join(f'{name} with {d} features' for name, d in widths.items())}; give "
            "features of one network."
        )
    return [x.detach().cpu().double() for x in sets.values()]


def _cubic(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a @ b.T / a.shape[1] + 1).pow_(3)


def _within(kernel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a set's own kernel matrix `[N, N]`: the mean over pairs, each sample's part, and the variance of pairs.

    The last is the mean square of what neither of the two alone explains, unbiased by U-centring (Székely, Rizzo,
    The Annals of Statistics 2014, equation 3.1). The matrix is overwritten.
    """
    n = len(kernel)
    kernel.fill_diagonal_(0)
    parts, mean = kernel.sum(1) / (n - 2), kernel.sum() / (n * (n - 1))
    kernel.sub_(parts[:, None]).sub_(parts).add_(mean * n / (n - 2)).fill_diagonal_(0)
    return mean, parts, kernel.square().sum() / (n * (n - 3))


def _distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    # By differences: through a matrix product, a sample's distance to its own copy is not 0.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _are_bytes(values: torch.Tensor) -> bool:
    if values.numel() == 0:
        return True
    low, high = values.aminmax()
    return bool((low >= 0) & (high <= 255))


def _check_maps(prediction: torch.Tensor, target: torch.Tensor, judge: str = "ConfusionMatrix") -> None:
    for name, values in (("prediction", prediction), ("target", target)):
        if not isinstance(values, torch.Tensor):
            raise ValueError(f"{judge} was given a {name} of {type(values).__name__}; give a tensor of class indices.")
        if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
            raise ValueError(
                f"{judge} was given a {name} {list(values.shape)} of {values.dtype} where class indices are "
                "expected; of logits [N, K, H, W] give logits.argmax(1)."
            )
    if prediction.shape != target.shape:
        raise ValueError(
            f"{judge} was given a prediction {list(prediction.shape)} and a target {list(target.shape)}; "
            "give two maps of class indices of one shape, [N, H, W]."
        )
