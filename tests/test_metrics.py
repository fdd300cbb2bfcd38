import math

import cv2
import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.classification import MulticlassCalibrationError, MulticlassJaccardIndex
from torchmetrics.functional.classification import multiclass_jaccard_index

from segen.metrics import BoundaryIoU, CalibrationError, ConfusionMatrix


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def random_maps(seed, k):
    """Maps of some classes only, with void, in any integer type that holds them."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(0, 5)), int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    classes = rng.choice(k, size=rng.integers(1, k + 1), replace=False)
    target = rng.choice(classes, shape)
    prediction = np.where(rng.random(shape) < 0.5, target, rng.integers(0, k, shape))
    target[rng.random(shape) < rng.choice([0, 0.2, 1], p=[0.3, 0.6, 0.1])] = 255
    return torch.from_numpy(prediction), torch.from_numpy(target)


def counted(prediction, target, k):
    matrix = ConfusionMatrix(k)
    matrix.update(prediction, target)
    return matrix


@pytest.mark.parametrize("seed", range(40))
def test_equals_scikit_learn_and_torchmetrics(seed):
    k = 2 + seed % 6
    prediction, target = random_maps(seed, k)
    ours = counted(prediction, target, k)
    keep = target != 255
    t, p = target[keep].numpy(), prediction[keep].numpy()
    if len(t) == 0:
        assert ours.matrix.sum() == 0
        assert math.isnan(ours.mean_iou())
        assert math.isnan(ours.pixel_accuracy())
        assert ours.iou().isnan().all()
        return
    labels = range(k)
    np.testing.assert_array_equal(ours.matrix.numpy(), sklearn.metrics.confusion_matrix(t, p, labels=labels))
    options = {"labels": list(labels), "average": None, "zero_division": np.nan}
    np.testing.assert_allclose(ours.dice(), sklearn.metrics.f1_score(t, p, **options), rtol=1e-12)
    np.testing.assert_allclose(ours.class_accuracy(), sklearn.metrics.recall_score(t, p, **options), rtol=1e-12)
    assert ours.pixel_accuracy() == pytest.approx(sklearn.metrics.accuracy_score(t, p))

    seen = np.isin(labels, np.concatenate([t, p]))
    # scikit-learn calls the IoU of an absent class 0, so only the present ones are compared.
    jaccard = sklearn.metrics.jaccard_score(t, p, labels=list(labels), average=None, zero_division=0)
    np.testing.assert_allclose(ours.iou()[seen], jaccard[seen], rtol=1e-12)
    assert ours.iou()[~seen].isnan().all()
    peer = MulticlassJaccardIndex(k, ignore_index=255, average="macro")
    assert ours.mean_iou() == pytest.approx(float(peer(prediction, target)), rel=1e-6)


def test_a_thousand_sets_in_any_batches_equal_scikit_learn_and_torchmetrics():
    """Void, absent classes and empty sets among them; each set in three batches, cut anywhere, some of them empty."""
    empty = absent = 0
    for seed in range(1000):
        k = 2 + seed % 6
        prediction, target = random_maps(seed, k)
        cuts = sorted(np.random.default_rng(seed).integers(0, len(target) + 1, 2).tolist())
        ours = ConfusionMatrix(k)
        for p, t in zip(prediction.tensor_split(cuts), target.tensor_split(cuts), strict=True):
            ours.update(p, t)
        keep = target != 255
        if not keep.any():
            assert ours.matrix.sum() == 0
            assert math.isnan(ours.mean_iou())
            empty += 1
            continue
        expected = sklearn.metrics.confusion_matrix(target[keep].numpy(), prediction[keep].numpy(), labels=range(k))
        np.testing.assert_array_equal(ours.matrix.numpy(), expected)
        peer = multiclass_jaccard_index(prediction, target, k, ignore_index=255, average="none", validate_args=False)
        seen = expected.sum(0) + expected.sum(1) > 0
        np.testing.assert_allclose(ours.iou()[seen], peer[seen], rtol=1e-6)
        assert ours.iou()[~seen].isnan().all()
        assert ours.mean_iou() == pytest.approx(float(peer[seen].mean()), rel=1e-6)
        absent += not seen.all()
    assert empty > 50
    assert absent > 50


def test_by_hand():
    ours = counted(torch.tensor([0, 0, 1, 1, 2, 0]), torch.tensor([0, 1, 1, 1, 0, 255]), 4)
    assert ours.matrix.tolist() == [[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # Class 2 is predicted but never there: 0. Class 3 is absent: nan.
    np.testing.assert_allclose(ours.iou(), [1 / 3, 2 / 3, 0, np.nan])
    np.testing.assert_allclose(ours.dice(), [1 / 2, 4 / 5, 0, np.nan])
    np.testing.assert_allclose(ours.class_accuracy(), [1 / 2, 2 / 3, np.nan, np.nan])
    assert ours.mean_iou() == pytest.approx(1 / 3)
    assert ours.pixel_accuracy() == pytest.approx(3 / 5)
    assert ours.iou().dtype == torch.float64
    assert ours.matrix.dtype == torch.int64


def test_any_split_counts_the_same():
    prediction, target = torch.randint(0, 5, (12, 7, 9)), torch.randint(0, 5, (12, 7, 9))
    target[torch.rand(target.shape) < 0.2] = 255
    whole = counted(prediction, target, 5)
    for cuts in ([1], [3, 3, 4], [0, 12], [5, 6]):
        parts = ConfusionMatrix(5)
        for p, t in zip(prediction.tensor_split(cuts), target.tensor_split(cuts), strict=True):
            parts.update(p, t)
        assert torch.equal(parts.matrix, whole.matrix)
    merged = counted(prediction[:4], target[:4], 5).merge(counted(prediction[4:], target[4:], 5))
    assert torch.equal(merged.matrix, whole.matrix)
    # Control: the mean over batches is another number.
    means = [counted(p, t, 5).mean_iou() for p, t in zip(prediction, target, strict=True)]
    assert sum(means) / len(means) != pytest.approx(whole.mean_iou(), abs=1e-4)


def test_void_is_not_counted():
    prediction, target = torch.randint(0, 3, (4, 8, 8)), torch.randint(0, 3, (4, 8, 8))
    target[:, :4] = 255
    ours = counted(prediction, target, 3)
    assert ours.matrix.sum() == 4 * 4 * 8
    # Whatever lies under void changes nothing, even what is no class.
    for value in (0, 2, 255, -7, 300):
        assert torch.equal(counted(prediction.where(target != 255, value), target, 3).matrix, ours.matrix)
    # Control: void counted as the last class gives another score.
    assert counted(prediction, target.clamp_max(2), 3).mean_iou() != pytest.approx(ours.mean_iou(), abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_any_integer_type_and_layout(dtype):
    prediction, target = torch.randint(0, 4, (2, 6, 5)), torch.randint(0, 4, (2, 6, 5))
    ours = counted(prediction.to(dtype).transpose(1, 2), target.to(dtype).transpose(1, 2), 4)
    assert torch.equal(ours.matrix, counted(prediction, target, 4).matrix)


def test_255_classes_and_one():
    everything = torch.arange(255)
    assert counted(everything, everything, 255).mean_iou() == 1
    assert counted(torch.zeros(3, dtype=torch.long), torch.tensor([0, 255, 0]), 1).matrix.tolist() == [[2]]


@pytest.mark.parametrize("wrong", [3, 254, -1, 256, 1000, -300])
def test_refuses_what_is_no_class_and_counts_nothing(wrong):
    good, bad = torch.zeros(2, 4, 4, dtype=torch.long), torch.zeros(2, 4, 4, dtype=torch.long)
    bad[1, 2, 3] = wrong
    ours = counted(good, good, 3)
    with pytest.raises(ValueError, match=rf"target has the class index {wrong},.* 0..2, and 255 for void"):
        ours.update(good, bad)
    with pytest.raises(ValueError, match=rf"prediction has the class index {wrong},.* 0..2;"):
        ours.update(bad, good)
    assert ours.matrix.sum() == good.numel()


def test_refuses_a_void_prediction_of_a_pixel_that_counts():
    with pytest.raises(ValueError, match="prediction has the class index 255"):
        counted(torch.tensor([0, 255]), torch.tensor([0, 1]), 3)


def test_refuses_what_is_no_pair_of_maps():
    maps = torch.zeros(2, 4, 4, dtype=torch.long)
    with pytest.raises(ValueError, match=r"prediction \[2, 3, 4, 4\] of torch.float32 .*argmax"):
        counted(torch.randn(2, 3, 4, 4), maps, 3)
    with pytest.raises(ValueError, match="prediction of ndarray; give a tensor"):
        counted(maps.numpy(), maps, 3)
    with pytest.raises(ValueError, match=r"target .*float32"):
        counted(maps, maps.float(), 3)
    with pytest.raises(ValueError, match=r"\[2, 4, 4\] and a target \[2, 4, 5\]"):
        counted(maps, torch.zeros(2, 4, 5, dtype=torch.long), 3)
    with pytest.raises(ValueError, match="of 3 classes was given one of 4 to merge"):
        ConfusionMatrix(3).merge(ConfusionMatrix(4))
    for k in (0, 256, 2.0, True):
        with pytest.raises(ValueError, match="give 1 to 255"):
            ConfusionMatrix(k)


def boundary_by_hand(prediction, target, k, distance):
    """Boundary IoU [K] by the sets of the definition, pixel by pixel; void belongs to every region."""
    inter, union = np.zeros(k), np.zeros(k)
    n, height, width = target.shape
    for i in range(n):
        near = []
        for classes in (prediction[i], target[i]):
            sets = [set() for _ in range(k)]
            for y in range(height):
                for x in range(width):
                    if target[i, y, x] == 255:
                        continue
                    around = [
                        (y + dy, x + dx)
                        for dy in range(-distance, distance + 1)
                        for dx in range(-distance, distance + 1)
                    ]
                    outside = any(
                        not (0 <= a < height and 0 <= b < width)
                        or (target[i, a, b] != 255 and classes[a, b] != classes[y, x])
                        for a, b in around
                    )
                    if outside:
                        sets[int(classes[y, x])].add((y, x))
            near.append(sets)
        for c in range(k):
            inter[c] += len(near[0][c] & near[1][c])
            union[c] += len(near[0][c] | near[1][c])
    return np.divide(inter, union, out=np.full(k, np.nan), where=union > 0)


def blobs(seed, k, shape=(2, 11, 13), void=0.05):
    """A target of regions and a prediction that is the target moved a little, with void."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, k, (shape[0], 3, 3))
    target = coarse.repeat(5, 1).repeat(5, 2)[:, : shape[1], : shape[2]]
    prediction = np.roll(target, rng.integers(1, 3, 2), (1, 2))
    target = np.where(rng.random(shape) < void, 255, target)
    return torch.from_numpy(prediction), torch.from_numpy(target)


