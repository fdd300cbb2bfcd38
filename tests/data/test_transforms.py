"""One draw moves image and mask; masks keep to their classes, and what nobody knows is void."""

import math

import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

from segen.data import StreetScenes, batches, joint
from segen.training import SegmentationTrainer

NEAREST = {"interpolation": InterpolationMode.NEAREST}
MOVES = {
    "flip": v2.RandomHorizontalFlip(0.5),
    "crop": v2.RandomCrop((40, 52)),
    "crop with a border": v2.RandomCrop(64, padding=16),
    "resized crop": v2.RandomResizedCrop(48, scale=(0.3, 1.0), **NEAREST),
    "affine": v2.RandomAffine(30, translate=(0.2, 0.2), scale=(0.7, 1.3), shear=10, **NEAREST),
    "perspective": v2.RandomPerspective(0.5, p=1.0, **NEAREST),
    "elastic": v2.ElasticTransform(alpha=60.0, sigma=4.0, **NEAREST),
    "zoom out": v2.RandomZoomOut(side_range=(1.1, 1.5)),
    "several": v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(20, **NEAREST), v2.RandomCrop(48)]),
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def street() -> tuple[torch.Tensor, torch.Tensor]:
    """An image that is 1 where the mask has the road, else −1; a strip of the mask is void."""
    _, mask = StreetScenes(1, seed=3)[0]
    image = (mask == 2).float().expand(3, -1, -1) * 2 - 1
    mask = mask.clone()
    mask[:, 20:23] = 255
    return image, mask


@pytest.mark.parametrize("transform", MOVES.values(), ids=MOVES)
def test_one_draw_moves_image_and_mask(transform):
    image, mask = street()
    results = [joint(transform)(image, mask) for _ in range(6)]
    for moved, labels in results:
        assert type(moved) is type(labels) is torch.Tensor
        assert (moved.dtype, labels.dtype) == (torch.float32, torch.int64)
        assert moved.shape[1:] == labels.shape
        assert set(labels.unique().tolist()) <= {*mask.unique().tolist(), 255}
        known = labels != 255
        assert known.float().mean() > 0.3
        assert torch.equal((moved[0] > 0)[known], (labels == 2)[known])
        assert moved.min() >= -1 - 1e-6
        assert moved.max() <= 1 + 1e-6
    # Each call is a draw of its own. The control: an image of one draw does not fit the mask of another.
    assert any(not torch.equal(results[0][1], labels) for _, labels in results[1:])
    road, others = results[0][0][0] > 0, [labels for _, labels in results[1:]]
    assert any(road.shape != m.shape or not torch.equal(road[m != 255], (m == 2)[m != 255]) for m in others)


@pytest.mark.parametrize("fill", [0, 1, 0.5, 255, {tv_tensors.Image: 1.0, tv_tensors.Mask: 3}, {tv_tensors.Image: 0}])
def test_what_comes_from_beyond_the_border_is_void(fill):
    image, mask = torch.zeros(3, 32, 48), torch.full((32, 48), 3)
    _, labels = joint(v2.RandomRotation((30, 30), fill=fill))(image, mask)
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(48) - 23.5, indexing="ij")
    cosine, sine = math.cos(math.pi / 6), math.sin(math.pi / 6)
    # How far the place that each pixel comes from lies within the border; one pixel either way is left open.
    inside = torch.minimum(16 - (cosine * y + sine * x).abs(), 24 - (cosine * x - sine * y).abs())
    assert (labels[inside > 1] == 3).all()
    assert (labels[inside < -1] == 255).all()
    assert (inside < -1).sum() > 50


def test_nothing_but_the_image_changes_with_the_light():
    image, mask = StreetScenes(1, seed=3)[0]
    same, labels = joint(v2.ColorJitter(brightness=(1, 1)))(image, mask)
    torch.testing.assert_close(same, image, rtol=0, atol=1e-6)
    assert torch.equal(labels, mask)
    half, _ = joint(v2.ColorJitter(brightness=(0.5, 0.5)))(image, mask)
    torch.testing.assert_close(half, image / 2 - 0.5, rtol=0, atol=1e-6)
    # The control: given the image as it is, torchvision takes it to be in [0, 1], and what was dark is gone.
    assert (v2.ColorJitter(brightness=(0.5, 0.5))(image) - half).abs().max() > 0.4


