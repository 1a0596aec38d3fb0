"""Images with labels: where they come from, how they are read, divided, prepared and varied.

`augment` is not among these names, since it imports torch.
"""

from opsin.data.cache import materialise, thumbnail
from opsin.data.images import BadImage, read
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan, scan
from opsin.data.sources import PARTS, Source, load
from opsin.data.split import Split, divide

__all__ = [
    "PARTS",
    "BadImage",
    "Preprocess",
    "Scan",
    "Source",
    "Split",
    "divide",
    "load",
    "materialise",
    "read",
    "scan",
    "thumbnail",
]