@pytest.mark.parametrize("distance", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_boundary_iou_equals_a_count_by_hand(seed, distance):
    prediction, target = blobs(seed, 4)
    ours = BoundaryIoU(5, distance=distance)
    ours.update(prediction, target)
    by_hand = boundary_by_hand(prediction.numpy(), target.numpy(), 5, distance)
    np.testing.assert_allclose(ours.iou(), by_hand, rtol=1e-12)
    assert ours.mean_iou() == pytest.approx(np.nanmean(by_hand))
    assert ours.iou()[4].isnan()
    # Controls: another distance, and the IoU of the whole regions, are other numbers.
    if distance < 4:  # from there on every pixel of these small maps is near a contour
        other = BoundaryIoU(5, distance=distance + 1)
        other.update(prediction, target)
        assert other.mean_iou() != pytest.approx(ours.mean_iou(), abs=1e-6)
        assert counted(prediction, target, 5).mean_iou() != pytest.approx(ours.mean_iou(), abs=1e-6)


@pytest.mark.parametrize("distance", [1, 3])
def test_boundary_iou_equals_erosion_by_opencv(distance):
    prediction, target = blobs(5, 3, shape=(1, 15, 15), void=0)

    def contour(mask):
        padded = cv2.copyMakeBorder(mask.numpy().astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
        return mask.numpy() & (eroded == 0)

    expected = []
    for c in range(3):
        p, t = contour(prediction[0] == c), contour(target[0] == c)
        expected.append((p & t).sum() / (p | t).sum() if (p | t).any() else np.nan)
    ours = BoundaryIoU(3, distance=distance)
    ours.update(prediction, target)
    np.testing.assert_allclose(ours.iou(), expected, rtol=1e-12)


def test_boundary_iou_by_hand():
    # A row of the window's height, so each pixel is at the image's edge: all is contour, and it is the IoU.
    prediction, target = torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 1, 1, 1]]])
    ours = BoundaryIoU(3, distance=1)
    ours.update(prediction, target)
    np.testing.assert_allclose(ours.iou(), [1 / 2, 2 / 3, np.nan])
    # A square of 3×3 in the middle of 7×7; the prediction misses its core, which is on no contour: nothing is lost
    # for the square, and the core is a false claim of the ground.
    target = torch.zeros(7, 7, dtype=torch.long)
    target[2:5, 2:5] = 1
    prediction = target.clone()
    prediction[3, 3] = 0
    ours = BoundaryIoU(2, distance=1)
    ours.update(prediction[None], target[None])
    edge = 24 + 16  # the image's edge, and the ring around the square
    np.testing.assert_allclose(ours.iou(), [edge / (edge + 1), 1.0])
    perfect = BoundaryIoU(2)
    perfect.update(target, target)
    assert perfect.mean_iou() == 1
    assert math.isnan(BoundaryIoU(2).mean_iou())
    empty = BoundaryIoU(2)
    empty.update(torch.zeros(0, 4, 4).long(), torch.zeros(0, 4, 4).long())
    assert math.isnan(empty.mean_iou())


