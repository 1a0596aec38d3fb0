"""What the charts of a bench say, in sentences: the findings of Canziani, Paszke and Culurciello, tried here."""

from collections.abc import Sequence
from math import log2
from statistics import median

from opsin.report import words
from opsin.report.bench.fit import fit
from opsin.report.bench.record import Found, Point, with_accuracy

RELIABLE = 0.9
"""From this share of explained variation on, a figure is called a reliable estimate."""


FEW = 5
"""Of fewer networks whose time stands, nothing is said in general."""


def headline(found: Found) -> str:
    points = found.steady(found.batches[-1])
    if len(points) < 3:
        return f"{words.sentence(words.spelled(len({p.model for p in found.points})))} networks on this machine"
    spread = [(p.ms / p.row.macs) for p in points]
    times = words.times(max(spread) / min(spread))
    return f"The same operation takes up to {times} times as long in one network as in another"


def operations(points: Sequence[Point]) -> str:
    """Whether time follows operations."""
    line = fit([p.row.macs for p in points], [p.ms for p in points])
    if line is None or sum(p.steady for p in points) < FEW:
        return "Operations against time"
    batch = points[0].batch
    what = "for a single image" if batch == 1 else f"in batches of {batch}"
    share = f"{line.r2:.0%}".replace("%", f"{words.GAP}%")
    return f"Operations explain {share} of the variation of time {what}"


def operations_verdict(found: Found) -> str:
    """The paper's fourth finding: the number of operations is a reliable estimate of the inference time."""
    told = []
    for batch in (found.batches[0], found.batches[-1]):
        points = found.steady(batch)
        straight = fit([p.row.macs for p in points], [p.ms for p in points])
        log = fit([p.row.macs for p in points], [p.ms for p in points], log=True)
        if straight is None or log is None:
            return ""
        told.append((batch, straight.r2, log.r2))
    figures = "; ".join(f"batch {b}: r² {s:.2f} on a straight line, {g:.2f} on logarithms" for b, s, g in told)
    holds = all(min(s, g) >= RELIABLE for _, s, g in told)
    slow, fast = extremes(found.steady(found.batches[-1]))
    ratio = words.times((slow.ms / slow.row.macs) / (fast.ms / fast.row.macs))
    verdict = "holds here" if holds else "holds only in part here"
    return (
        f"“The number of operations is a reliable estimate of the inference time” {verdict} ({figures}): "
        f"an operation of {slow.name} takes {ratio} times as long as one of {fast.name}."
    )


def extremes(points: Sequence[Point]) -> tuple[Point, Point]:
    """The networks whose operations take longest, and shortest."""
    ordered = sorted(points, key=lambda p: p.ms / p.row.macs)
    return ordered[-1], ordered[0]


def front(points: Sequence[Point]) -> list[Point]:
    """The best accuracy for at most so much time, fastest first."""
    best: list[Point] = []
    for point in sorted(with_accuracy(points), key=lambda p: (p.ms, -(p.top1 or 0))):
        if point.one_crop and (not best or (point.top1 or 0) > (best[-1].top1 or 0)):
            best.append(point)
    return best


def accuracy_verdict(points: Sequence[Point]) -> str:
    """The paper's second finding: accuracy and inference time are in a hyperbolic relationship."""
    best = front(points)
    if len(best) < 4:
        return ""
    first, last = best[0], best[-1]
    middle = min(best[1:-1], key=lambda p: abs(p.ms**2 - first.ms * last.ms))
    early, late = gain(first, middle), gain(middle, last)
    verdict = "holds here" if late < early else "does not hold here"
    return (
        f"“A little increment in accuracy costs a lot of computational time” {verdict}: along the best networks each "
        f"doubling of the time brings {early:.1f}{words.GAP}points from {first.name} to {middle.name}, "
        f"and {late:.1f} from there to {last.name}."
    )


def gain(a: Point, b: Point) -> float:
    """Points of accuracy for each doubling of the time."""
    return ((b.top1 or 0) - (a.top1 or 0)) / log2(b.ms / a.ms)


def accuracy_title(points: Sequence[Point]) -> str:
    """What the last points cost, on one crop."""
    own = [p for p in points if p.one_crop] or points
    best = max(own, key=lambda p: p.top1 or 0)
    least = min((p for p in own if (p.top1 or 0) >= (best.top1 or 0) - 5), key=lambda p: p.row.macs)
    if least is best:
        crop = " by one crop" if len(own) < len(points) else ""
        return f"{best.name} is the most accurate{crop}, with {words.count(best.row.macs)} operations"
    ratio = words.times(best.row.macs / least.row.macs)
    return f"The last five points cost {ratio} times as many operations: {least.name} and {best.name}"


