"""The page's sentences, worked out from the cards."""

import itertools
from collections import Counter

from opsin.cards import Card
from opsin.report import words
from opsin.report.history.figure import front
from opsin.report.history.record import Family, Point

CLOSE = 3.0  # points of accuracy that count as nearly as accurate
ALIKE = 1.2  # a factor between operations that count as equal


def timeline_title(families: tuple[Family, ...]) -> str:
    """How far operations grew, first paper to the network that needs most."""
    cards = [card for family in families for card in family.shown]
    first, most = cards[0], max(cards, key=lambda card: card.macs)
    return (
        f"From {words.number(first.macs)} operations for an image in {first.year} to {words.count(most.macs)} in "
        f"{most.year}: {millions(most.macs / first.macs)} times as many"
    )


def millions(ratio: float) -> str:
    return f"{words.spelled(round(ratio / 1e6))} million" if 1.5e6 <= ratio < 1e9 else words.times(ratio)


def timeline_note(families: tuple[Family, ...]) -> str:
    """The longest silence, and the busiest year."""
    years = sorted({family.year for family in families})
    before, after = max(itertools.pairwise(years), key=lambda pair: pair[1] - pair[0])
    year, most = Counter(family.year for family in families).most_common(1)[0]
    return (
        f"Between {before} and {after} lie {words.spelled(after - before)} years in which none of these families "
        f"appeared; {words.spelled(most)} of the {len(families)} families are of {year} alone."
    )


def figure_title(points: list[Point]) -> str:
    """The most accurate network, and the one that comes near it with far fewer operations."""
    solid = [point for point in points if point.one_crop]
    best = max(solid, key=lambda p: p.top1)
    near = min((p for p in solid if best.top1 - p.top1 <= CLOSE), key=lambda p: p.macs)
    told = f"{best.name} has the best accuracy printed for one crop, {best.top1:g}\u00a0%"
    if near is best:
        return told
    return (
        f"{told}; {near.name} comes within {words.points((best.top1 - near.top1) / 100)} of it with "
        f"{words.times(best.macs / near.macs)} times fewer operations"
    )


def progress(points: list[Point]) -> str:
    """From a network that was the best of its time for its operations to the best since, for about as many."""
    solid = [point for point in points if point.one_crop]
    pairs = [
        (new.top1 - old.top1, old, new)
        for old in solid
        for new in solid
        if old in front([point for point in solid if point.year <= old.year])
        and new.year > old.year
        and 1 / ALIKE <= new.macs / old.macs <= ALIKE
        and new.top1 > old.top1
    ]
    if not pairs:
        return ""
    gain, old, new = max(pairs, key=lambda pair: pair[0])
    return (
        f"About as many operations, {words.count(old.macs)} and {words.count(new.macs)}, bought {old.top1:g}\u00a0% in "
        f"{old.year} ({old.name}) and {new.top1:g}\u00a0% in {new.year} ({new.name}): {words.points(gain / 100)} more."
    )


def waste(points: list[Point]) -> str:
    """The pair that contradicts most the rule that more operations are more accurate."""
    solid = [point for point in points if point.one_crop]
    pairs = [
        (a.macs / b.macs, a, b) for a, b in itertools.permutations(solid, 2) if a.top1 < b.top1 and a.macs > b.macs
    ]
    if not pairs:
        return ""
    ratio, large, small = max(pairs, key=lambda pair: pair[0])
    return (
        f"Operations alone buy little: {large.name} does {words.times(ratio)} times as many as {small.name} and is "
        f"less accurate, {large.top1:g}\u00a0% against {small.top1:g}\u00a0%."
    )


def span(cards: tuple[Card, ...], key: str) -> str:
    """ "1.24 M to 66.8 M", or one figure."""
    values = [getattr(card, key) for card in cards]
    low, high = words.count(min(values)), words.count(max(values))
    return low if low == high else f"{low} to {high}"
