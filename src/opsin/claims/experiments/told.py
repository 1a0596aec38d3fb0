"""Estimates in words, as the parts of a finding have them."""

from collections.abc import Container

import numpy as np

from opsin.claims.claim import Mark, Verdict
from opsin.claims.intervals import Mean
from opsin.claims.medians import Median
from opsin.claims.trials.results import Results
from opsin.claims.verdict import SEEN


def points(found: Mean) -> str:
    """A mean with its interval: "+1.20 points (+0.40 to +2.00)"; "?" for the ends that one seed does not show."""
    return f"{float(found.mean):+.2f} points ({ends(found, '+.2f')})"


def ends(found: Mean, form: str) -> str:
    """The interval in words: "0.40 to 2.00"."""
    return " to ".join(f"{float(end):{form}}" if np.isfinite(end) else "?" for end in found.bounds())


def times(found: Median) -> str:
    """A median ratio with its interval: "2.30 times (1.90 to 3.10)"; "?" for an end that is not known."""
    bound, middle = found.estimate
    if np.isnan(middle):
        return "not known: neither reached it"
    low, high = (f"{np.exp(float(end)):.2f}" if np.isfinite(end) else "?" for end in found.bounds())
    return f"{bound} {np.exp(middle):.2f} times ({low} to {high})".strip()


def mark(verdict: Verdict, right: Container[Verdict] = SEEN) -> Mark:
    """Whether a part is right, as its own verdict has it: by one of those that are `right`."""
    return "open" if verdict is Verdict.UNDECIDED else verdict in right


def error(results: Results, name: str) -> tuple[str, float, float, float]:
    """An arm's test error in percent with its interval, as a row of `opsin.claims.chart.Ranges`."""
    found = results.contrast({name: 1.0})
    low, high = (float(end) for end in found.bounds())
    return name, float(found.mean), max(0.0, low), high
