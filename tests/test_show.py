import io
import math
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

from segen import show
from segen.metrics import ConfusionMatrix

PALETTE = np.array([[70, 130, 180], [128, 64, 128], [220, 20, 60]], np.uint8)
PALETTE.flags.writeable = False
CLASSES = ("sky", "road", "sign")


def pixels(figure):
    png = figure._repr_png_()
    assert len(png) < 300_000
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def square(figure, n=0):
    """The pixels that picture n of a sheet covers, in the figure as it is laid out."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    sheet = np.asarray(Image.open(buffer).convert("RGB")).astype(int)
    start, stop, bottom, top = figure.axes[0].images[n].get_extent()
    return sheet[round(top) : round(bottom), round(start) : round(stop)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("titles", [None, ["a", "b", "c", "d", "e"]])
def test_every_pixel_of_an_image_is_drawn(channels, titles):
    x = torch.rand(5, channels, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    figure = show.images(x, titles=titles, rows=["first", "second"], columns=3)
    for n in range(5):
        drawn = square(figure, n)
        factor = drawn.shape[0] // 16
        assert drawn.shape == (16 * factor, 24 * factor, 3)
        expected = ((x[n].expand(3, -1, -1) + 1) * 127.5).permute(1, 2, 0).numpy()
        middle = drawn[factor // 2 :: factor, factor // 2 :: factor]
        assert np.abs(middle - expected).max() <= 1


def test_a_single_image_in_any_float_type_and_with_a_gradient():
    x = (torch.rand(3, 8, 8) * 2 - 1).requires_grad_()
    for given in (x, x.double(), x.bfloat16(), x[None].transpose(2, 3)):
        assert len(show.images(given).axes[0].images) == 1


def test_masks_are_drawn_in_their_colours_and_void_in_none_of_them():
    mask = torch.tensor([[0, 1], [2, 255]]).repeat_interleave(8, 0).repeat_interleave(8, 1)
    drawn = square(show.masks(mask, PALETTE, classes=CLASSES))
    half = drawn.shape[0] // 2
    assert (drawn[:half, :half] == PALETTE[0]).all()
    assert (drawn[:half, half:] == PALETTE[1]).all()
    assert (drawn[half:, :half] == PALETTE[2]).all()
    void = {tuple(c) for c in drawn[half:, half:].reshape(-1, 3)}
    assert void == {(20, 20, 20), (150, 150, 150)}


def test_the_legend_names_the_classes():
    mask = torch.zeros(2, 8, 8, dtype=torch.long)
    figure = show.masks(mask, torch.from_numpy(PALETTE.copy()), classes=CLASSES)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(CLASSES)
    mask[0, 0, 0] = 255
    figure = show.overlay(torch.zeros(2, 3, 8, 8), mask, PALETTE, classes=CLASSES)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [*CLASSES, "void"]
    assert not show.masks(mask, PALETTE).legends


def test_an_overlay_is_the_mixture_it_says():
    mask = torch.full((8, 8), 2)
    image = torch.full((3, 8, 8), -1.0)
    assert np.abs(square(show.overlay(image, mask, PALETTE, opacity=0.25)) - 0.25 * PALETTE[2]).max() <= 1


def test_history_draws_every_logged_name_but_the_learning_rate():
    nan = math.nan
    run = SimpleNamespace(
        step=[1, 2, 3],
        loss=[3.0, 2.0, 1.0],
        lr=[1.0] * 3,
        validation_loss=[nan, 2.0, nan],
        validation_mean_iou=[0.1, nan, 0.3],
    )
    losses, scores = show.history(run).axes
    assert [line.get_label() for line in losses.lines] == ["loss", "validation loss"]
    assert [line.get_label() for line in scores.lines] == ["validation mean IoU"]
    assert scores.lines[0].get_xydata().tolist() == [[1, 0.1], [3, 0.3]]
    assert losses.get_xlabel() == "step"
    both = show.history({"with": run, "without": run}).axes[0].lines
    assert [line.get_label() for line in both][::2] == ["with · loss", "without · loss"]
    with pytest.raises(ValueError, match="without a record"):
        show.history(SimpleNamespace(step=[]))


def test_confusion_is_in_percent_of_rows():
    matrix = torch.tensor([[3, 1, 0], [0, 5, 0], [0, 0, 0]])
    axes = show.confusion(matrix, CLASSES).axes[0]
    written = {tuple(map(int, reversed(t.get_position()))): t.get_text() for t in axes.texts}
    assert written == {(0, 0): "75", (0, 1): "25", (0, 2): "0", (1, 0): "0", (1, 1): "100", (1, 2): "0"}
    with pytest.raises(ValueError, match=r"matrix \[3, 3\] and 2 classes"):
        show.confusion(matrix, CLASSES[:2])


def test_pictures_stand_on_white():
    for figure in (
        show.images(torch.zeros(3, 8, 8)),
        show.confusion(torch.eye(3), CLASSES),
        show.history(SimpleNamespace(step=[1, 2], loss=[1.0, 2.0])),
    ):
        assert (pixels(figure)[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda: show.images(torch.zeros(2, 2, 8, 8)), r"given \[2, 2, 8, 8\]; give images \[N, C, H, W\]"),
        (lambda: show.images(torch.zeros(8, 8)), r"given \[8, 8\]"),
        (lambda: show.images(torch.zeros(0, 3, 8, 8)), r"given \[0, 3, 8, 8\]"),
        (lambda: show.images([1]), "given list"),
        (lambda: show.images(torch.zeros(3, 8, 8, dtype=torch.uint8)), r"torch\.uint8; give floats in \[-1, 1\]"),
        (lambda: show.images(torch.full((3, 8, 8), 255.0)), r"values from 255 to 255; an image is in \[-1, 1\]"),
        (lambda: show.images(torch.full((3, 8, 8), math.nan)), "values from nan"),
        (lambda: show.images(torch.zeros(3, 8, 8), columns=0), "columns=0"),
        (lambda: show.images(torch.zeros(3, 3, 8, 8), titles=["a"]), "given 1 titles; give 3"),
        (lambda: show.masks(torch.zeros(8, 8), PALETTE), r"given as \[8, 8\] of torch\.float32"),
        (lambda: show.masks(torch.zeros(1, 3, 8, 8).long(), PALETTE), r"argmax\(1\)"),
        (lambda: show.masks(torch.full((8, 8), 3), PALETTE), r"class index 3, but the palette has .* 0\.\.2"),
        (lambda: show.masks(torch.full((8, 8), -1), PALETTE), "class index -1"),
        (lambda: show.masks(torch.zeros(8, 8).long(), PALETTE / 255), r"palette .* give uint8 \[K, 3\]"),
        (lambda: show.masks(torch.zeros(8, 8).long(), PALETTE, classes=["a"]), "1 classes and a palette of 3"),
        (lambda: show.overlay(torch.zeros(3, 8, 8), torch.zeros(4, 4).long(), PALETTE), r"masks \[4, 4\]; give one"),
        (lambda: show.masks(torch.zeros(8, 8) > 0, PALETTE), r"given as \[8, 8\] of torch\.bool"),
        (lambda: show.masks(torch.zeros(0, 8, 8).long(), PALETTE), r"given as \[0, 8, 8\]"),
        (lambda: show.masks(torch.zeros(8, 8).long(), None), "palette was given as NoneType"),
        (
            lambda: show.overlay(torch.zeros(3, 8, 8), torch.zeros(8, 8).long(), PALETTE, opacity=3),
            "opacity=3; give 0",
        ),
        (
            lambda: show.confusion(ConfusionMatrix(3), CLASSES),
            r"given ConfusionMatrix; give .* ConfusionMatrix\.matrix",
        ),
    ],
)
def test_refuses_with_a_sentence(draw, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw()


def test_a_cell_shows_its_picture_once_whatever_was_imported():
    draw = "import torch\nfrom segen import show\nfigure = show.images(torch.zeros(3, 8, 8))\nfigure"
    cells = [draw, "figure = show.images(torch.zeros(3, 8, 8))", "import matplotlib.pyplot as plt", "figure", draw]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
    shown = [[output for output in cell.outputs if "image/png" in output.get("data", {})] for cell in notebook.cells]
    assert [len(outputs) for outputs in shown] == [1, 0, 0, 1, 1]


def test_drawing_leaves_pyplot_alone():
    code = "import sys, torch; from segen import show; show.images(torch.zeros(3, 8, 8))._repr_png_(); "
    code += "assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
