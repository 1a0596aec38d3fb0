"""Which blocks a figure is made of; latency's plain promises."""

import pytest
import torch

from opsin import zoo
from opsin.costs.measure import TimedBlock, block, latency, summary, warm_up


def quiet(*medians):
    return [TimedBlock((ms, ms, ms), 0.01) for ms in medians]


def test_a_figure_is_that_of_the_fastest_blocks_that_agree():
    found = summary([quiet(14.0, 10.1), quiet(10.0, 12.0), quiet(10.05, 11.0)], 0.02)
    assert found.p50 == 10.05
    assert found.spread == pytest.approx(0.01)
    assert (found.unstable, found.runs) == (None, 18)


def test_what_does_not_agree_is_unstable():
    apart = summary([quiet(10.0, 11.0), quiet(12.0, 13.0), quiet(14.0)], 0.02)
    assert "20.0% apart" in (apart.unstable or "")
    alone = summary([quiet(10.0, 10.0, 10.0), quiet(12.0), quiet(12.0)], 0.02)
    assert "only one visit" in (alone.unstable or "")
    assert "too few" in (summary([quiet(10.0, 10.0)], 0.02).unstable or "")


def test_blocks_beside_other_work_do_not_count():
    hogged = [TimedBlock((5.0,), 1.0, disturbed=True)]
    mixed = summary([[*hogged, *quiet(10.0)], quiet(10.1), quiet(10.2)], 0.05)
    assert (mixed.p50, mixed.unstable) == (10.1, None)
    assert "other work took 1.0 cores" in (summary([hogged, hogged, hogged], 0.05).unstable or "")


def test_blocks_have_as_many_runs_as_they_must():
    here = torch.device("cpu")
    assert len(block(lambda: None, here, 0.0, least=3).ms) == 3
    assert len(block(lambda: None, here, 1.0, most=7).ms) == 7
    calls = []
    warm_up(lambda: calls.append(1), here, 0.05)
    assert len(calls) >= 4


def test_latency_is_measured_in_evaluation_and_leaves_the_threads_alone():
    net = zoo.build_model("lenet1989")
    threads = torch.get_num_threads()
    found = latency(net, 1, 16, torch.device("cpu"), seconds=0.05)
    assert 0 < found.p50 <= found.p95
    assert 10 <= found.runs <= 200
    assert torch.get_num_threads() == threads
