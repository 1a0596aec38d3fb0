"""The schedule of a time budget: what gives way, in which order, and what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.compare.budget import Estimate, Floor, fit
from opsin.compare.plan import Plan
from opsin.errors import OpsinError
from opsin.forecast.speed import MARGIN, Speed
from opsin.recipes import MODERN
from opsin.training.entry import scratch

MODELS = ("resnet20_cifar", "resnet32_cifar", "resnet56_cifar")
PLAN = Plan(scratch(MODELS), 64, (0, 1, 2), replace(MODERN, epochs=20), tune=True)
FLOOR = Floor(input_size=32, models=2, seeds=1, epochs=5)
DEPTH = dict(zip(MODELS, (20, 32, 56), strict=True))


def estimate(plan):
    """A machine on which a network costs its depth times its pixels."""
    speeds = {(e.model, plan.size_of(e)): Speed(DEPTH[e.model] * plan.input_size**2 * 1e-7, 0.0) for e in plan.entries}
    return Estimate(speeds, images=(1000, 0, 0), workers=2, fixed=0.0)


FULL = estimate(PLAN).seconds(PLAN)


def test_an_epoch_is_counted_by_hand():
    plan = replace(PLAN, entries=scratch(("resnet20_cifar",)), seeds=(0, 1))
    epoch = 1000 * 20 * 64**2 * 1e-7
    assert plan.probe_epochs(plan.recipe) == 4
    assert estimate(plan).seconds(plan) == pytest.approx((20 + 4 + 4) * epoch)  # two workers, three probes


def test_a_budget_that_is_large_changes_nothing():
    plan, needs = fit(PLAN, 2 * FULL, FLOOR, estimate)
    assert plan == PLAN
    assert needs == FULL


def test_images_give_way_first():
    plan, needs = fit(PLAN, 0.6 * FULL / MARGIN, FLOOR, estimate)
    assert (plan.input_size, plan.names, plan.seeds, plan.recipe.epochs) == (48, MODELS, (0, 1, 2), 20)
    assert needs <= 0.6 * FULL
    assert plan.notes == ("images of 48 instead of 64 px",)


def test_then_the_dearest_network_then_seeds_then_epochs():
    plan, _ = fit(PLAN, 0.15 * FULL / MARGIN, FLOOR, estimate)
    assert plan.input_size == 32
    assert plan.names == MODELS[:2]
    assert [entry["model"] for entry in plan.left_out] == ["resnet56_cifar"]
    assert (len(plan.seeds), plan.recipe.epochs) == (3, 20)
    plan, _ = fit(PLAN, 0.09 * FULL / MARGIN, FLOOR, estimate)
    assert (len(plan.names), plan.seeds, plan.recipe.epochs) == (2, (0, 1), 20)
    plan, _ = fit(PLAN, 0.03 * FULL / MARGIN, FLOOR, estimate)
    assert (len(plan.names), plan.seeds) == (2, (0,))
    assert 5 <= plan.recipe.epochs < 20
    assert plan.notes[2:] == ("1 instead of 3 seeds", f"{plan.recipe.epochs} instead of 20 epochs")


def test_below_the_floor_it_refuses_and_says_what_would_fit():
    with pytest.raises(OpsinError, match=r"minutes are too few: .* give --minutes ([\d.]+) or more") as error:
        fit(PLAN, 0.001 * FULL, FLOOR, estimate)
    enough = float(str(error.value).split("--minutes ")[1].split()[0])
    fit(PLAN, enough * 60, FLOOR, estimate)
    with pytest.raises(OpsinError, match=r"^0.1 minutes are too few") as later:
        fit(PLAN, -20, FLOOR, estimate, spent=26)
    assert float(str(later.value).split("--minutes ")[1].split()[0]) == pytest.approx(enough + 26 / 60, abs=0.11)


@given(st.floats(0.01, 3))
def test_what_is_planned_fits(share):
    try:
        plan, needs = fit(PLAN, share * FULL, FLOOR, estimate)
    except OpsinError:
        return
    assert needs <= share * FULL
    assert needs == estimate(plan).seconds(plan)
