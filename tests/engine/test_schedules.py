"""Learning rates by hand, as papers print them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.engine.optim import learning_rate
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import SCHEDULES, Constant, Cosine, Exponential, Levels, Moment, Plateau, Polynomial, Steps

RESNET_CIFAR = Recipe("x", learning_rate=0.1, warmup=0.0, schedule=Steps((0.5, 0.75)))


def rates(recipe, steps, at):
    return [learning_rate(recipe, step, steps) for step in at]


def test_resnet_on_cifar_divides_by_ten_at_32k_and_48k_of_64k():
    at = [0, 31_999, 32_000, 47_999, 48_000, 63_999]
    assert rates(RESNET_CIFAR, 64_000, at) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_squeezenet_falls_on_a_line_to_zero():
    recipe = Recipe("x", learning_rate=0.04, warmup=0.0, schedule=Polynomial())
    assert rates(recipe, 170_000, [0, 85_000, 169_999]) == pytest.approx([0.04, 0.02, 0.04 / 170_000])


def test_inception_v3_falls_to_94_percent_every_two_of_100_epochs():
    recipe = Recipe("x", learning_rate=0.045, warmup=0.0, schedule=Exponential(0.94, 50))
    an_epoch = [0.045 * 0.94 ** (epoch // 2) for epoch in range(100)]
    assert rates(recipe, 1000, range(0, 1000, 10)) == pytest.approx(an_epoch)


def test_lenet5_has_a_table_of_passes():
    recipe = Recipe("x", learning_rate=5e-4, warmup=0.0, schedule=Levels((0.1, 0.25, 0.4, 0.6), (0.4, 0.2, 0.1, 0.02)))
    table = [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    assert rates(recipe, 20, range(20)) == pytest.approx(table)


def test_deit_warms_up_and_follows_a_cosine():
    recipe = Recipe("x", learning_rate=1e-3, warmup=5 / 300, schedule=Cosine())
    assert rates(recipe, 3000, [0, 49]) == pytest.approx([1e-3 / 51, 1e-3 * 50 / 51])
    assert rates(recipe, 3000, [50, 50 + 2950 // 2]) == pytest.approx([1e-3, 0.5e-3])


def test_resnet110_begins_at_a_tenth():
    recipe = Recipe("x", learning_rate=0.1, warmup=0.01, warmup_start=0.1, schedule=Constant())
    assert rates(recipe, 1000, [0, 9, 10]) == pytest.approx([0.1 * (0.1 + 0.9 / 11), 0.1 * (0.1 + 9 / 11), 0.1])


def test_a_plateau_is_seen_after_its_patience_and_counted_anew():
    """Patience of two of twenty epochs; at most two drops."""
    schedule = Plateau(patience=0.1, times=2)
    losses = [3.0, 2.0, 2.1, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5]
    drops = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    seen = [schedule(Moment(0, 0, 20, tuple(losses[:n]))) for n in range(len(losses) + 1)]
    assert seen == pytest.approx([0.1**n for n in drops])


SOME = [
    Constant(), Cosine(0.1), Polynomial(2.0), Steps((0.3, 0.9)), Levels((0.5,), (0.2,)), Exponential(0.9, 7), Plateau(),
]  # fmt: skip


@given(st.sampled_from(SOME), st.floats(0, 0.5), st.integers(2, 500))
def test_the_peak_is_never_passed_and_lengths_are_shares(schedule, warmup, steps):
    """Twice as many steps have the same shape, and no rate is above the peak or below zero."""
    recipe = Recipe("x", learning_rate=2.0, warmup=warmup, schedule=schedule)
    found = np.array(rates(recipe, steps, range(steps)))
    assert ((found > 0) & (found <= 2.0)).all()
    if warmup == 0:
        np.testing.assert_allclose(rates(recipe, 2 * steps, range(0, 2 * steps, 2)), found)
    assert {type(each) for each in SOME} == set(SCHEDULES)
