"""placeholder"""

from dataclasses import dataclass

from opsin.costs.trace import Trace

Pair = tuple[int, int]


@dataclass(frozen=True)
class Receptive:
    """What one unit of a map sees of the image, (H, W) in px, by the arithmetic of its paths, past the border too.

    `size` is over all paths, `shortest` over the one that sees least, `local` over those that no global operation
    lies on (None where none is left); where `whole`, a global operation lies on some path, and `size` is the image.
    `stride` is the distance of neighbouring units, `offset` the middle of what the first unit sees, counted from the
    middle of the image's first pixel; both None where no positions are left.
    """

    size: Pair
    shortest: Pair
    local: Pair | None
    whole: bool
    stride: tuple[float, float] | None
    offset: tuple[float, float] | None


def receptive_fields(traced: Trace) -> list[Receptive | None]:
    return [None] * len(traced.calls)
