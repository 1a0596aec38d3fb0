import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from opsin.data.counted import epoch_order, hashes, key, uniforms

seeds = st.integers(0, 2**64 - 1)
epochs = st.integers(0, 10_000)

MASK = 2**64 - 1


def mixed(z):
    """The finaliser of splitmix64, from its published constants."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_key_is_splitmix64():
    """The first outputs of the reference implementation, for the state 0 (and 1234567 as another)."""
    assert key(0) == 0xE220A8397B1DCDAF
    assert mixed(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF
    assert key(3, 5) == mixed((key(3) + 6 * 0x9E3779B97F4A7C15) & MASK)


@given(seeds, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_hashes_are_whole_number_arithmetic(stream, counters):
    found = hashes(stream, np.array(counters, dtype=np.int64))
    assert found.dtype == np.uint64
    assert found.tolist() == [mixed((stream + (c + 1) * 0x9E3779B97F4A7C15) & MASK) for c in counters]


def test_pinned_values():
    """The same on every platform and in every version: a run that is resumed elsewhere depends on it."""
    assert key(7, 1, 2) == 0x5759E8EBDA4A053A
    assert epoch_order(0, 0, 10).tolist() == [8, 5, 7, 6, 3, 4, 9, 1, 0, 2]
    assert uniforms(3, 1, np.array([0, 41, 10**9]), 2).tolist() == [
        [0.15861685270797976, 0.8938037036310126],
        [0.19251959386702022, 0.06390353339497434],
        [0.6374741370050018, 0.18740236263271848],
    ]


@given(seeds, epochs, st.integers(0, 300))
def test_an_epoch_is_a_permutation(seed, epoch, n):
    order = epoch_order(seed, epoch, n)
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(n))
    assert (epoch_order(seed, epoch, n) == order).all()


def test_epochs_and_seeds_differ():
    orders = {tuple(epoch_order(seed, epoch, 50).tolist()) for seed in range(20) for epoch in range(20)}
    assert len(orders) == 400


def test_orders_are_uniform():
    """All 24 orders of four images come up equally often over seeds and epochs."""
    ranks = np.array([epoch_order(seed, epoch, 4) @ [64, 16, 4, 1] for seed in range(60) for epoch in range(80)])
    counts = np.unique(ranks, return_counts=True)[1]
    assert len(counts) == 24 and stats.chisquare(counts).pvalue > 1e-4


@given(
    seeds, epochs, st.lists(st.integers(0, 10**9), min_size=1, max_size=40, unique=True), st.integers(1, 6), st.data()
)
def test_draws_do_not_depend_on_the_batch(seed, epoch, samples, draws, data):
    samples = np.array(samples)
    whole = uniforms(seed, epoch, samples, draws)
    assert whole.shape == (len(samples), draws) and (whole >= 0).all() and (whole < 1).all()
    chosen = np.array(data.draw(st.permutations(range(len(samples)))))[: data.draw(st.integers(1, len(samples)))]
    fewer = data.draw(st.integers(1, draws))
    assert (uniforms(seed, epoch, samples[chosen], fewer) == whole[chosen, :fewer]).all()


@pytest.mark.parametrize(
    "values",
    [
        uniforms(0, 0, np.arange(50_000), 1)[:, 0],
        uniforms(1, 5, np.arange(5), 10_000).reshape(-1),
        np.concatenate([uniforms(0, epoch, np.arange(5), 2).reshape(-1) for epoch in range(3000)]),
        np.concatenate([uniforms(seed, 0, np.arange(5), 2).reshape(-1) for seed in range(3000)]),
    ],
    ids=["over samples", "over draws", "over epochs", "over seeds"],
)
def test_draws_are_uniform_and_neighbours_unrelated(values):
    assert stats.kstest(values, "uniform").pvalue > 1e-4
    for lag in (1, 2, 3, 10):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) * len(values) ** 0.5 < 4.5
    pairs = np.histogram2d(values[:-1:2], values[1::2], bins=8, range=[[0, 1]] * 2)[0]
    assert stats.chisquare(pairs.reshape(-1)).pvalue > 1e-4


def test_draws_of_one_sample_are_unrelated_over_seed_epoch_and_draw():
    samples = np.arange(20_000)
    columns = [
        uniforms(0, 0, samples, 2),
        uniforms(0, 1, samples, 2),
        uniforms(1, 0, samples, 2),
        uniforms(1, 1, samples, 2),
        epoch_order(0, 0, len(samples))[:, None],
        hashes(0, samples)[:, None].astype(float),
    ]
    related = np.corrcoef(np.concatenate(columns, axis=1), rowvar=False)
    np.fill_diagonal(related, 0)
    assert np.abs(related).max() * len(samples) ** 0.5 < 4.5
