"""The pick: the cheapest network that is as good as the best, give or take a margin, on validation.

A candidate is a network whose mean deficit to the best is at most the margin, and whose paired one-sided 95 % interval
does not rule that out: its lower bound lies at or below the margin. The pick is the candidate with the lowest latency;
candidates within 5 % of the fastest candidate are tied with it, and of those the one with the fewest operations is
taken (then the most accurate, then the first by name). docs/pick.md shows by simulation what this rule is worth.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from opsin.compare.statistics import SAME, Floats, Resampled, bounds
from opsin.tasks.metrics import WORDS

TIE = 0.05  # latencies this near to the fastest candidate's are equal
LEVEL = 0.05  # of the one-sided intervals
POWER = 0.80
_REACH = float(ndtri(1 - LEVEL) + ndtri(POWER))  # 1.645 + 0.842 standard errors


@dataclass(frozen=True)
class Pick:
    """The network to take, and why.

    Attributes:
        model: its name.
        why: the reasons in words, with all figures below.
        deficit: how far its mean is below the best one's, 0..1; 0 where it is the best.
        deficit_ci: one-sided 95 % interval of its deficit to the best, or to the runner-up where it is the best:
            [None, upper bound], the bound not below 0.
        picked_in_resamples: in how many resamples the rule picks each network, most often first; networks that are
            never picked are left out.
        smallest_visible_deficit: the deficit to the same rival that this data would have called above 0 with 80 %
            power at one-sided 5 %; None where there is no rival.
        candidates: the networks that the rule admits, fastest first.
    """

    model: str
    why: str
    deficit: float
    deficit_ci: tuple[None, float]
    picked_in_resamples: dict[str, int]
    smallest_visible_deficit: float | None
    candidates: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The pick as results.json holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def pick(scores: Resampled, latency: Mapping[str, float], macs: Mapping[str, int], margin: float = 0.01) -> Pick:
    """Picks among the networks of `scores` (of the validation part), by latency (any unit) and MACs of each.

    Networks that failed are not in `scores`. In a resample the rule is applied anew to the deficits of that resample,
    costs held fixed; the interval's condition is left out there, since it would need resamples of a resample.
    """
    times = np.array([latency[model] for model in scores.models], float)
    operations = np.array([macs[model] for model in scores.models], float)
    admitted = candidates(scores, margin)
    chosen = int(cheapest(admitted, scores.observed, times, operations))
    anew = cheapest(deficits(scores.draws) <= margin + SAME, scores.draws, times, operations)
    counts = zip(scores.models, np.bincount(anew, minlength=len(times)).tolist(), strict=True)
    by_time = sorted(np.flatnonzero(admitted), key=lambda at: (times[at], operations[at]))
    rival = rival_of(scores, chosen)
    picked = Pick(
        model=scores.models[chosen],
        why="",
        deficit=float(deficits(scores.observed)[chosen]),
        deficit_ci=(None, 0.0 if rival is None else upper_bound(scores, rival, chosen)),
        picked_in_resamples=dict(sorted(((m, n) for m, n in counts if n), key=lambda pair: (-pair[1], pair[0]))),
        smallest_visible_deficit=None if rival is None else smallest_visible(scores, rival, chosen),
        candidates=tuple(scores.models[at] for at in by_time),
    )
    against = None if rival is None else scores.models[rival]
    return replace(picked, why=_reasons(picked, scores, against, margin))


def deficits(means: Floats) -> Floats:
    """How far each network is below the best: means [..., M] -> [..., M]; 0 where it differs by rounding alone."""
    behind = means.max(-1, keepdims=True) - means
    return np.where(behind < SAME, 0.0, behind)


def candidates(scores: Resampled, margin: float) -> NDArray[np.bool_]:
    """The networks, [M], whose deficit is at most the margin, and whose interval does not rule that out."""
    best = int(scores.observed.argmax())
    lower = np.array([lower_bound(scores, best, at) for at in range(len(scores.models))])
    return (deficits(scores.observed) <= margin + SAME) & (lower <= margin + SAME)


def cheapest(admitted: NDArray[np.bool_], means: Floats, times: Floats, operations: Floats) -> NDArray[np.int64]:
    """The admitted network that costs least: admitted and means [..., M], times and operations [M] -> [...]."""
    time = np.where(admitted, times, np.inf)
    tied = time <= (1 + TIE) * time.min(-1, keepdims=True)
    few = np.where(tied, operations, np.inf)
    tied &= few == few.min(-1, keepdims=True)
    good = np.where(tied, means, -np.inf)
    return (good >= good.max(-1, keepdims=True) - SAME).argmax(-1)


def rival_of(scores: Resampled, at: int) -> int | None:
    """Whom a network is compared with: the best one, or the runner-up where it is the best; None where it is alone."""
    others = np.delete(np.arange(len(scores.models)), at)
    return None if len(others) == 0 else int(others[scores.observed[others].argmax()])


def lower_bound(scores: Resampled, rival: int, at: int) -> float:
    """The one-sided 95 % lower bound of how far network `at` is below `rival`, paired; negative where it may lead."""
    return float(bounds(*_behind(scores, rival, at), (LEVEL,))[0])


def upper_bound(scores: Resampled, rival: int, at: int) -> float:
    """The one-sided 95 % upper bound of how far network `at` is below `rival`, paired, 0..1; 0 where it leads.

    Where no answer differs no resample can, and the bound is the exact binomial one for nothing seen among as many
    images (or groups); with fewer than two of them nothing is known, and it is 1.
    """
    if scores.units < 2:
        return 1.0
    draws, observed = _behind(scores, rival, at)
    upper = float(bounds(draws, observed, (1 - LEVEL,))[0])
    unseen = 1 - LEVEL ** (1 / scores.units) if np.ptp(draws) < SAME else 0.0
    return max(0.0, upper, unseen)


def _behind(scores: Resampled, rival: int, at: int) -> tuple[Floats, float]:
    return scores.draws[:, rival] - scores.draws[:, at], float(scores.observed[rival] - scores.observed[at])


def smallest_visible(scores: Resampled, rival: int, at: int) -> float:
    """The deficit to `rival` that would have been called above 0 with 80 % power at one-sided 5 %, 0..1.

    1.645 + 0.842 standard errors of the paired difference. The error is at least the one that a deficit of this size
    brings with it, since at least as many answers must differ; so a handful of images never promises to show anything.
    """
    if scores.units < 2:
        return 1.0
    draws, _ = _behind(scores, rival, at)
    answers = scores.images * min(len(scores.by_seed[scores.models[i]]) for i in (rival, at))
    return min(1.0, max(_REACH * float(np.std(draws)), _REACH**2 / answers))


def _reasons(chosen: Pick, scores: Resampled, rival: str | None, margin: float) -> str:
    """The pick in two sentences."""
    if rival is None:
        return f"{chosen.model} is the only network with a result: there is nothing to compare it with."
    word = WORDS[scores.metric]
    mean = dict(zip(scores.models, scores.observed, strict=True))
    if chosen.deficit == 0:
        first = (
            f"{chosen.model} has the highest {word} on validation ({_percent(mean[chosen.model])}), "
            f"and no clearly cheaper network is within {_points(margin)} of it"
        )
        behind = f"behind the next, {rival}"
    else:
        tied = "" if chosen.model == chosen.candidates[0] else " (latencies within 5 % are equal: operations decide)"
        first = (
            f"{chosen.model} is the cheapest network{tied} within {_points(margin)} of the best {word} on validation: "
            f"it has {_percent(mean[chosen.model])}, {_points(chosen.deficit)} less than {rival}"
        )
        behind = "behind"
    upper, visible = chosen.deficit_ci[1], chosen.smallest_visible_deficit
    far = "not" if upper == 0 else f"at most {_points(upper)}"
    times = [f"{model} {count:,} times" for model, count in chosen.picked_in_resamples.items()]
    if len(times) > 4:
        rest = sum(list(chosen.picked_in_resamples.values())[3:])
        times = [*times[:3], f"others {rest:,} times"]
    listed = times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}"
    return (
        f"{first}; with 95 % confidence it is {far} {behind} ({scores.over(chosen.model, rival)} resampled). "
        f"In {len(scores.draws):,} resamples the rule picks {listed}; the smallest deficit that this data could have "
        f"shown is {_points(visible or 0.0)}."
    )


def _points(share: float) -> str:
    number = f"{100 * share:.2g}" if 100 * share < 10 else f"{100 * share:.0f}"
    return f"{number} point{'' if number == '1' else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
