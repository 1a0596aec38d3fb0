"""What is done to training images, with counted randomness: parts of a recipe, in groups by what they look at.

`CROPS` are asked first, for the original image of any size: `box(width, height, u)` is the part of it that Pillow
resizes to the network's input, instead of the central one. A recipe has one at most. `EACH` then look at that one
image: `each(image, u)` is a new PIL image of the same size and mode, grey or RGB. For both `u` are `draws` uniforms,
float64, of the image. All others take whole batches and `Draws`: pixels, uint8 [N, C, S, S], or, those of `AFTER`,
normalised images, float32 [N, C, S, S]. Within its group each part acts in the order of the recipe.
"""

from dataclasses import replace

from opsin.data.augment.colour import Jitter, Lighting
from opsin.data.augment.crops import AreaCrop, RandomCrop
from opsin.data.augment.draws import Draws as Draws
from opsin.data.augment.elastic import Elastic
from opsin.data.augment.erase import Erase
from opsin.data.augment.randaugment import RandAugment
from opsin.data.augment.shift import Flip, Shift

CROPS = (RandomCrop, AreaCrop)
EACH = (RandAugment,)
AFTER = (Erase,)
AUGMENTATIONS = (*CROPS, *EACH, Shift, Flip, Jitter, Lighting, Elastic, *AFTER)
Augmentation = RandomCrop | AreaCrop | RandAugment | Shift | Flip | Jitter | Lighting | Elastic | Erase


def suited_to(channels: int, size: int) -> tuple[Augmentation, ...]:
    """What harms no label: grey images (digits, documents, x-rays) move a little; colour ones move more and mirror."""
    if channels == 1:
        return (Shift(max(1, size // 16), pad="edge"),)
    return (Shift(size // 8, flip=True, pad="edge"),)


def without_colour(parts: tuple[Augmentation, ...]) -> tuple[Augmentation, ...]:
    """What of a colour recipe is left for grey images: nothing is mirrored, no colour moves, crops keep the most of it.

    A mirrored 3 is no digit, and an eighth of one neither: crops by area become squares of 224 out of 256.
    """
    kept = [part for part in parts if not isinstance(part, Flip | Jitter | Lighting | RandAugment)]
    told = [RandomCrop() if isinstance(part, AreaCrop) else part for part in kept]
    return tuple(replace(part, flip=False) if isinstance(part, Shift) else part for part in told)
