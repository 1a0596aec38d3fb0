"""What experiments make of results that are planted: a clear effect, none, and the other way about."""

from dataclasses import replace

import numpy as np
import pytest

from opsin.claims.claim import Verdict
from opsin.claims.experiments import data, depth, kernels, modules, pooling, speed, units
from opsin.claims.trials.experiment import Results
from opsin.claims.trials.images import arrays, divide, write_images
from opsin.data.counted import key

HOLDS, PARTLY, NOT_HERE, UNDECIDED = Verdict.HOLDS, Verdict.PARTLY, Verdict.NOT_HERE, Verdict.UNDECIDED


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_images("digits", tmp_path_factory.mktemp("images"))


class Planted:
    """Trials with given errors: `of` gives what stands in a trial's file, by the name of its arm and its seed."""

    def __init__(self, experiment, digits, of):
        arms = tuple(
            replace(arm, rate=0.1) if arm.rate is None or isinstance(arm.rate, str) else arm for arm in experiment.arms
        )
        self.experiment, self.of = replace(experiment, arms=arms), of
        _, labels, given = arrays(digits.file)
        self.tests = [divide(labels, given, seed)[1] for seed in range(10)]

    def __call__(self, trial):
        for arm in self.experiment.arms:
            rate = trial.recipe.learning_rate
            if arm.rate == rate and self.experiment.trial(arm, rate, trial.seed, True) == trial:
                break
        rng = np.random.default_rng(key(trial.seed, len(arm.name)))
        found = {"test_error": 0.03, "train_error": 0.0, "curve": [], "probes": {}, "seconds": 1.0, "params": 1}
        found |= {"status": "ok", "train_images": 1297} | self.of(arm.name, trial.seed, rng)
        test = self.tests[trial.seed]
        hard = np.random.default_rng(0).permutation(1797)  # the same images are hard for every arm and seed
        order = np.argsort(hard[test] + rng.normal(0, 60, len(test)))
        wrong = test[order[: round(found["test_error"] * len(test))]]
        return found | {"test": test.tolist(), "wrong": wrong.tolist(), "test_error": len(wrong) / len(test)}


def verdict(experiment, digits, of):
    planted = Planted(experiment, digits, of)
    return planted.experiment.judge(Results(planted.experiment, planted, 10, "digits", digits))


def reaches(step, rng):
    """A curve that comes to 25 % at about this step."""
    step = round(step * rng.uniform(0.9, 1.1))
    return {"curve": [[2, 0.9, 0.9], [step, 0.25, 0.03], [400, 0.0, 0.03]]}


@pytest.mark.parametrize(
    "relu, tanh, expected", [(20, 130, HOLDS), (20, 40, PARTLY), (40, 40, NOT_HERE), (40, 20, NOT_HERE)]
)
def test_relu(digits, relu, tanh, expected):
    found = verdict(speed.RELU, digits, lambda arm, seed, rng: reaches(relu if arm.startswith("ReLU") else tanh, rng))
    assert found.verdict is expected
    assert found.effect.n == 10 and found.effect.mean == pytest.approx(tanh / relu, rel=0.15)


def test_relu_where_tanh_never_arrives(digits):
    never = {"curve": [[2, 0.9, 0.9], [400, 0.6, 0.6]], "train_error": 0.6}
    found = verdict(speed.RELU, digits, lambda arm, seed, rng: reaches(20, rng) if arm.startswith("ReLU") else never)
    assert found.verdict is HOLDS and found.effect.high is None and found.effect.low > 15


@pytest.mark.parametrize("plain, norm, expected", [(200, 12, HOLDS), (200, 60, PARTLY), (60, 60, NOT_HERE)])
def test_norm(digits, plain, norm, expected):
    found = verdict(speed.NORM, digits, lambda arm, seed, rng: reaches(plain if arm == "none" else norm, rng))
    assert found.verdict is expected