def test_boundary_iou_leaves_void_out_and_adds_up():
    prediction, target = blobs(7, 3, shape=(6, 12, 12), void=0.2)
    whole, parts, other = BoundaryIoU(3), BoundaryIoU(3), BoundaryIoU(3)
    whole.update(prediction, target)
    # Whatever lies under void changes nothing.
    other.update(prediction.where(target != 255, 7), target)
    assert torch.equal(whole.confusion.matrix, other.confusion.matrix)
    aslant = BoundaryIoU(3)
    aslant.update(prediction.transpose(1, 2), target.transpose(1, 2))
    assert torch.equal(whole.confusion.matrix, aslant.confusion.matrix)
    # Where the target is unknown there is no contour.
    half = torch.zeros(1, 9, 9, dtype=torch.long)
    half[..., 4:] = 255
    alone = BoundaryIoU(2, distance=1)
    alone.update(torch.zeros_like(half), half)
    assert alone.confusion.matrix.tolist() == [[4 + 4 + 7, 0, 0], [0, 0, 0], [0, 0, 3 * 7]]
    parts.update(prediction[:2], target[:2])
    rest = BoundaryIoU(3)
    rest.update(prediction[2:].to(torch.uint8), target[2:].to(torch.uint8))
    parts.confusion.merge(rest.confusion)
    assert torch.equal(parts.confusion.matrix, whole.confusion.matrix)


