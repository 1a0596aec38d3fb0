"""How a printed error was measured, read off its protocol: what may stand in one column, or one chart, with others."""

import re

from opsin.cards import Card, Published

_CROP = re.compile(r"\b1 (?:crop|view)\b(?: \(?of (\d+))?")
_ELSE = re.compile(r"\b\d+ networks\b|\bnetworks? with\b|pre-trained on (?:ImageNet-2|JFT)")
_OWN = re.compile(r"(?:abstract|appendix|figure|page|section|table)\b")
_NEAR = 0.02  # 227 px in the authors' files for 224 px in the paper


def on_imagenet(protocol: str) -> bool:
    """Whether an error is one on the thousand classes of ImageNet 2012."""
    return "ImageNet" in protocol and "ImageNet 2010" not in protocol


def one_crop(protocol: str, size: int) -> bool:
    """Whether an error is that of one network on one central crop of ImageNet's validation images.

    The network was trained on ImageNet's 1,000 classes alone, and the crop, where the protocol names its size, has
    the `size` px for which the card counts operations.
    """
    crop = _CROP.search(protocol)
    if crop is None or "ImageNet validation" not in protocol or _ELSE.search(protocol):
        return False
    return crop[1] is None or abs(int(crop[1]) - size) <= _NEAR * size


def imagenet_error(card: Card) -> tuple[Published, bool] | None:
    """The row of a card with its top-1 error on ImageNet, and whether it is one network's on one crop.

    One crop comes before other protocols, one network before several, the network's own paper before other sources;
    of equals, the first. None where nothing is printed.
    """
    rows = [row for row in card.published if row.top1_err is not None and on_imagenet(row.protocol or "")]
    if not rows or card.task != "classify":
        return None

    def order(row: Published) -> tuple[bool, bool, bool]:
        protocol = row.protocol or ""
        return not one_crop(protocol, card.inputs.size), _ELSE.search(protocol) is not None, not _OWN.match(row.place)

    best = min(rows, key=order)
    return best, one_crop(best.protocol or "", card.inputs.size)