@pytest.mark.parametrize("doublings, expected", [(4, HOLDS), (1, PARTLY), (0, NOT_HERE)])
def test_rates(digits, doublings, expected):
    def of(arm, seed, rng):
        name, _, power = arm.partition(", 2^")
        limit = -4 + (doublings if name == "batch norm" else 0) + seed % 2
        return {"test_error": 0.02 if int(power) <= limit else 0.5}

    assert verdict(speed.SWEEP, digits, of).verdict is expected


@pytest.mark.parametrize("reach, expected", [(6, HOLDS), (2, NOT_HERE)])
def test_initial_weights(digits, reach, expected):
    def of(arm, seed, rng):
        power = int(arm.partition("2^")[2] or 0)
        own = reach if arm.startswith("batch norm") else 2
        return {"test_error": 0.02 if abs(power) <= own else 0.5}

    assert verdict(speed.SCALES, digits, of).verdict is expected


@pytest.mark.parametrize("plain, residual, expected", [(0.2, 0.0, HOLDS), (0.2, 0.2, PARTLY), (0.0, 0.0, NOT_HERE)])
def test_depth(digits, plain, residual, expected):
    def of(arm, seed, rng):
        kind, layers = arm.split(", ")
        deep = int(layers.split()[0]) >= 50
        return {"train_error": (plain if kind == "plain" else residual) * deep + rng.uniform(0, 0.004)}

    assert verdict(depth.DEPTH, digits, of).verdict is expected


@pytest.mark.parametrize(
    "errors, expected",
    [
        ((0.30, 0.28, 0.05), HOLDS),
        ((0.30, 0.10, 0.05), PARTLY),
        ((0.05, 0.05, 0.05), NOT_HERE),
        ((0.1, 0.02, 0.1), NOT_HERE),
    ],
)
def test_bypass(digits, errors, expected):
    by = dict(zip(("none", "around 1", "around 2"), errors, strict=True))
    found = verdict(
        depth.BYPASS, digits, lambda arm, seed, rng: {"test_error": by.get(arm, 0.05) + rng.normal(0, 0.004)}
    )
    assert found.verdict is expected


@pytest.mark.parametrize("residual, plain, expected", [(0.01, 0.6, HOLDS), (0.1, 0.6, PARTLY), (0.1, 0.01, NOT_HERE)])
def test_lesions(digits, residual, plain, expected):
    def of(arm, seed, rng):
        loss = residual if arm.startswith("residual") else plain
        single = [0.03 + loss + rng.uniform(0, 0.002) for _ in range(12)]
        several = {str(k): 0.05 * k for k in range(1, 12)}
        return {"probes": {"lesions": {"whole": 0.03, "single": single, "several": several}}}

    assert verdict(depth.LESIONS, digits, of).verdict is expected


@pytest.mark.parametrize("short, expected", [(0.97, HOLDS), (0.6, NOT_HERE)])
def test_paths(digits, short, expected):
    def of(arm, seed, rng):
        blocks = 12 if "26" in arm else 24
        half = blocks // 2
        mass = [short / half] * half + [(1 - short) / (half + 1)] * (half + 1)
        return {"probes": {"paths": {"blocks": blocks, "mass": mass, "norms": mass}}}

    assert verdict(depth.SHORT, digits, of).verdict is expected


@pytest.mark.parametrize(
    "shuffled, mlp, expected", [(0.10, 0.06, HOLDS), (0.06, 0.06, HOLDS), (0.02, 0.06, NOT_HERE), (0.10, 0.16, PARTLY)]
)
def test_neighbours(digits, shuffled, mlp, expected):
    by = {"CNN": 0.02, "MLP": 0.06, "CNN, pixels shuffled": shuffled, "MLP, pixels shuffled": mlp}
    if expected is PARTLY:
        by["CNN, pixels shuffled"] = 0.2  # all suffer, the CNN more
    found = verdict(data.NEIGHBOURS, digits, lambda arm, seed, rng: {"test_error": by[arm] + rng.normal(0, 0.003)})
    assert found.verdict is expected


