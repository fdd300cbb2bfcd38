"""How fast is ConfusionMatrix.update beside torchmetrics, at an equal result?"""

import statistics

import torch
from measuring import Row, interleave, spread
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from segen.metrics import VOID, ConfusionMatrix

CLASSES = 19


def maps(batch: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return class maps int64 `[batch, height, width]`: the argmax of random logits, and a target, 5 % of it void."""
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(batch, CLASSES, height, width, generator=generator).argmax(1)
    guess = torch.randint(CLASSES, prediction.shape, generator=generator)
    chance = torch.rand(prediction.shape, generator=generator)
    target = torch.where(chance < 0.7, prediction, guess)  # 0.7 right, like a mediocre network
    return prediction, target.masked_fill(chance > 0.95, VOID)


def measure(
    seconds: float = 30.0, *, rounds: int = 7, shape: tuple[int, int, int] = (8, 256, 512), updates: int = 5
) -> list[Row]:
    """Return a row for each peer: its time over ours for `updates` updates, after the results were found equal."""
    prediction, target = maps(*shape)
    settings = {"num_classes": CLASSES, "ignore_index": VOID}
    peers = {
        "MulticlassConfusionMatrix": MulticlassConfusionMatrix(**settings),
        "MulticlassJaccardIndex": MulticlassJaccardIndex(**settings),
        "MulticlassConfusionMatrix(validate_args=False)": MulticlassConfusionMatrix(**settings, validate_args=False),
    }
    ours = ConfusionMatrix(CLASSES)
    assert_equal(ours, peers, prediction, target)

    def block(metric):
        def run():
            for _ in range(updates):
                metric.update(prediction, target)

        return run

    sides = {name: block(metric) for name, metric in {"ours": ours, **peers}.items()}
    times = interleave(sides, seconds=seconds, rounds=rounds)
    rows = []
    for name in peers:
        ratios = times.ratios(name, "ours")
        asked = "" if "(" in name else "at least 2"
        met = statistics.median(ratios) >= 2 if asked else None
        rows.append(Row(f"torchmetrics' {name} over ConfusionMatrix, time", spread(ratios), asked, met, times.busy))
    return rows


def assert_equal(ours: ConfusionMatrix, peers: dict, prediction: torch.Tensor, target: torch.Tensor) -> None:
    """Raise AssertionError unless all have counted the same, and give the same mean IoU."""
    for metric in (ours, *peers.values()):
        metric.update(prediction, target)
    for name, peer in peers.items():
        if name == "MulticlassJaccardIndex":
            torch.testing.assert_close(peer.compute().item(), ours.mean_iou(), rtol=1e-6, atol=0)
        else:
            assert torch.equal(peer.compute(), ours.matrix), f"{name} and ConfusionMatrix have counted differently."
