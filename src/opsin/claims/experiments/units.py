"""Claims about activations with and without batch norm."""

from opsin.claims.chart import Ranges
from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.results import Results
from opsin.claims.verdict import SEEN, Better, NoWorse, advice, effect, judge

UNITS = {"ReLU": "relu", "ELU": "elu", "PReLU": "prelu", "GELU": "gelu", "SiLU": "silu"}
NORMS = {"no batch norm": "none", "batch norm before": "before", "batch norm after": "after"}


def unit(name: str, norm: str) -> str:
    return f"{name}, {norm}"


def elu_or_norm(results: Results) -> Finding:
    """What ELU gains over ReLU without batch norm and with it in front."""
    names = list(NORMS)
    gains = {norm: results.contrast({unit("ReLU", norm): 1.0, unit("ELU", norm): -1.0}) for norm in names}
    more = results.contrast(
        {
            unit("ReLU", names[0]): 1.0,
            unit("ELU", names[0]): -1.0,
            unit("ReLU", names[1]): -1.0,
            unit("ELU", names[1]): 1.0,
        }
    )
    rule = Better(results.delta)
    better, as_good = judge(gains[names[0]], rule), judge(-gains[names[1]], NoWorse(results.delta))
    verdict = judge(more, rule)
    if verdict is Verdict.HOLDS and not (better in SEEN and as_good is Verdict.HOLDS):
        verdict = Verdict.PARTLY
    return Finding(
        verdict,
        (
            Part("without batch norm ELU does better than ReLU", told.points(gains[names[0]]), told.mark(better)),
            Part("with batch norm it does not, by a point", told.points(gains[names[1]]), told.mark(as_good)),
            Part("the gain is larger without", told.points(more), told.mark(judge(more, rule))),
            Part("with batch norm behind the activation", told.points(gains[names[2]])),
        ),
        (Ranges("Test error", "%", tuple(told.error(results, arm.name) for arm in results.experiment.arms)),),
        tuple(filter(None, [advice(more, rule)])),
        effect(more, rule, "gain of ELU over ReLU without batch norm, less that with it"),
    )


ELU = Experiment(
    tuple(
        Arm(unit(name, norm), "conv", {"activation": activation, "norm": place})
        for norm, place in NORMS.items()
        for name, activation in UNITS.items()
    ),
    recipe(15),
    RATES,
    elu_or_norm,
)
