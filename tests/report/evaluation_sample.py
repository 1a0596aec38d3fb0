"""An evaluation that was never run: drawn logits, in which classes of one family are taken for each other."""

import numpy as np

from opsin.data.sources import Source
from opsin.data.sources.arrays import Stacked
from opsin.evaluation import Evaluation


def made(classes=12, images=600, skill=3.0, names=None, seed=0):
    """Families of four classes; the more `skill`, the fewer mistakes."""
    draw = np.random.default_rng(seed)
    truth = np.sort(draw.integers(classes, size=images))
    kin = (np.arange(classes) // 4 == truth[:, None] // 4).astype(np.float32)
    own = np.eye(classes, dtype=np.float32)[truth]
    logits = draw.normal(size=(images, classes)).astype(np.float32) + skill * own + 2 * kin
    names = names or tuple(f"class {k:04d}" for k in range(classes))
    pixels = draw.integers(0, 256, (images, 8, 8)).astype(np.uint8)
    source = Source("drawn", None, names, truth, tuple(f"drawn/{i}" for i in range(images)), opener=Stacked([pixels]))
    facts = {
        "network": "resnet20_cifar", "weights": "runs/bundle", "data": "drawn", "part": "test", "images": "one crop",
        "views": 1, "preprocess": {"size": 32}, "left_out": [], "backends": ["eager/16"], "device": "cpu",
        "versions": {"torch": "2.15.0"},
    }  # fmt: skip
    return Evaluation(source, names, truth, logits, facts, ("a note",))