def test_each_sample_has_a_draw_of_its_own_and_the_seed_decides_it():
    image, mask = street()
    augment = joint(v2.RandomAffine(30, translate=(0.2, 0.2)))

    def drawn(seed, start=0):
        stream = batches([(image, mask)] * 4, 4, seed=seed, start=start, augment=augment)
        return [next(stream)[1] for _ in range(2)]

    state = torch.get_rng_state()
    first, second = drawn(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({labels.numpy().tobytes() for labels in [*first, *second]}) == 8
    assert torch.equal(drawn(0, start=1)[0], second)
    assert not torch.equal(drawn(1)[0], first)


def test_a_run_goes_on_exactly_and_only_with_the_same_transform(tmp_path):
    def fit(steps, path, degrees=30):
        torch.manual_seed(0)
        trainer = SegmentationTrainer(nn.Conv2d(3, 8, 3, padding=1), lr=1e-2)
        transform = v2.Compose([v2.RandomRotation(degrees), v2.ColorJitter(0.3)])
        settings = {"batch_size": 4, "checkpoint": path, "every": 3, "progress": False, "augment": joint(transform)}
        history = trainer.fit(StreetScenes(8, size=(32, 32)), steps=steps, **settings)
        return trainer.model.weight, history

    fit(5, tmp_path / "a")
    weight, history = fit(9, tmp_path / "a")
    straight, straight_history = fit(9, tmp_path / "b")
    assert torch.equal(weight, straight)
    assert history == straight_history
    with pytest.raises(ValueError, match=r"was made with augment=.*degrees=\[-30.*and here augment=.*degrees=\[-20"):
        fit(12, tmp_path / "b", degrees=20)


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (v1.RandomHorizontalFlip(), "joint was given RandomHorizontalFlip; give an instance of a transform of"),
        (v2.RandomHorizontalFlip, "joint was given RandomHorizontalFlip; give an instance"),
        (None, "joint was given NoneType; "),
        ([v2.RandomHorizontalFlip()], r"joint was given list; .*several as v2\.Compose"),
    ],
)
def test_another_kind_of_transform_is_refused(transform, sentence):
    with pytest.raises(ValueError, match=sentence):
        joint(transform)


@pytest.mark.parametrize(
    ("image", "mask", "sentence"),
    [
        (
            torch.zeros(3, 8, 9),
            torch.zeros(9, 8).long(),
            r"\[3, 8, 9\] .* and \[9, 8\] .*; bring image and mask to one",
        ),
        (torch.zeros(3, 8, 8), torch.zeros(8, 8), "both are needed: floats .* and class indices"),
        (torch.zeros(3, 8, 8), torch.zeros(8, 8).bool(), "both are needed"),
        (torch.zeros(3, 8, 8).byte(), torch.zeros(8, 8).long(), "both are needed"),
        (torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 8).long(), "both are needed"),
        (torch.zeros(3, 8, 8), torch.tensor(4), r"and \[\] of torch.int64; both are needed"),
        (torch.zeros(3, 8, 8), 4, r"was given \[3, 8, 8\] of torch.float32 and int; both are needed"),
    ],
)
def test_an_image_and_a_mask_that_do_not_fit_are_refused(image, mask, sentence):
    with pytest.raises(ValueError, match=sentence):
        joint(v2.RandomHorizontalFlip())(image, mask)


def test_a_transform_that_parts_them_is_refused():
    class OnlyImages(v2.Resize):
        _transformed_types = (tv_tensors.Image,)

    with pytest.raises(ValueError, match=r"The transform OnlyImages gave back \[3, 4, 4\] .* and \[8, 8\]"):
        joint(OnlyImages((4, 4)))(torch.zeros(3, 8, 8), torch.zeros(8, 8).long())
