"""Pictures of images, masks, curves and confusions: matplotlib figures on a white ground, for light and dark pages."""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

VOID = 255
DPI = 100
FONT = 13  # points on a sheet of some 1,100 pixels, which a page shows at two thirds of its size
SKIPPED = {"step", "lr", "gradient_norm"}
GAP, LINE, MARGIN = 6, 24, 8  # pixels between pictures, of a line of text, around all
# Okabe and Ito's colours, which the colour-blind tell apart; lines differ in their dashes as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")


class Picture(Figure):
    """A figure that a notebook shows once, where it is a cell's last value, and that pyplot knows nothing of."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()


def images(
    x: torch.Tensor,
    *,
    titles: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """Draw images `[N, C, H, W]` or `[C, H, W]` in [-1, 1], C = 1 or 3, as a sheet of so many `columns`.

    `titles` has a string for each image, `rows` one for each row of the sheet. Raises ValueError for other shapes
    or values.
    """
    x = _check_images(x, "show.images")
    return _sheet(x, titles, rows, columns, [])


def masks(
    mask: torch.Tensor,
    palette: torch.Tensor | np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """Draw masks `[N, H, W]` or `[H, W]` of class indices in the colours `palette` uint8 `[K, 3]`; void is hatched.

    With the names `classes` there is a legend. Raises ValueError for floats, other shapes, and indices that have
    no colour.
    """
    coloured = colour(mask, palette)
    coloured = coloured[None] if coloured.ndim == 3 else coloured
    return _sheet(coloured, titles, rows, columns, _legend(mask, palette, classes))


def overlay(
    images: torch.Tensor,
    masks: torch.Tensor,
    palette: torch.Tensor | np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    opacity: float = 0.5,
    titles: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """Draw `masks` over `images` of their size, so dense as `opacity` (0 to 1) says, with dark borders of classes.

    Shapes, values and errors are those of `images` and `masks`.
    """
    x, coloured = _check_images(images, "show.overlay"), colour(masks, palette)
    coloured = coloured[None] if coloured.ndim == 3 else coloured
    if x.shape[0] != coloured.shape[0] or x.shape[2:] != coloured.shape[2:]:
        raise ValueError(
            f"show.overlay was given images {list(x.shape)} and masks {list(masks.shape)}; "
            "give one mask for each image, of its height and width."
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"show.overlay was given opacity={opacity!r}; give 0 (masks unseen) to 1 (images unseen).")
    indices = masks.detach().cpu().reshape(-1, *masks.shape[-2:])
    border = torch.zeros(indices.shape, dtype=torch.bool)
    border[:, 1:] |= indices[:, 1:] != indices[:, :-1]
    border[:, :, 1:] |= indices[:, :, 1:] != indices[:, :, :-1]
    mixed = ((1 - opacity) * x + opacity * coloured).where(~border[:, None], torch.tensor(-0.9))
    return _sheet(mixed, titles, rows, columns, _legend(masks, palette, classes))


def history(runs) -> Figure:
    """Draw what a run logged: its losses on the left, all other scores on the right, over the steps.

    `runs` is a `History`, or a dictionary of several by name, which are drawn together. Learning rate and gradient
    norm are left out, as no scores. Raises ValueError where nothing was logged.
    """
    runs = runs if isinstance(runs, dict) else {"": runs}
    names = list(dict.fromkeys(name for run in runs.values() for name in vars(run) if name not in SKIPPED))
    panels = [[name for name in names if "loss" in name], [name for name in names if "loss" not in name]]
    panels = [panel for panel in panels if panel]
    if not panels or not any(run.step for run in runs.values()):
        raise ValueError("show.history was given a history without a record; train for at least `every` steps.")

    figure = Picture(figsize=(4.6 * len(panels), 3.1), dpi=DPI, facecolor="white", layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for i, (label, run) in enumerate(runs.items()):
            for j, name in enumerate(panel):
                # A name that was not logged at a step has nan there: the line goes on to the next that was.
                points = [(s, v) for s, v in zip(run.step, vars(run).get(name, []), strict=False) if v == v]
                text = " · ".join(filter(None, [label, name.replace("_", " ").replace("iou", "IoU")]))
                marker = "o" if len(points) < 30 else None
                axes.plot(
                    *(zip(*points, strict=True) if points else ([], [])),
                    color=COLOURS[(i if len(runs) > 1 else j) % len(COLOURS)],
                    linestyle=DASHES[j % len(DASHES)],
                    marker=marker,
                    markersize=3,
                    label=text,
                )
        _label(axes, "step", "loss" if "loss" in panel[0] else "score")
        axes.legend(fontsize=8)
    return figure


def confusion(matrix: torch.Tensor, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix `[K, K]` of counts (rows: the target's classes) as percent of each row.

    A class without pixels has an empty row. Raises ValueError unless `classes` has K names.
    """
    if not isinstance(matrix, torch.Tensor | np.ndarray | list):
        raise ValueError(
            f"show.confusion was given {type(matrix).__name__}; give [K, K] counts, as ConfusionMatrix.matrix is."
        )
    counts = torch.as_tensor(matrix).detach().cpu().double()
    k = len(classes)
    if counts.shape != (k, k):
        raise ValueError(
            f"show.confusion was given a matrix {list(counts.shape)} and {k} classes; "
            "give [K, K] counts, as ConfusionMatrix.matrix is, and K names."
        )
    share = 100 * counts / counts.sum(1, keepdim=True)
    side = 2.2 + 0.48 * k
    figure = Picture(figsize=(side, side), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.subplots()
    axes.imshow(share.nan_to_num(0).numpy(), cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(k, k):
        if counts[i].sum() > 0:
            shade = "white" if share[i, j] > 55 else "black"
            axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=shade, fontsize=8)
    axes.set_xticks(range(k), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), classes)
    axes.set_xlabel("predicted (percent of the row)")
    axes.set_ylabel("true")
    return figure


