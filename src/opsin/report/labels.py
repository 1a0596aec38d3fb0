"""Where the names of the bubbles go: beside them, off each other, and off what else is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDE = set("MWmw@%—")
_NARROW = set("iljtfrI.,:;-'’()[] 1")
_GAPS = (4.0, 10.0, 20.0, 34.0, 54.0)
_ANGLES = 12
_ASTRAY = 40.0  # what a text costs for each dot that lies nearer to it than its own


@dataclass(frozen=True)
class Box:
    """A rectangle in px, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """The common area in px²."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * high if wide > 0 and high > 0 else 0.0

    def distance(self, x: float, y: float) -> float:
        """From a point to the nearest of the rectangle, px; 0 inside."""
        return math.hypot(max(self.left - x, 0.0, x - self.right), max(self.top - y, 0.0, y - self.bottom))

    def within(self, other: "Box") -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Anchor:
    """What wants a label: a bubble at (x, y) px of radius `r`; the higher its rank, the surer it gets one."""

    x: float
    y: float
    r: float
    text: str
    rank: int = 0


@dataclass(frozen=True)
class Label:
    """A text that begins at `box.left` and is centred on its height; `far` asks for a line to the bubble."""

    text: str
    box: Box
    far: bool

    @property
    def y(self) -> float:
        return (self.box.top + self.box.bottom) / 2


def text_width(text: str, size: float) -> float:
    """About how many px a text takes in a sans-serif of `size` px; rather too many than too few."""
    ems = sum(0.92 if c in _WIDE else 0.36 if c in _NARROW else 0.66 if c.isupper() else 0.6 for c in text)
    return ems * size


def _candidates(anchor: Anchor, size: float) -> list[tuple[Box, float, bool]]:
    """Places about an anchor, with what each costs by itself: far is dear, right and above are liked."""
    wide, high = text_width(anchor.text, size), size * 1.15
    near = min(anchor.r, 14.0)
    found = []
    for gap in _GAPS:
        for k in range(_ANGLES):
            turn = 2 * math.pi * k / _ANGLES
            cos, sin = math.cos(turn), math.sin(turn)
            x = anchor.x + (near + gap) * cos + wide / 2 * max(-1.0, min(1.0, 1.6 * cos))
            y = anchor.y - (near + gap) * sin - high / 2 * max(-1.0, min(1.0, 1.6 * sin))
            box = Box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            found.append((box, gap * 4 + (1 - cos) * 3 + (1 - sin) * 1.5, gap >= 18))
    return found


def place(anchors: Sequence[Anchor], frame: Box, size: float, obstacles: Sequence[Box] = ()) -> list[Label | None]:
    """A label for each anchor, or None where none fits: no two overlap, and each lies within `frame`.

    Dots and `obstacles` (error bars, other texts) are kept clear where there is room. The same input gives the same
    places.
    """
    dots = [Box(a.x - 5, a.y - 5, a.x + 5, a.y + 5) for a in anchors]
    discs = [Box(a.x - 0.7 * a.r, a.y - 0.7 * a.r, a.x + 0.7 * a.r, a.y + 0.7 * a.r) for a in anchors]
    order = sorted(range(len(anchors)), key=lambda i: (-anchors[i].rank, anchors[i].x, anchors[i].text, i))
    choices: dict[int, list[tuple[Box, float, bool]]] = {}
    for i in order:
        own = anchors[i]
        nearer = [  # another dot lies nearer to the text than its own
            sum(other is not own and box.distance(other.x, other.y) < box.distance(own.x, own.y) for other in anchors)
            for box, *_ in _candidates(own, size)
        ]
        choices[i] = [
            (
                box,
                cost
                + _ASTRAY * astray
                + sum(3.0 * box.overlap(dot) for dot in dots)
                + sum(0.15 * box.overlap(disc) for j, disc in enumerate(discs) if j != i)
                + sum(1.5 * box.overlap(block) for block in obstacles),
                far or astray > 0,
            )
            for (box, cost, far), astray in zip(_candidates(own, size), nearer, strict=True)
            if box.within(frame)
        ]
    placed: dict[int, tuple[Box, bool]] = {}
    for _ in range(4):  # each label in turn moves to where the others leave it best off
        for i in order:
            others = [box for j, (box, _) in placed.items() if j != i]
            best = min(choices[i], key=lambda c: c[1] + 20.0 * sum(c[0].overlap(box) for box in others), default=None)
            if best is not None:
                placed[i] = (best[0], best[2])
    kept: dict[int, tuple[Box, bool]] = {}
    for i in order:
        if i in placed and all(placed[i][0].overlap(box) == 0 for box, _ in kept.values()):
            kept[i] = placed[i]
    return [Label(a.text, *kept[i]) if i in kept else None for i, a in enumerate(anchors)]
