"""Xception: the keys of timm's legacy_xception, and its weights, a port of the author's own."""

import re

from opsin.weights.public import HALF, Keys, images, rename, timm_weights

FIRST = {"entry": 1, "middle": 4}
RULES = {
    r"^(entry|middle)\.(\d)": lambda found: f"block{FIRST[found[1]] + int(found[2])}",
    r"^exit": "block12",
    r"shortcut\.0": "skip",
    r"shortcut\.1": "skipbn",
    r"^conv(\d)\.bn": r"bn\1",
    r"depthwise": "conv1",
}


def _theirs(key: str) -> str:
    """middle.0.convs.1.bn.weight -> block4.rep.5.weight

    A separable convolution and its batch norm stand in a list there behind a ReLU, which the first module lacks.
    """
    key = rename(key, RULES)
    if found := re.match(r"(block\d+)\.convs\.(\d)\.(bn\.)?", key):
        place = 3 * int(found[2]) + (found[1] != "block1") + bool(found[3])
        return f"{found[1]}.rep.{place}.{key[found.end() :]}"
    return key


def _today(key: str) -> str:
    """last_linear.weight -> fc.weight, as the port from which timm's came has it"""
    return key.replace("last_linear.", "fc.")


KEYS = Keys(_theirs, _today)
ARCHITECTURES = {"xception": "legacy_xception"}
EXPORTS = {"timm": (ARCHITECTURES, KEYS)}

FILE = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/xception-43020ad28.pth"

PUBLIC = (timm_weights(ARCHITECTURES, KEYS, "xception", "tf_in1k", images(299, 333, "bicubic", HALF, HALF), file=FILE),)
