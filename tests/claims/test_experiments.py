"""Experiments: how rates are tuned, which trials are wanted, and that a trial is trained once."""

import numpy as np
import pytest
from kept_pool import KeptPool

from opsin.claims.claim import Finding, Part, Verdict
from opsin.claims.experiments import data, depth, speed, units
from opsin.claims.trials.experiment import REPORTED, Arm, Experiment, recipe
from opsin.claims.trials.images import Images, write_images
from opsin.claims.trials.rates import chosen, reported, steps_to, wanted
from opsin.claims.trials.results import Results
from opsin.claims.trials.work import Store, Wish, train
from opsin.errors import OpsinError
from opsin.watch import Watch

RATES = (0.25, 0.5, 1.0)


def nothing(results):
    return Finding(Verdict.UNDECIDED, (Part("", ""),))


def experiment(*arms, by="test_error", **fields):
    return Experiment(arms, recipe(1), RATES, nothing, by=by, **fields)


class Known:
    """A trial's error is how far its rate is from `best`, in doublings, but for what `lucky` says of (rate, seed)."""

    def __init__(self, best, lucky=()):
        self.best, self.lucky, self.asked = best, dict(lucky), {}

    def __call__(self, trial):
        return self.asked.get(trial)

    def answer(self, trials):
        for trial in trials:
            rate = trial.recipe.learning_rate
            error = self.lucky.get((rate, trial.seed), abs(np.log2(rate / self.best)) / 100)
            found = {"test_error": error, "choice_error": None, "train_error": 0.0, "losses": [error]}
            self.asked[trial] = found | {"status": "ok", "curve": []}


def settled(own, known, seeds):
    """The rate of the first arm, when all that is wanted has been answered."""
    while trials := wanted(own, known, seeds):
        known.answer(trials)
    return chosen(own, own.arms[0], known, seeds)


@pytest.mark.parametrize("best, tried", [(0.5, 3), (1.0, 4), (4.0, 6), (2**-5, 7), (1e6, 9)])
def test_a_grid_grows_until_its_best_rate_lies_inside(best, tried):
    own, known = experiment(Arm("a", "conv", {})), Known(best)
    rate = settled(own, known, 3)
    assert len({trial.recipe.learning_rate for trial in known.asked}) == tried
    assert rate == min(known.asked, key=lambda trial: known.asked[trial]["test_error"]).recipe.learning_rate
    assert {trial.seed for trial in known.asked if trial.seed < REPORTED} == {0, 1, 2}


def test_of_rates_at_which_all_is_learned_the_one_with_the_least_loss_is_taken():
    """And the grid does not grow downwards, to the least rate at which all is just learned."""
    own, known = experiment(Arm("a", "conv", {}), by="train_error"), Known(RATES[1])
    assert settled(own, known, 3) == RATES[1]
    assert {trial.recipe.learning_rate for trial in known.asked} == set(RATES)


def test_test_images_are_resampled_where_all_seeds_share_them(tmp_path):
    """Var(mean) = s²/n + variance of an image / N: by the products of two seeds' answers, here written out."""
    np.savez(tmp_path / "set.npz", pixels=np.zeros((90, 1, 8, 8), np.uint8), labels=np.arange(90) % 10,
             test=np.arange(90) >= 50)  # fmt: skip
    images, arms = (
        Images(tmp_path / "set.npz", "print", 10),
        [Arm("a", "conv", {}, rate=0.5), Arm("b", "mlp", {}, rate=0.5)],
    )
    own, rng = experiment(*arms), np.random.default_rng(0)
    hard = {name: rng.random(40) < share for name, share in (("a", 0.4), ("b", 0.2))}
    asked = {}
    for arm in arms:
        for seed in range(6):
            wrong = 50 + np.flatnonzero(hard[arm.name] ^ (rng.random(40) < 0.1))
            asked[own.trial(arm, 0.5, REPORTED + seed, True)] = {
                "wrong": wrong.tolist(), "test": [], "test_error": len(wrong) / 40
            }  # fmt: skip
    results = Results(own, asked.get, 6, "set", images)
    found = results.contrast({"a": 1.0, "b": -1.0})
    answers = 100.0 * (results.wrong("a")[0].astype(float) - results.wrong("b")[0])[:, 50:]
    values = answers.mean(axis=1)
    pairs = [(s, r) for s in range(6) for r in range(6) if s != r]
    product = np.mean([answers[s] * answers[r] for s, r in pairs])
    variance = (product - np.mean([values[s] * values[r] for s, r in pairs])) / (1 - 1 / 40)
    assert found.error**2 == pytest.approx(values.var(ddof=1) / 6 + variance / 40)
    assert found.mean == pytest.approx(values.mean()) and found.over == "seeds and images"
    alone = Results(own, results.known, 1, "set", images).contrast({"a": 1.0, "b": -1.0})
    assert alone.mean == pytest.approx(values[0]) and np.isinf(alone.bounds()).all()


