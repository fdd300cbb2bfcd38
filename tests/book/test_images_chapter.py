"""The chapter on images: what it writes out is right beyond the cases shown, and its prose says what is printed."""

import ast
import functools
import math
import re

import cv2
import numpy as np
import pytest
import torch
from chapters import Chapter
from scipy.signal import correlate2d
from torch import nn

CHAPTER = Chapter("convolution/images")
printed = CHAPTER.printed
words = CHAPTER.prose


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined("STEPS", "stacks")


SETTINGS = [(1, 0, 1), (2, 1, 1), (3, 2, 2), (2, 0, 3)]


def by_scipy(x: np.ndarray, weight: np.ndarray, s: int, p: int, d: int) -> np.ndarray:
    """Sum over channels of SciPy's correlations, with zeros between the taps, each s-th row and column."""
    k = weight.shape[-1]
    apart = np.zeros((*weight.shape[:2], d * (k - 1) + 1, d * (k - 1) + 1))
    apart[:, :, ::d, ::d] = weight
    x = np.pad(x, ((0, 0), (p, p), (p, p)))
    maps = [sum(correlate2d(a, b, "valid") for a, b in zip(x, kernel, strict=True)) for kernel in apart]
    return np.stack(maps)[:, ::s, ::s]


@pytest.mark.parametrize(("s", "p", "d"), SETTINGS)
def test_the_convolution_is_scipys(s, p, d) -> None:
    draw = torch.Generator().manual_seed(s + 10 * p)
    x, weight, bias = (torch.randn(shape, generator=draw).double() for shape in ((2, 3, 11, 9), (4, 3, 3, 3), (4,)))
    ours = chapter()["convolve"](x, weight, bias, s=s, p=p, d=d)
    for one, image in zip(ours, x, strict=True):
        expected = by_scipy(image.numpy(), weight.numpy(), s, p, d) + bias.numpy()[:, None, None]
        np.testing.assert_allclose(one, expected)


@pytest.mark.parametrize(("s", "p", "d"), SETTINGS)
def test_its_gradients_are_finite_differences(s, p, d) -> None:
    draw = torch.Generator().manual_seed(p)
    x, weight, bias = (torch.randn(shape, generator=draw).double() for shape in ((1, 2, 8, 9), (2, 2, 3, 3), (2,)))
    y = chapter()["convolve"](x, weight, bias, s=s, p=p, d=d)
    g = torch.randn(y.shape, generator=draw).double()
    gradients = chapter()["convolve_backward"](g, x, weight, s=s, p=p, d=d)
    for tensor, gradient in zip((x, weight, bias), gradients, strict=True):
        for place in torch.randint(tensor.numel(), (4,), generator=draw).tolist():
            values = []
            for step in (1e-4, -1e-4):
                tensor.view(-1)[place] += step
                values.append((chapter()["convolve"](x, weight, bias, s=s, p=p, d=d) * g).sum().item())
                tensor.view(-1)[place] -= step
            assert gradient.flatten()[place].item() == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-6)


def test_a_kernel_that_does_not_fit_is_refused_with_a_sentence() -> None:
    sentence = r"A kernel of 7 pixels was given for a side of 4 \+ 2·1; give a smaller one, more padding or a larger"
    with pytest.raises(ValueError, match=sentence):
        chapter()["size_after"](4, 4, p=1, d=2)
    with pytest.raises(ValueError, match="A kernel of 3 pixels was given for a side of 2"):
        chapter()["convolve"](torch.zeros(1, 1, 2, 9), torch.zeros(1, 1, 3, 3), torch.zeros(1))
    assert chapter()["size_after"](4, 3, p=1, d=2) == 2


def test_the_matrix_is_built_of_what_unit_pictures_give() -> None:
    kernel = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()
    units = np.eye(5 * 6).reshape(-1, 5, 6)
    columns = [correlate2d(unit, kernel.numpy(), "valid").ravel() for unit in units]
    np.testing.assert_allclose(chapter()["matrix_of"](kernel, 5, 6), np.stack(columns, 1))


