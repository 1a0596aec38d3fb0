"""Ways to bring maps down, in a small network that is trained: means, trained means, maxima, and where they stand."""

from opsin.claims.chart import Ranges
from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.results import Results
from opsin.claims.verdict import Better, Same, advice, effect, judge

WAYS = {"mean": "mean", "trained mean": "trained", "maximum": "max"}


def ways_to_pool(results: Results) -> Finding:
    """Test error with each, and what maxima gain or lose over the trained means that LeNet-5 has."""
    found, rule = results.contrast({"trained mean": 1.0, "maximum": -1.0}), Better(results.delta)
    verdict = judge(found, rule)
    word = {Verdict.UNDECIDED: ": not decided", Verdict.NOT_HERE: ": no better"}.get(verdict, ": better")
    return Finding(
        verdict,
        (Part("what maxima gain over trained means in a small network", told.points(found) + word),),
        (Ranges("Test error by pooling", "%", tuple(told.error(results, way) for way in WAYS)),),
        effect=effect(found, rule, "test error with trained means less that with maxima"),
    )


POOLING = Experiment(
    tuple(Arm(name, "conv", {"pooling": way}) for name, way in WAYS.items()), recipe(15), RATES, ways_to_pool
)

ORDERS = {"ReLU, then means": (), "means, then ReLU": ("pool first",)}


def either_order(results: Results) -> Finding:
    """Test error with means behind and in front of the activation."""
    behind, before = ORDERS
    found, rule = results.contrast({behind: 1.0, before: -1.0}), Same(results.delta / 2)
    return Finding(
        judge(found, rule),
        (
            Part(
                f"what a small network gains with means in front of ReLU (the same within {rule.margin:g})",
                f"{told.points(found)}: {judge(found, rule)}",
            ),
        ),
        (Ranges("Test error by order", "%", tuple(told.error(results, name) for name in ORDERS)),),
        tuple(filter(None, [advice(found, rule)])),
        effect(found, rule, "test error with means behind ReLU less that with means in front"),
    )


ORDER = Experiment(
    tuple(Arm(name, "conv", {"pooling": "mean"} | ({"extras": extras} if extras else {}))
          for name, extras in ORDERS.items()),
    recipe(15), RATES, either_order,
)  # fmt: skip
"""The first arm is `POOLING`'s with means."""
