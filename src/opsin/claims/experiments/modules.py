"""What single modules bring a small network, one change at a time, beside what they brought a large one on ImageNet.

The figures of ImageNet are those of Mishkin, Sergievskiy and Matas (2016): CaffeNet at 128 px, one seed, top-1 accuracy
in points above their base network's 47.1 %.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from opsin.claims.chart import Dots, Ranges
from opsin.claims.claim import Effect, Finding, Part, Verdict
from opsin.claims.experiments import told
from opsin.claims.intervals import Mean
from opsin.claims.trials.experiment import RATES, Arm, Experiment, recipe
from opsin.claims.trials.images import Part as Taken
from opsin.claims.trials.results import Results
from opsin.claims.verdict import SEEN, Better, judge
from opsin.engine.schedules import Constant, Polynomial, Steps

BASE = "as it is"
COLOUR = {"extras": ("colour",)}
GREY = "These images are grey: without the learned colours the correlation is {:.2f} ({:.2f} to {:.2f})."
NETWORK = "Without the changes of the images and their labels the correlation is {:.2f} ({:.2f} to {:.2f})."
OPEN = "not decided"


@dataclass(frozen=True)
class Module:
    """One change of the base network, as arms have it.

    Attributes:
        theirs: what it brought on ImageNet, in points; None where there is no figure.
        network, recipe, part: what is changed.
        same_rate: whether it takes the base network's rate; else its own is tuned.
    """

    name: str
    theirs: float | None
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    part: Taken = field(default_factory=Taken)
    same_rate: bool = False

    def arm(self) -> Arm:
        rate = BASE if self.same_rate else None
        return Arm(self.name, "conv", self.network, self.part, rate, self.recipe)


MODULES = (
    Module("no activation", -8.2, {"activation": "none"}),
    Module("tanh", -7.0, {"activation": "tanh"}),
    Module("1.7159 tanh(2x/3)", -4.8, {"activation": "scaled_tanh"}),
    Module("RReLU", 0.7, {"activation": "rrelu"}),
    Module("SELU", -0.1, {"activation": "selu"}),
    Module("PReLU", 1.4, {"activation": "prelu"}),
    Module("ELU", 1.7, {"activation": "elu"}),
    Module("GELU", None, {"activation": "gelu"}),
    Module("batch norm before", 0.7, {"norm": "before"}),
    Module("batch norm after", 2.2, {"norm": "after"}),
    Module("batch norm, sigmoid", 0.4, {"norm": "after", "activation": "sigmoid"}),
    Module("batch norm, tanh", -2.3, {"norm": "after", "activation": "tanh"}),
    Module("mean pooling", -3.6, {"pooling": "mean"}),
    Module("mean + max pooling", 1.2, {"pooling": "sum"}),
    Module("strides for pooling", 0.1, {"pooling": "stride"}),
    Module("5x5 kernels", None, {"kernel_size": 5}),
    Module("learned colours", 1.4, COLOUR),
    Module("squeeze and excitation", None, {"extras": ("excite",)}),
    Module("shortcuts", None, {"extras": ("skip",)}),
    Module("dropout", None, {"extras": ("dropout",)}),
    Module("mean of the maps", None, {"head": "mean"}),
    Module("a hidden layer", None, {"head": "hidden"}),
    Module("twice the width", 6.2, {"widths": (32, 64, 128)}),
    Module("half the width", -5.5, {"widths": (8, 16, 32)}),
    Module("one 3x3 more", None, {"widths": (16, 32, 64, 64)}),
    Module("rate falls linearly", 2.2, recipe={"schedule": Polynomial(1.0)}),
    Module("rate falls as a square root", 1.2, recipe={"schedule": Polynomial(0.5)}),
    Module("rate falls as a square", 1.2, recipe={"schedule": Polynomial(2.0)}),
    Module("rate does not fall", None, recipe={"schedule": Constant()}),
    Module("four times the batch", -5.2, recipe={"batch_size": 256}, same_rate=True),
    Module("four times the batch, own rate", -0.6, recipe={"batch_size": 256}),
    Module("a third of the images", -7.8, part=Taken(wrong=2 / 3, dropped=True)),
    Module("10 % wrong labels", -2.4, part=Taken(wrong=0.1)),
    Module("50 % wrong labels", -12.4, part=Taken(wrong=0.5)),
)
"""The base network's own rate falls in steps, as theirs.

