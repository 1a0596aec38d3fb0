"""SqueezeNet: torchvision's keys, which count the poolings of each version, and its weights."""

import re
from functools import partial

from opsin.weights.public import Keys, torchvision_weights

FIRES = {"squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12), "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12)}
"""torchvision's numbers of fire2 to fire9."""


def _theirs(fires: tuple[int, ...], key: str) -> str:
    """fires.3.squeeze.weight -> features.7.squeeze.weight"""
    key = re.sub(r"^fires\.(\d)", lambda found: f"features.{fires[int(found[1])]}", key)
    return key.replace("conv10.", "classifier.1.").replace("conv1.", "features.0.")


KEYS = {model: Keys(partial(_theirs, fires)) for model, fires in FIRES.items()}
ARCHITECTURES = {model: model for model in FIRES}
EXPORTS = {"torchvision": (ARCHITECTURES, KEYS)}

PUBLIC = (
    torchvision_weights(
        ARCHITECTURES, KEYS["squeezenet1_0"], "squeezenet1_0", "IMAGENET1K_V1", "squeezenet1_0-b66bff10.pth"
    ),
    torchvision_weights(
        ARCHITECTURES, KEYS["squeezenet1_1"], "squeezenet1_1", "IMAGENET1K_V1", "squeezenet1_1-b8a52dc0.pth"
    ),
)