def test_what_is_reported_has_no_part_in_the_choice():
    """A rate at which the reported seeds would do best by far is not theirs."""
    lucky = {(0.25, REPORTED + seed): 0.0 for seed in range(3)}
    own, known = experiment(Arm("a", "conv", {})), Known(0.5, lucky)
    assert settled(own, known, 3) == 0.5
    trials, needed = reported(own, own.arms[0], known, 3)
    assert [(trial.seed, trial.recipe.learning_rate) for trial in trials] == [(100, 0.5), (101, 0.5), (102, 0.5)]
    assert not needed and {t.seed for t in known.asked if t.recipe.learning_rate != 0.5} == {0, 1, 2}


@pytest.mark.parametrize("seeds", [1, 25, 120])
def test_a_rate_is_chosen_on_as_many_seeds_as_are_reported_and_on_none_of_these(seeds):
    own, known = experiment(Arm("a", "conv", {})), Known(0.5)
    settled(own, known, seeds)
    last = REPORTED + seeds
    assert {trial.seed for trial in known.asked} == {*range(min(seeds, REPORTED // 2)), *range(REPORTED, last)}


NOISY = {0: 0.03, 1: 0.0, 2: 0.02, 3: -0.01}
"""What luck adds to an error on the first four seeds: 1 % on the average."""


def seeds_by_rate(known):
    """The seeds before the reported ones, by rate."""
    asked = [(trial.recipe.learning_rate, trial.seed) for trial in known.asked if trial.seed < REPORTED]
    return {rate: {seed for at, seed in asked if at == rate} for rate in sorted({at for at, _ in asked})}


def test_rates_near_the_best_are_tried_on_as_many_seeds_again():
    """On four seeds a rate with an error of 1 % is the best, since luck adds more to that of 0; on eight it is not."""
    own = experiment(Arm("a", "conv", {}))
    known = Known(0.5, {(0.5, seed): 0.0005 + luck for seed, luck in NOISY.items()})
    assert settled(own, known, 4) == 0.5
    assert seeds_by_rate(known) == {0.125: {*range(4)}, 0.25: {*range(8)}, 0.5: {*range(8)}, 1.0: {*range(4)}}


def test_a_rate_that_is_surely_worse_is_not_tried_again():
    """1 % worse, with a standard error of 0.95 %, or of 1.05."""
    own = experiment(Arm("a", "conv", {}))
    known = Known(0.5, {(0.25, seed): 0.01 + luck for seed, luck in enumerate((0.0285, -0.0095, -0.0095, -0.0095))})
    assert settled(own, known, 4) == 0.5
    assert seeds_by_rate(known) == {rate: {*range(4)} for rate in (0.25, 0.5, 1.0)}
    known = Known(0.5, {(0.25, seed): 0.01 + luck for seed, luck in enumerate((0.0315, -0.0105, -0.0105, -0.0105))})
    assert settled(own, known, 4) == 0.5
    assert seeds_by_rate(known) == {0.25: {*range(8)}, 0.5: {*range(8)}, 1.0: {*range(4)}}


def test_a_grid_grows_where_the_second_look_finds_the_best_at_its_edge():
    own = experiment(Arm("a", "conv", {}))
    lucky = {(1.0, seed): 0.0005 + luck for seed, luck in NOISY.items()} | {(0.5, seed): 0.01 for seed in range(4)}
    known = Known(1.0, lucky)
    assert settled(own, known, 4) == 1.0
    assert seeds_by_rate(known)[2.0] >= {*range(4)}


def test_rates_are_chosen_by_other_images_where_the_test_part_is_the_same():
    own, known = experiment(Arm("a", "conv", {})), Known(0.5)
    known.answer(wanted(own, known, 3))
    for trial, found in known.asked.items():
        found["choice_error"] = 0.0 if trial.recipe.learning_rate == 0.25 else 0.1
    known.answer(wanted(own, known, 3))  # the grid grows below 0.25
    for trial, found in known.asked.items():
        found["choice_error"] = 0.0 if trial.recipe.learning_rate == 0.25 else 0.1
    assert chosen(own, own.arms[0], known, 3) == 0.25


def test_what_is_reported_is_wanted_when_the_rate_is_known():
    arms = Arm("a", "conv", {}), Arm("b", "mlp", {}, rate="a", seeds=2), Arm("c", "local", {}, rate=0.3)
    own, known = experiment(*arms, seeds=4), Known(0.5)
    first = wanted(own, known, 4)
    assert sum(t.network == "conv" for t in first) == 12
    assert {t.seed for t in first if t.network == "local"} == {100, 101, 102, 103}
    known.answer(first)
    second = wanted(own, known, 4)
    assert {t.recipe.learning_rate for t in second} == {0.5}
    assert [(t.network, t.seed) for t in second] == [*(("conv", 100 + k) for k in range(4)), ("mlp", 100), ("mlp", 101)]
    known.answer(second)
    assert wanted(own, known, 4) == []
    assert len(wanted(own, known, 6)) == 2 * 3 + 2  # two seeds more of a at each rate, and of c


def test_probes_are_asked_of_the_reported_trial_alone():
    own, known = experiment(Arm("a", "deep", {}, probes=("lesions",))), Known(0.5)
    known.answer(wanted(own, known, 2))
    last = wanted(own, known, 2)
    assert [(t.seed, t.recipe.learning_rate, t.probes) for t in last] == [
        (100, 0.5, ("lesions",)),
        (101, 0.5, ("lesions",)),
    ]
    assert not any(trial.probes for trial in known.asked)


def test_steps_to_a_target_lie_between_looks():
    found = {"curve": [[10, 0.6, 0.7], [20, 0.4, 0.5], [30, 0.2, 0.1]]}
    assert steps_to(found, 0.3) == pytest.approx(25)
    assert steps_to(found, 0.6) == pytest.approx(10)
    assert steps_to(found, 0.8) == pytest.approx(5)  # from an error of 1 before the first step
    assert steps_to(found, 0.3, 2) == pytest.approx(25)
    assert steps_to(found, 0.1) is None


def test_an_arm_that_never_reaches_the_target_is_tuned_for_its_training_error():
    own = experiment(Arm("a", "conv", {}), by="steps", target=0.25)
    known = {}
    for rate, error in zip(RATES, (0.8, 0.5, 0.7), strict=True):
        for seed in (0, 1):
            trial = own.trial(own.arms[0], rate, seed)
            known[trial] = {"status": "ok", "train_error": error, "losses": [], "curve": [[10, error, error]]}
    assert chosen(own, own.arms[0], known.get, 2) == 0.5


@pytest.mark.parametrize(
    "own",
    [
        *(speed.RELU, speed.NORM, speed.SWEEP, speed.SCALES, speed.WHITENING, depth.DEPTH, depth.BYPASS),
        *(depth.LESIONS, depth.SHORT, data.NEIGHBOURS, data.HUNGER, data.CLEAN, units.ELU),
    ],
)
def test_arms_have_names_of_their_own_and_rates_grow_evenly(own):
    names = [arm.name for arm in own.arms]
    assert len(set(names)) == len(names)
    steps = {after / before for before, after in zip(own.rates, own.rates[1:], strict=False)}
    assert len(steps) == 1 and len(own.rates) >= 4
    assert all(arm.rate is None or not isinstance(arm.rate, str) or arm.rate in names for arm in own.arms)


def test_questions_to_the_same_networks_share_their_trials():
    known = Known(2**-3)
    settled(depth.DEPTH, known, 3)
    for own in (depth.LESIONS, depth.SHORT):
        assert wanted(own, known, 3) == []


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_images("digits", tmp_path_factory.mktemp("images"))


def small(rate=0.1):
    return experiment(Arm("a", "mlp", {"hidden": (8,)}, rate=rate), Arm("b", "mlp", {"hidden": (8,)}, rate=rate))


def test_a_trial_that_two_arms_and_two_experiments_want_is_trained_once(digits, tmp_path):
    store = Store(tmp_path, digits)
    with KeptPool(1) as pool:
        ended = list(train({"x": Wish(small(), 2), "y": Wish(small(), 1)}, store, pool, Watch()))
        assert sorted(ended) == ["x", "y"] and len(list(tmp_path.glob("*.json"))) == 2
        before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.json")}
        assert list(train({"x": Wish(small(), 2)}, Store(tmp_path, digits), pool, Watch())) == ["x"]
        assert before == {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.json")}


def test_a_trial_that_fails_is_one_line(digits, tmp_path):
    wrong = experiment(Arm("a", "skip", {"every": 5}, rate=0.1))
    with (
        KeptPool(1) as pool,
        pytest.raises(OpsinError, match=r"a trial failed \(ValueError: 12 convolutions .* see .*error"),
    ):
        list(train({"x": Wish(wrong, 1)}, Store(tmp_path, digits), pool, Watch()))
    assert "Traceback" in (tmp_path / "error.txt").read_text()


@pytest.mark.slow
def test_two_workers_and_one_leave_the_same_trials(digits, tmp_path):
    own = experiment(Arm("a", "conv", {}), Arm("b", "mlp", {"hidden": (8,)}, rate="a"), seeds=2)
    files = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        with KeptPool(workers) as pool:
            assert list(train({"x": Wish(own, 2)}, Store(folder, digits), pool, Watch())) == ["x"]
        texts = {file.name: file.read_text().partition('"seconds"')[0] for file in folder.glob("*.json")}
        files.append(texts)
    assert files[0] == files[1] and len(files[0]) >= 9