@pytest.mark.parametrize("factor, expected", [(3.0, HOLDS), (1.1, PARTLY), (1.0, NOT_HERE), (0.5, NOT_HERE)])
def test_hunger(digits, factor, expected):
    def of(arm, seed, rng):
        kind, _, count = arm.partition(", ")
        images = 1297 if count.startswith("all") else int(count.split()[0])
        own = images / (factor if kind == "MLP" else 1.0)
        return {"train_images": images, "test_error": min(0.9, 12 / own**0.9 + rng.uniform(0, 0.004))}

    assert verdict(data.HUNGER, digits, of).verdict is expected


@pytest.mark.parametrize(
    "harm, expected", [((0.03, 0.05, 0.1), HOLDS), ((0.0, 0.0, 0.1), PARTLY), ((0, 0, 0), NOT_HERE)]
)
def test_cleanliness(digits, harm, expected):
    by = {data.wrong(p): own for p, own in zip(data.WRONG, harm, strict=True)}
    found = verdict(
        data.CLEAN, digits, lambda arm, seed, rng: {"test_error": 0.03 + by.get(arm, 0.0) + rng.normal(0, 0.002)}
    )
    assert found.verdict is expected


@pytest.mark.parametrize("plain, norm, expected", [(0.03, 0.0, HOLDS), (0.05, 0.02, PARTLY), (0.0, 0.0, NOT_HERE)])
def test_elu(digits, plain, norm, expected):
    def of(arm, seed, rng):
        gain = {"no batch norm": plain}.get(arm.partition(", ")[2], norm) if arm.startswith("ELU") else 0.0
        return {"test_error": 0.08 - gain + rng.normal(0, 0.002)}

    assert verdict(units.ELU, digits, of).verdict is expected


@pytest.mark.parametrize("sign, expected", [(1, HOLDS), (-1, NOT_HERE)])
def test_modules(digits, sign, expected):
    theirs = {module.name: module.theirs or 0.0 for module in modules.MODULES}
    found = verdict(
        modules.RANKS, digits, lambda arm, seed, rng: {"test_error": 0.3 - sign * theirs.get(arm, 0.0) / 50}
    )
    assert found.verdict is expected
    helps = [part for part in found.parts if part.found.endswith("ImageNet +6.2")]
    assert len(helps) == 1 and ("helps" if sign > 0 else "harms") in helps[0].found


@pytest.mark.parametrize("after, expected", [(0.01, HOLDS), (0.2, PARTLY)])
def test_whitening(digits, after, expected):
    def of(arm, seed, rng):
        own = after + rng.uniform(0, 0.001)
        table = [[1.0, own], [own, 1.0]]
        return {
            "probes": {"correlations": {"mean": 1e-6, "deviation": 1e-4, "before": own, "after": own, "table": table}}
        }

    assert verdict(speed.WHITENING, digits, of).verdict is expected


@pytest.mark.parametrize("gain, expected", [(0.04, HOLDS), (0.0, NOT_HERE), (-0.04, NOT_HERE)])
def test_pooling(digits, gain, expected):
    def of(arm, seed, rng):
        return {"test_error": 0.08 - gain * (arm == "maximum") + rng.normal(0, 0.002)}

    assert verdict(pooling.POOLING, digits, of).verdict is expected


@pytest.mark.parametrize("loss, expected", [(0.0, HOLDS), (-0.02, HOLDS), (0.02, NOT_HERE)])
def test_kernels_taken_apart(digits, loss, expected):
    def of(arm, seed, rng):
        return {"test_error": 0.05 + loss * (arm == "1x5 and 5x1") + rng.normal(0, 0.001)}

    assert verdict(kernels.FLAT, digits, of).verdict is expected


@pytest.mark.parametrize("loss, expected", [(0.0, HOLDS), (-0.02, NOT_HERE), (0.02, NOT_HERE)])
def test_the_order_of_pooling(digits, loss, expected):
    def of(arm, seed, rng):
        return {"test_error": 0.05 + loss * (arm == "means, then ReLU") + rng.normal(0, 0.001)}

    assert verdict(pooling.ORDER, digits, of).verdict is expected
