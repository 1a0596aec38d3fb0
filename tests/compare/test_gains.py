"""What training and architecture gained, beside the same figures worked out by hand from the answers themselves."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.compare.gains import gains
from opsin.compare.statistics import bounds, resample
from opsin.training.entry import Entry

TRUTH = np.random.default_rng(7).integers(3, size=200)
YEARS = {"lenet1989": 1989, "lenet5": 1998, "resnet20_cifar": 2015}
MODELS = tuple(YEARS)
ENTRIES = [Entry(model, recipe=recipe) for model in MODELS for recipe in ("era", "modern")]
RIGHT = dict(zip([entry.name for entry in ENTRIES], (0.80, 0.85, 0.84, 0.93, 0.60, 0.97), strict=True))


def answers(share, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(TRUTH)) < share, TRUTH, (TRUTH + 1) % 3)


def runs(seeds=2, names=tuple(RIGHT)):
    return {
        name: {s: answers(RIGHT[name], 10 * k + s) for s in range(seeds)}
        for k, name in enumerate(RIGHT)
        if name in names
    }


def found(predictions, on_val=None, entries=ENTRIES):
    resampled = resample(predictions, TRUTH, 3, resamples=200)
    return gains(entries, resampled, on_val or RIGHT), resampled


def test_by_hand():
    predictions = runs()
    right = {name: np.mean([each == TRUTH for each in by_seed.values()]) for name, by_seed in predictions.items()}
    (gain,), _ = found(predictions)
    assert (gain["old"], gain["new"], gain["oldest"], gain["best"]) == ("era", "modern", "lenet1989", "resnet20_cifar")
    assert [(each["model"], each["year"]) for each in gain["networks"]] == list(YEARS.items())
    for each in gain["networks"]:
        era, modern = (right[f"{each['model']}-{recipe}"] for recipe in ("era", "modern"))
        assert each["training"]["top1"] == pytest.approx(modern - era)
        if each["model"] == "lenet1989":
            assert each["architecture"] == {"old": None, "new": None}
            continue
        for way, recipe, mine in (("old", "era", era), ("new", "modern", modern)):
            assert each["architecture"][way]["top1"] == pytest.approx(mine - right[f"lenet1989-{recipe}"])
    mean = np.mean([right[f"{model}-modern"] - right[f"{model}-era"] for model in MODELS])
    assert gain["training_mean"]["top1"] == pytest.approx(mean)
    a, b, c, d = (right[f"{m}-{r}"] for m in ("lenet1989", "resnet20_cifar") for r in ("era", "modern"))
    assert gain["whole"]["top1"] == pytest.approx(d - a)
    first, then = gain["orders"].values()
    assert list(gain["orders"]) == ["training first", "architecture first"]
    assert (first["training"]["top1"], first["architecture"]["top1"]) == pytest.approx((b - a, d - b))
    assert (then["training"]["top1"], then["architecture"]["top1"]) == pytest.approx((d - c, c - a))
    assert gain["mean"]["training"]["top1"] == pytest.approx(((b - a) + (d - c)) / 2)
    assert gain["mean"]["architecture"]["top1"] == pytest.approx(((d - b) + (c - a)) / 2)


def test_intervals_are_of_the_paired_draws():
    """Of the mean over networks: the bounds of the mean of the draws' differences, and what was drawn is said."""
    (gain,), resampled = found(runs())
    at = {name: k for k, name in enumerate(resampled.models)}
    draws = np.mean(
        [resampled.draws[:, at[f"{m}-modern"]] - resampled.draws[:, at[f"{m}-era"]] for m in MODELS], axis=0
    )
    low, high = bounds(draws, gain["training_mean"]["top1"], (0.025, 0.975))
    assert gain["training_mean"]["ci"] == pytest.approx([low, high])
    assert gain["training_mean"]["ci_over"] == "images and seeds"
    (single,), _ = found(runs(seeds=1))
    assert {each["training"]["ci_over"] for each in single["networks"]} == {"images"}
    assert single["whole"]["ci_over"] == "images"


def test_a_mean_over_networks_is_surer_than_each():
    (gain,), _ = found(runs())
    mean, *each = (np.ptp(part["ci"]) for part in (gain["training_mean"], *(n["training"] for n in gain["networks"])))
    assert mean < min(each)


def test_the_same_answers_gain_nothing_for_sure():
    predictions = {entry.name: {0: answers(0.9, 3)} for entry in ENTRIES}
    (gain,), _ = found(predictions)
    assert gain["training_mean"]["top1"] == 0
    assert gain["training_mean"]["ci"] == [0, 0]


def test_the_best_is_chosen_on_validation():
    (gain,), _ = found(runs(), RIGHT | {"lenet5-modern": 0.99})
    assert gain["best"] == "lenet5"
    (gain,), _ = found(runs(), RIGHT | {"lenet1989-modern": 0.99})
    assert gain["best"] == gain["oldest"]
    assert gain["whole"] == gain["networks"][0]["training"]
    assert gain["orders"]["training first"]["architecture"]["top1"] == 0


def test_what_did_not_end_well_under_both_is_left_out():
    (gain,), _ = found(runs(names=[name for name in RIGHT if name != "lenet5-era"]))
    assert gain["left_out"] == ["lenet5"]
    assert [each["model"] for each in gain["networks"]] == ["lenet1989", "resnet20_cifar"]
    assert found(runs(names=["lenet1989-era", "lenet5-modern"]))[0] == []


def test_each_further_recipe_is_held_against_the_first():
    entries = [Entry("lenet5", recipe=recipe) for recipe in ("era", "modern", "vit")]
    predictions = {entry.name: {0: answers(0.9, k)} for k, entry in enumerate(entries)}
    both, _ = found(predictions, dict.fromkeys(predictions, 0.9), entries)
    assert [(gain["old"], gain["new"]) for gain in both] == [("era", "modern"), ("era", "vit")]


def test_one_recipe_gains_nothing():
    predictions = {"lenet5": {0: answers(0.9, 1)}}
    assert found(predictions, {"lenet5": 0.9}, [Entry("lenet5")])[0] == []


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_both_orders_add_up_to_the_whole(shares):
    names = list(RIGHT)
    predictions = {name: {0: answers(share, k)} for k, (name, share) in enumerate(zip(names, shares, strict=True))}
    (gain,), _ = found(predictions, dict(zip(names, shares, strict=True)))
    for parts in (*gain["orders"].values(), gain["mean"]):
        assert parts["training"]["top1"] + parts["architecture"]["top1"] == pytest.approx(gain["whole"]["top1"])
    every = [gain["whole"], gain["training_mean"], *itertools.chain(*(way.values() for way in gain["orders"].values()))]
    assert all(part["ci"][0] <= part["top1"] <= part["ci"][1] for part in every)
