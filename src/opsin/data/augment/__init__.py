"""What is done to training images, with counted randomness: each part of a recipe is called with a batch and `Draws`.

Those of `AFTER` take normalised images, float32 [N, C, S, S]; the others pixels, uint8.
"""

from opsin.data.augment.colour import Jitter, Lighting
from opsin.data.augment.draws import Draws as Draws
from opsin.data.augment.elastic import Elastic
from opsin.data.augment.erase import Erase
from opsin.data.augment.shift import Flip, Shift

AUGMENTATIONS = (Shift, Flip, Jitter, Lighting, Elastic, Erase)
CROPS = ()
EACH = ()
AFTER = (Erase,)
Augmentation = Shift | Flip | Jitter | Lighting | Elastic | Erase


def suited_to(channels: int, size: int) -> tuple[Augmentation, ...]:
    """What harms no label: grey images (digits, documents, x-rays) move a little; colour ones move more and mirror."""
    if channels == 1:
        return (Shift(max(1, size // 16), pad="edge"),)
    return (Shift(size // 8, flip=True, pad="edge"),)
