"""How a claim is put to the test by training: arms, how they are trained, and who judges them.

An experiment is data, fixed before it runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from opsin.claims.claim import Finding
from opsin.claims.trials.images import Part
from opsin.claims.trials.trial import Trial
from opsin.engine.optimizers import SGD
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Cosine, Schedule

if TYPE_CHECKING:
    from opsin.claims.trials.results import Results

RATES = tuple(2.0**power for power in range(-6, -2))
"""The grid on which an arm's rate is looked for, where an experiment has no other."""
REPORTED = 100
"""The first of the seeds that are reported; those on which a rate is chosen go from 0."""
NEAR = 1.0
"""A rate is tried again where the best leads it by less than so many standard errors of their difference."""


def recipe(epochs: int, schedule: Schedule | None = None) -> Recipe:
    """Plain SGD with momentum 0.9 on batches of 64, no augmentation and no regularisation; the rate is each arm's.

    The rate falls as a cosine where no other schedule is given.
    """
    return Recipe(
        "claim",
        epochs=epochs,
        batch_size=64,
        optimizer=SGD(),
        weight_decay=0.0,
        warmup=0.0,
        schedule=schedule or Cosine(),
        label_smoothing=0.0,
        clip_norm=None,
        augment="none",
    )


@dataclass(frozen=True)
class Arm:
    """One side of a contrast.

    Attributes:
        name: as tables have it.
        network: a name of `opsin.claims.trials.networks.NETWORKS`.
        arguments: of its constructor.
        part: what it takes of the images.
        rate: the learning rate; None where it is tuned; or the name of the arm whose rate it takes.
        recipe: what of the experiment's is another for this arm.
        seeds: reported ones at most, where a network is dear.
        probes: names of `opsin.claims.trials.probes.PROBES`.
    """

    name: str
    network: str
    arguments: Mapping[str, Any]
    part: Part = field(default_factory=Part)
    rate: float | str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    probes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """Arms, and how they are trained and judged.

    Attributes:
        arms: in the order of tables.
        recipe: of all arms, but for the rate.
        rates: the grid on which an arm's rate is tuned, ascending, each a multiple of the one before.
        judge: reads the verdict off the results.
        by: what of a trial is tuned for, and least where it is best: see `score`.
        every: as of `Trial`.
        target: the training error, as a share, to which steps are counted.
        seeds: that are reported by default.
    """

    arms: tuple[Arm, ...]
    recipe: Recipe
    rates: tuple[float, ...]
    judge: Callable[["Results"], Finding]
    by: str = "test_error"
    every: int = 0
    target: float | None = None
    seeds: int = 10

    def scaled(self, times: int) -> "Experiment":
        """The same with networks so many times as wide."""
        if times == 1:
            return self
        arms = (replace(arm, arguments={**arm.arguments, "scale": times}) for arm in self.arms)
        return replace(self, arms=tuple(arms))

    def facts(self) -> dict[str, Any]:
        """All that decides its trials, as JSON has it."""
        facts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "judge"}
        arms = [asdict(arm) for arm in self.arms]
        return facts | {"arms": arms, "recipe": self.recipe.to_dict(), "reported": REPORTED, "near": NEAR}

    def trial(self, arm: Arm, rate: float, seed: int, reported: bool = False) -> Trial:
        """The trial of an arm at a rate; what its probes measure is asked of the reported one alone."""
        own = replace(self.recipe, learning_rate=rate, **arm.recipe)
        probes = arm.probes if reported else ()
        arguments = tuple(sorted(arm.arguments.items()))
        return Trial(arm.network, arguments, own, seed, arm.part, self.every, probes)

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)