def test_boundary_iou_refuses_with_a_sentence():
    maps = torch.zeros(2, 4, 4, dtype=torch.long)
    ours = BoundaryIoU(3)
    with pytest.raises(
        ValueError, match=r"BoundaryIoU was given a prediction \[2, 3, 4, 4\] of torch.float32 .*argmax"
    ):
        ours.update(torch.randn(2, 3, 4, 4), maps)
    with pytest.raises(ValueError, match=r"target has the class index 3, .* 0..2, and 255 for void"):
        ours.update(maps, maps + 3)
    with pytest.raises(ValueError, match=r"prediction has the class index -1, "):
        ours.update(maps - 1, maps)
    with pytest.raises(ValueError, match=r"maps \[4\]; give \[N, H, W\]"):
        ours.update(maps[0, 0], maps[0, 0])
    assert ours.confusion.matrix.sum() == 0
    for distance in (0, 1.5, True):
        with pytest.raises(ValueError, match=r"BoundaryIoU was given distance=.*; give a whole number, 1 or more"):
            BoundaryIoU(3, distance=distance)
    for k in (0, 2.0, True):
        with pytest.raises(ValueError, match=r"BoundaryIoU was given num_classes=.*; give a whole number, 1 or more"):
            BoundaryIoU(k)
    with pytest.raises(ValueError, match="num_classes=255; give 1 to 254"):
        BoundaryIoU(255)