def speed_title(points: Sequence[Point]) -> str:
    points = [p for p in points if p.one_crop] or points
    best, fastest = max(points, key=lambda p: p.top1 or 0), max(points, key=lambda p: p.rate)
    if best is fastest:
        return f"{best.name} is both the fastest and the most accurate"
    ratio = words.times(fastest.rate / best.rate)
    return f"{fastest.name} sees {ratio} times as many images in a second as {best.name}"


def batches(found: Found) -> str:
    """What images at once save."""
    saved = {m: own[0].ms / own[-1].ms for m, own in found.series.items()}
    most, least = max(saved, key=saved.__getitem__), min(saved, key=saved.__getitem__)
    own = found.series[most]
    if saved[most] < 1.1:
        return f"Images at once save no time here: at most {words.times(saved[most])} times"
    alone = "alone" if own[0].batch == 1 else f"in batches of {own[0].batch}"
    other = f"{words.times(saved[least])} times less" if saved[least] >= 1.05 else "no less"
    return (
        f"In batches of {own[-1].batch} an image of {own[0].name} takes {words.times(saved[most])} times less time "
        f"than {alone}, one of {found.series[least][0].name} {other}"
    )


def memory_of_batches(found: Found) -> str:
    own = [points for points in found.series.values() if points[0].memory and points[-1].memory]
    grown = median((p[-1].memory or 0) / (p[0].memory or 1) for p in own)
    few, many = own[0][0].batch, own[0][-1].batch
    return f"From {few} to {many} images the memory grows {words.times(grown)} times in the median network"


def memory_of_params(points: Sequence[Point]) -> str:
    line = fit([4 * p.row.params for p in points], [p.memory or 0 for p in points])
    if line is None:
        return "Memory against parameters"
    share = f"{line.r2:.0%}".replace("%", f"{words.GAP}%")
    images = "one image" if points[0].batch == 1 else f"batches of {points[0].batch}"
    return f"For {images} the weights explain {share} of the variation of the memory"


def power_verdict(found: Found) -> str:
    """The paper's first finding: power consumption is independent of batch size and architecture."""
    watts = [p.row.watts for p in found.points if p.row.watts]
    if not watts:
        return f"Power was not measured: {found.bench.power}."
    middle = median(watts)
    if len(found.batches) < 2 or len({p.model for p in found.points}) < 3:
        return f"Power: {middle:.0f}{words.GAP}W in the median."
    off = max(abs(w - middle) for w in watts) / middle
    verdict = "holds here" if off <= 0.1 else "does not hold here"
    return (
        f"“Power consumption is independent of batch size and architecture” {verdict}: "
        f"{middle:.0f}{words.GAP}W in the median, {min(watts):.0f} to {max(watts):.0f} in all."
    )


def density(points: Sequence[Point]) -> str:
    best, worst = max(points, key=lambda p: p.density or 0), min(points, key=lambda p: p.density or 0)
    ratio = words.times((best.density or 0) / (worst.density or 1))
    return f"A parameter of {best.name} is worth {ratio} times one of {worst.name}"


def top1(points: Sequence[Point]) -> str:
    points = [p for p in points if p.one_crop] or points
    best, first = points[0], min(points, key=lambda p: (p.year, p.top1 or 0))
    gained = (best.top1 or 0) - (first.top1 or 0)
    return f"From {first.name} to {best.name}: {gained:.0f} points in {words.plural(best.year - first.year, 'year')}"


def predicted(points: Sequence[Point], key: str) -> list[tuple[str, int, float | None, float | None]]:
    """How well a count predicts time: (which networks, how many, r² straight, r² on logarithms)."""
    groups: dict[str, list[Point]] = {"all": list(points)}
    for point in points:
        groups.setdefault(point.family, []).append(point)
    rows = []
    for family, own in groups.items():
        x, y = [getattr(p.row, key) for p in own], [p.ms for p in own]
        straight, log = fit(x, y), fit(x, y, log=True)
        if straight and log and len(own) >= 4:
            rows.append((family, len(own), straight.r2, log.r2))
    return rows


def predicted_title(points: Sequence[Point]) -> str:
    """Which count predicts time better, over all networks."""
    fits = {
        what: fit([getattr(p.row, key) for p in points], [p.ms for p in points], log=True)
        for what, key in (("operations", "macs"), ("activations", "activations"))
    }
    if not all(fits.values()):
        return "What predicts time"
    ordered = sorted(fits, key=lambda what: -(fits[what].r2 if fits[what] else 0))  # pyright: ignore[reportOptionalMemberAccess]
    return f"{words.sentence(ordered[0])} predict time better than {ordered[1]}"
