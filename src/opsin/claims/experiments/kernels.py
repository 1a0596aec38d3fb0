"""What becomes of a network whose square kernels are taken apart."""

from opsin.claims.chart import Ranges
from opsin.claims.claim import Finding, Part
from opsin.claims.experiments import told
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.results import Results
from opsin.claims.verdict import NoWorse, advice, effect, judge

WAYS = {"5x5": (), "1x5 and 5x1": ("flat",)}


def flattened(results: Results) -> Finding:
    """Test error with 5x5 kernels and with 1x5 and 5x1 in their place, nothing in between."""
    found, rule = results.contrast({"5x5": 1.0, "1x5 and 5x1": -1.0}), NoWorse(results.delta / 2)
    params = {name: results.runs(name)[0]["params"] for name in WAYS}
    return Finding(
        judge(found, rule),
        (
            Part(f"what rows and columns gain over 5x5 in a small network (no worse by {rule.margin:g})",
                 f"{told.points(found)}: {judge(found, rule)}"),
            Part("parameters", ", ".join(f"{name} {n:,}" for name, n in params.items())),
        ),
        (Ranges("Test error by kernels", "%", tuple(told.error(results, name) for name in WAYS)),),
        tuple(filter(None, [advice(found, rule)])),
        effect(found, rule, "test error with 5x5 less that with 1x5 and 5x1"),
    )  # fmt: skip


FLAT = Experiment(
    tuple(Arm(name, "conv", {"kernel_size": 5, "extras": extras}) for name, extras in WAYS.items()),
    recipe(15),
    RATES,
    flattened,
)