@pytest.mark.parametrize("k", [2, 3])
def test_pooling_and_its_gradient(k) -> None:
    """Also where the sides are no multiples of k; the gradient only where they are, as the page says."""
    x = torch.randn(2, 3, 7, 11, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(chapter()["pool"](x, k), nn.functional.max_pool2d(x, k))
    torch.testing.assert_close(chapter()["pool"](x, k, of=torch.mean), nn.functional.avg_pool2d(x, k))
    x = x[..., :6, :6].clone().requires_grad_()
    for of, peer in ((torch.amax, nn.functional.max_pool2d), (torch.mean, nn.functional.avg_pool2d)):
        y = peer(x, k)
        g = torch.arange(float(y.numel())).view_as(y)
        torch.testing.assert_close(chapter()["pool_backward"](g, x.detach(), k, of=of), torch.autograd.grad(y, x, g)[0])


def test_the_receptive_field_of_any_stack() -> None:
    """The formula against a walk back over sets of pixels, and against the chapter's own measurement."""
    random = np.random.default_rng(0)
    stacks = [[tuple(int(v) for v in random.integers(1, (4, 3, 3))) for _ in range(depth)] for depth in (1, 2, 3, 4)]
    for layers in [*stacks, *chapter()["stacks"].values()]:
        seen = {0}
        for k, s, d in reversed(layers):
            seen = {place * s + d * tap for place in seen for tap in range(k)}
        assert chapter()["field_by_formula"](layers) == max(seen) - min(seen) + 1
    rows = (chapter()["gradient_of_middle"]([(3, 2, 2), (2, 1, 3)]) != 0).any(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == chapter()["field_by_formula"]([(3, 2, 2), (2, 1, 3)]) == 11


@pytest.mark.parametrize(("k", "sigma"), [(3, 0.8), (7, 1.5)])
def test_the_gaussian_is_opencvs(k, sigma) -> None:
    line = cv2.getGaussianKernel(k, sigma)
    np.testing.assert_allclose(chapter()["gaussian"](k, sigma), line @ line.T, rtol=1e-6)


def test_moved_pictures_keep_their_pixels() -> None:
    x = torch.arange(32.0 * 32).view(1, 1, 32, 32)
    for far in (1, 5):
        y = chapter()["moved"](x, far)
        assert torch.equal(y[..., far:, far:], x[..., :-far, :-far])
        assert (y[..., :far, :far] == x[..., :1, :1]).all()


def test_a_reordering_can_be_undone() -> None:
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(9))
    x = torch.rand(2, 3, 32, 32)
    there = chapter()["reordered"](x, order)
    assert not torch.equal(there, x)
    assert torch.equal(chapter()["reordered"](there, order.argsort()), x)


def table() -> dict[tuple[str, str], list[float]]:
    """The accuracies that the experiment's cells print, one a seed."""
    return ast.literal_eval(printed("experiment-assert").strip())


def test_what_the_prose_says_of_the_experiment() -> None:
    means = {key: sum(scores) / 3 for key, scores in table().items()}
    place, said = "pixels in place", words("experiment-read-text")
    assert all(len(scores) == 3 for scores in table().values())
    assert f"names {means[place, 'convolutional']:.2f} of the new signs" in said
    assert f"the fully connected one {means[place, 'fully connected']:.2f}" in said
    more = means[place, "… twelve times"] - means[place, "fully connected"]
    assert f"add {more:.2f} to that" in said
    assert f"falls to {means['pixels shuffled', 'convolutional']:.2f}" in said
    assert max(table()["pixels shuffled", "convolutional"]) < min(table()["pixels shuffled", "fully connected"])
    # Moved signs cost all three, the convolutional network least.
    lines = re.findall(r"^ +(?:fully|…|conv).*?([\d,]+) +([\d.]+) .* ([\d.]+)$", printed("experiment"), re.MULTILINE)
    lost = [float(mean) - float(moved) for _, mean, moved in lines[:3]]
    assert 0 < lost[2] < min(lost[:2])
    weights = [int(number.replace(",", "")) for number, _, _ in lines[:3]]
    assert 11 < weights[1] / weights[2] < 12.5
    assert abs(weights[0] - weights[2]) < 100


def test_what_the_prose_says_of_the_hook() -> None:
    known, unknown = (ast.literal_eval(part) for part in re.findall(r"\[.*?\]", printed("hook-assert")))
    assert "moved by two pixels, it loses four in ten" in words("predict-text")
    assert 0.35 < known[0] - known[2] < 0.45
    assert "it names six in ten" in words("predict-text")
    assert 0.55 < unknown[0] < 0.65
    # It is no better on its own signs, moved far, than on signs never seen.
    assert abs(known[6] - unknown[6]) < 0.05


def test_numbers_that_the_page_states_are_counted() -> None:
    count = chapter()["count"]
    dense, convolutional = chapter()["fully_connected"], chapter()["convolutional"]
    assert (count(convolutional()), count(dense(128)), count(dense(11))) == (33_834, 394_634, 33_923)
    assert "ours has 34,000" in words("card-text")
    outputs = 16 * 64 * 64
    assert f"{round((3 * 64 * 64 + 1) * outputs / 1e6)} million, and {(27 + 1) * 16}" in words("predict-text")
    assert "On 7×7. With a pooling after each, on 22×22" in words("predict-text")
    fields = {name: chapter()["field_by_formula"](layers) for name, layers in chapter()["stacks"].items()}
    assert (fields["three 3×3"], fields["three times 3×3 and pooling"]) == (7, 22)
    assert "together 60,000" in printed("paper")
    assert "had 60,000 weights" in words("card-text")


def test_the_mistakes_of_the_broken_cell_are_four() -> None:
    """Mended one by one, in the order of the solution, each brings the picture nearer to OpenCV's; then it is equal."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(picture, (5, 5), 2.0)
    grey = picture.astype(np.float64).mean(2)
    expected = np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=3), cv2.Sobel(grey, cv2.CV_64F, 0, 1, ksize=3))
    np.testing.assert_allclose(chapter()["mended_strength"](picture), expected, atol=1e-6)
    source = next(ast.unparse(n) for n in ast.parse(words("debug-broken")).body if isinstance(n, ast.FunctionDef))
    repairs = [
        ("reshape(1, 3, *picture.shape[:2])", "permute(2, 0, 1)[None]"),
        ("sobel.flip(0)", "sobel.T"),
        ("(dx + dy)", "torch.hypot(dx, dy)"),
        (
            "grey = x.double().mean(1, keepdim=True)",
            "grey = F.pad(x.double().mean(1, keepdim=True), (1,) * 4, 'reflect')",
        ),
    ]
    for broken, mended in repairs:
        namespace = dict(chapter())
        exec(source, namespace)
        assert not np.allclose(namespace["edge_strength"](picture), expected)
        assert source.count(broken) == 1
        source = source.replace(broken, mended)
    exec(source.replace("padding=1", "padding=0"), namespace)
    np.testing.assert_allclose(namespace["edge_strength"](picture), expected, atol=1e-6)


def test_the_design_that_cannot_be() -> None:
    """A kernel that is silent at lying edges is silent at lying lines: they are differences of two edges."""
    rows = torch.zeros(9, 9)
    rows[4:] = 1
    line = torch.zeros(9, 9)
    line[4] = 1
    assert torch.equal(rows - rows.roll(1, 0).where(torch.arange(9)[:, None] > 0, 0), line)
    assert math.isclose(chapter()["slide"](line, torch.tensor([[-1.0, -1, -1], [2, 2, 2], [-1, -1, -1]])).max(), 6)