Batch norm has a scale and a shift, as theirs of .478 and .493, and stands behind a sigmoid and behind tanh, as there.
"""


def correlation(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation and its 95 % interval, over the modules.

    By Fisher's transformation with the variance of D. G. Bonett and T. A. Wright, Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations, Psychometrika 65, 2000.
    """
    found: Any = spearmanr(ours, theirs)
    rho = float(found.statistic)
    reach = 1.96 * np.sqrt((1 + rho**2 / 2) / (len(ours) - 3))
    low, high = np.tanh(np.arctanh(np.clip(rho, -0.999, 0.999)) + np.array([-reach, reach])).tolist()
    return rho, low, high


def ranked_alike(results: Results) -> Finding:
    """The gain of every module here, and how its rank agrees with that on ImageNet."""
    gains = {module.name: results.contrast({BASE: 1.0, module.name: -1.0}) for module in MODULES}
    known = [module for module in MODULES if module.theirs is not None]
    ours = [float(gains[module.name].mean) for module in known]
    theirs = [module.theirs for module in known if module.theirs is not None]

    def some(places: list[int]) -> tuple[float, float, float]:
        return correlation([ours[at] for at in places], [theirs[at] for at in places])

    rho, low, high = correlation(ours, theirs)
    alone = [at for at, module in enumerate(known) if module.part == Taken()]
    colourless = [at for at, module in enumerate(known) if module.network != COLOUR]
    unsure = sum(word(gains[module.name], results.delta) == OPEN for module in known)
    verdict = Verdict.UNDECIDED
    if low > 0:
        verdict = Verdict.HOLDS if low >= 0.5 else Verdict.PARTLY
    elif high < 0.5 and unsure <= len(known) / 2:  # noise alone keeps ranks from agreeing
        verdict = Verdict.NOT_HERE
    first = sorted(MODULES, key=lambda module: -float(gains[module.name].mean))
    return Finding(
        verdict,
        (
            Part(
                "modules rank here as on ImageNet (rank correlation of their gains, its interval from 0.5 on)",
                f"{rho:.2f} ({low:.2f} to {high:.2f}), {len(known)} modules",
                told.mark(verdict, (Verdict.HOLDS,)),
            ),
            Part("the base network", f"{float(results.contrast({BASE: 1.0}).mean):.2f} % test error"),
            *(Part(module.name, line(gains[module.name], module, results.delta)) for module in first),
        ),
        (
            Dots(
                f"Points that each module brings on ImageNet and on {results.data}",
                "points on ImageNet (Mishkin and others, 2016)",
                f"points on {results.data}",
                tuple((m.name, t, own, 1.0) for m, t, own in zip(known, theirs, ours, strict=True)),
                same=True,
            ),
            Ranges("Points that each module brings here", "points", tuple(row(gains[m.name], m.name) for m in first)),
        ),
        (
            "The interval of the correlation is over modules; each gain's is over seeds and images.",
            f"Of {len(MODULES)} modules that do nothing about {0.05 * len(MODULES):.0f} would help or harm by chance.",
            f"Of {len(known)} gains {unsure} are not decided: noise in them takes from the correlation.",
            *([GREY.format(*some(colourless))] if results.images.shape[1] == 1 else []),
            NETWORK.format(*some(alone)),
        ),
        Effect("rank correlation of gains here and on ImageNet", "", rho, low, high, results.seeds, over="modules"),
    )


def row(gain: Mean, name: str) -> tuple[str, float, float, float]:
    """A gain with its interval, as a row of `opsin.claims.chart.Ranges`."""
    low, high = (float(end) for end in gain.bounds())
    return name, float(gain.mean), low, high


def word(gain: Mean, delta: float) -> str:
    """Whether a module helps here."""
    helps, harms = (judge(own, Better(delta)) for own in (gain, -gain))
    if helps in SEEN or harms in SEEN:
        return "helps" if helps in SEEN else "harms"
    return "no difference" if helps is harms is Verdict.NOT_HERE else OPEN


def line(gain: Mean, module: Module, delta: float) -> str:
    """A gain in words: whether it helps here, and what it brought there."""
    there = "" if module.theirs is None else f"; ImageNet {module.theirs:+.1f}"
    return f"{told.points(gain)}: {word(gain, delta)}{there}"


RANKS = Experiment(
    (Arm(BASE, "conv", {}), *(module.arm() for module in MODULES)),
    recipe(15, schedule=Steps((0.3125, 0.625, 0.9375))),
    RATES,
    ranked_alike,
)