def calibration_by_hand(logits, target, bins):
    """Equation 3 of the paper, bin by bin."""
    z = np.moveaxis(logits.double().numpy(), 1, -1).reshape(-1, logits.shape[1])
    t = target.numpy().ravel()
    z, t = z[t != 255], t[t != 255]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    total = 0.0
    for m in range(1, bins + 1):
        chosen = (p.max(1) > (m - 1) / bins) & (p.max(1) <= m / bins)
        if chosen.any():
            accuracy = (p.argmax(1) == t)[chosen].mean()
            total += chosen.sum() / len(t) * abs(accuracy - p.max(1)[chosen].mean())
    return total


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("seed", range(4))
def test_calibration_error_equals_a_sum_by_hand_and_torchmetrics(seed, bins):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(5, 4, 7, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 4, (5, 7, 6), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = 255
    ours = CalibrationError(bins)
    ours.update(logits, target)
    by_hand = calibration_by_hand(logits, target, bins)
    assert ours.error() == pytest.approx(by_hand, rel=1e-12)
    peer = MulticlassCalibrationError(4, n_bins=bins, ignore_index=255)
    assert ours.error() == pytest.approx(peer(logits.softmax(1).float(), target).item(), rel=1e-4)
    # In any parts, in any type, and whatever lies under void: the same.
    parts = CalibrationError(bins)
    for cut in (slice(0, 2), slice(2, 2), slice(2, 5)):
        parts.update(logits[cut].where(target[cut].unsqueeze(1) != 255, 9.0), target[cut].to(torch.uint8))
    torch.testing.assert_close(parts.sums, ours.sums)
    # Control: void taken for a class is another number.
    assert calibration_by_hand(logits, target.clamp_max(3), bins) != pytest.approx(by_hand, abs=1e-4)


def test_calibration_by_hand():
    # Four pixels at 0.75, of which three are right: calibrated; two at 0.9, both wrong: 0.9 · 2/6.
    logits = torch.tensor([[0.75, 0.25]] * 4 + [[0.1, 0.9]] * 2, dtype=torch.float64).log()
    ours = CalibrationError(10)
    ours.update(logits, torch.tensor([0, 0, 0, 1, 0, 0]))
    assert ours.error() == pytest.approx(0.3)
    confidence, accuracy = ours.reliability()
    assert confidence[7].item() == pytest.approx(0.75)
    assert accuracy[7].item() == pytest.approx(0.75)
    assert accuracy[8].item() == 0  # 0.9 is the upper end of its bin
    assert confidence.isnan().sum() == 8
    assert math.isnan(CalibrationError().error())
    sure = CalibrationError()
    sure.update(torch.tensor([[500.0, -500.0]]), torch.tensor([0]))
    assert sure.error() == 0


def test_calibration_error_refuses_with_a_sentence():
    ours = CalibrationError()
    logits, target = torch.randn(2, 3, 4), torch.zeros(2, 4).long()
    with pytest.raises(ValueError, match=r"CalibrationError was given logits \[2, 4\] of torch.int64"):
        ours.update(target, target)
    with pytest.raises(ValueError, match=r"CalibrationError was given logits \[2, 3, 4\] and a target \[2, 3\]"):
        ours.update(logits, target[:, :3])
    with pytest.raises(ValueError, match=r"class index 3, .*0..2, and 255 for void"):
        ours.update(logits, target + 3)
    assert ours.sums.sum() == 0
    for bins in (0, 1.5, True):
        with pytest.raises(ValueError, match="CalibrationError was given bins="):
            CalibrationError(bins)
