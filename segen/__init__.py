"""segen: image segmentation and generation, taught with PyTorch.

Importing the package is cheap: it imports none of its rooms. Import what you use::

    from segen.data import StreetScenes
    from segen.models import UNet
    from segen.training import SegmentationTrainer
"""

import json
from importlib.resources import files

__version__ = "0.1.0"


def results(name: str) -> list[dict]:
    """Return the rows of the stored table `name`: settings, recipe, commit, seeds, seconds and metrics of each run.

    Raises ValueError, with the names there are, if no table of that name is shipped.
    """
    tables = files("segen") / "assets"
    shipped = sorted(f.name.removesuffix(".json") for f in tables.iterdir() if f.name.endswith(".json"))
    if name not in shipped:
        raise ValueError(f"There is no stored table {name!r}; the tables shipped are: {', '.join(shipped) or 'none'}.")
    return json.loads((tables / f"{name}.json").read_text(encoding="utf-8"))["rows"]
