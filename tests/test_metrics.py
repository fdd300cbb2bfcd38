import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from segen.metrics import ConfusionMatrix


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
    with pytest.raises(ValueError, match=r"target .*float32"):
        counted(maps, maps.float(), 3)
    with pytest.raises(ValueError, match=r"\[2, 4, 4\] and a target \[2, 4, 5\]"):
        counted(maps, torch.zeros(2, 4, 5, dtype=torch.long), 3)
    with pytest.raises(ValueError, match="of 3 classes was given one of 4 to merge"):
        ConfusionMatrix(3).merge(ConfusionMatrix(4))
    for k in (0, 256, 2.0, True):
        with pytest.raises(ValueError, match="give 1 to 255"):
            ConfusionMatrix(k)