def colour(mask: torch.Tensor, palette: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Turn masks `[…, H, W]` into images `[…, 3, H, W]` in [-1, 1], by `palette` uint8 `[K, 3]`; void is hatched.

    So masks and images can stand in one sheet. Raises ValueError as `masks` does.
    """
    no_indices = not isinstance(mask, torch.Tensor) or mask.is_floating_point() or mask.dtype == torch.bool
    if no_indices or mask.ndim not in (2, 3) or not mask.numel():
        given = f"{list(mask.shape)} of {mask.dtype}" if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise ValueError(
            f"A mask was given as {given} where integers [N, H, W] or [H, W] are expected; "
            "of logits [N, K, H, W] give logits.argmax(1)."
        )
    indices = mask.detach().cpu().long()
    if not isinstance(palette, torch.Tensor | np.ndarray):
        raise ValueError(f"The palette was given as {type(palette).__name__}; give uint8 [K, 3], as .palette is.")
    colours = palette.cpu() if isinstance(palette, torch.Tensor) else torch.from_numpy(np.array(palette))
    if colours.ndim != 2 or colours.shape[1] != 3 or colours.dtype != torch.uint8:
        raise ValueError(
            f"The palette was given as {list(colours.shape)} of {colours.dtype}; give uint8 [K, 3], as .palette is."
        )
    bad = indices[(indices < 0) | ((indices >= len(colours)) & (indices != VOID))]
    if bad.numel():
        raise ValueError(
            f"A mask has the class index {int(bad[0])}, but the palette has the colours of 0..{len(colours) - 1}; "
            "give a palette with a row for each class (255 is void)."
        )
    height, width = mask.shape[-2:]
    diagonal = torch.arange(height)[:, None] + torch.arange(width)
    hatch = torch.where(diagonal % 6 < 2, 150, 20).to(torch.uint8)[..., None].expand(-1, -1, 3)
    void = (indices == VOID)[..., None]
    pixels = torch.where(void, hatch, colours[indices.where(indices != VOID, 0)])
    return pixels.movedim(-1, -3).float() / 127.5 - 1


def _check_images(x: torch.Tensor, name: str) -> torch.Tensor:
    """Return `x` as float32 `[N, C, H, W]` on the CPU; raise ValueError unless it is images in [-1, 1]."""
    if not isinstance(x, torch.Tensor) or x.ndim not in (3, 4) or x.shape[-3] not in (1, 3) or not x.numel():
        given = list(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(f"{name} was given {given}; give images [N, C, H, W] or [C, H, W] with 1 or 3 channels.")
    if not x.is_floating_point():
        raise ValueError(f"{name} was given images of {x.dtype}; give floats in [-1, 1], pixels / 127.5 - 1.")
    x = x.detach().float().cpu()
    low, high = x.min().item(), x.max().item()
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"{name} was given values from {low:.3g} to {high:.3g}; an image is in [-1, 1] "
            "(pixels / 127.5 - 1), and what a network draws can be held there with .clamp(-1, 1)."
        )
    return x if x.ndim == 4 else x[None]


def _legend(mask: torch.Tensor, palette, classes: Sequence[str] | None) -> list[Patch]:
    if classes is None:
        return []
    if len(classes) != len(palette):
        raise ValueError(
            f"A legend was asked for with {len(classes)} classes and a palette of {len(palette)} colours; "
            "give a name for each colour."
        )
    handles = [
        Patch(facecolor=np.asarray(rgb) / 255, edgecolor="black", linewidth=0.6, label=name)
        for rgb, name in zip(palette, classes, strict=True)
    ]
    if (mask == VOID).any():
        handles.append(Patch(facecolor="0.1", edgecolor="0.6", hatch="////", linewidth=0.6, label="void"))
    return handles


def _sheet(
    x: torch.Tensor,
    titles: Sequence[str] | None,
    rows: Sequence[str] | None,
    columns: int,
    legend: list[Patch],
) -> Figure:
    """Lay images `[N, C, H, W]` out pixel by pixel in one pair of axes, which is fast and keeps edges sharp."""
    n, _, height, width = x.shape
    if columns < 1:
        raise ValueError(f"A sheet was asked for with columns={columns}; give 1 or more.")
    columns = min(columns, n)
    lines = math.ceil(n / columns)
    for name, texts, count in (("titles", titles, n), ("rows", rows, lines)):
        if texts is not None and len(texts) != count:
            raise ValueError(f"A sheet of {n} pictures in {lines} rows was given {len(texts)} {name}; give {count}.")
    # Small images are enlarged by a whole number, so that every pixel is a square.
    scale = max(1, round(min(1024 / columns, 256) / width))
    tile_w, tile_h = width * scale, height * scale
    heading = LINE * max((t.count("\n") + 1 for t in titles), default=0) if titles else 0
    left = MARGIN + (11 * max(map(len, rows)) if rows else 0)
    total_w = left + columns * (tile_w + GAP) - GAP + MARGIN
    entries = max(1, min(len(legend), total_w // 160))
    footer = LINE * math.ceil(len(legend) / entries) + MARGIN if legend else 0
    grid_h = MARGIN + lines * (heading + tile_h + GAP)
    total_h = grid_h + footer

    figure = Picture(figsize=(total_w / DPI, total_h / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).expand(-1, -1, -1, 3).numpy()
    for i, picture in enumerate(pixels):
        top = MARGIN + (i // columns) * (heading + tile_h + GAP) + heading
        start = left + (i % columns) * (tile_w + GAP)
        axes.imshow(picture, extent=(start, start + tile_w, top + tile_h, top), interpolation="nearest")
        if titles:
            axes.text(start + tile_w / 2, top - 3, titles[i], ha="center", va="bottom", fontsize=FONT, color="black")
        if rows and i % columns == 0:
            text = rows[i // columns]
            axes.text(left - 6, top + tile_h / 2, text, ha="right", va="center", fontsize=FONT, color="black")
    axes.set(xlim=(0, total_w), ylim=(total_h, 0), aspect="auto")
    if legend:
        figure.legend(
            handles=legend,
            loc="lower center",
            ncols=entries,
            fontsize=FONT - 1,
            frameon=False,
            handlelength=1.2,
            handleheight=1.2,
            borderaxespad=0.2,
        )
    return figure


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
