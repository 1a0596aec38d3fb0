"""The time of one image: what is timed, and how a step's share is told."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from opsin import zoo
from opsin.forecast import speed
from opsin.forecast.speed import Speed, SpeedProbe, makespan, measure_speed
from opsin.recipes import MODERN

ARGUMENTS = {"num_classes": 10, "in_chans": 1, "input_size": 28}


def probe(**changes):
    return SpeedProbe(
        "lenet5", **{"arguments": ARGUMENTS, "recipe": MODERN, "batch_size": 32, "size": 28} | changes, device="cpu"
    )


def test_how_many_images_are_timed():
    assert probe().timed == 32
    assert probe(size=65).timed == 8
    assert probe(size=65, batch_size=4).timed == 4
    assert probe(most=5).timed == 5
    assert probe(most=500).timed == 32
    assert probe(size=224, most=500).timed == 32


def paper_clock(monkeypatch, once, image):
    """A machine on which a step takes `once` seconds for the update and `image` for each image."""
    now = [0.0]

    def step(net, images, *others):
        now[0] += once + image * len(images)
        return 0.0

    class Optimizer:
        def step(self):
            now[0] += once

    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0]))
    monkeypatch.setattr(speed, "train_step", step)
    monkeypatch.setattr(speed, "make_optimizer", lambda net, recipe: Optimizer())


@pytest.mark.parametrize("most", [None, 16, 4, 2])
def test_the_update_is_shared_among_the_whole_batch(monkeypatch, most):
    """2 s for the update and 0.25 s for an image are 10 s for 32, however few are timed."""
    paper_clock(monkeypatch, once=2.0, image=0.25)
    net = zoo.build_model("lenet5", **ARGUMENTS)
    assert speed._time_training(net, probe(most=most), torch.device("cpu")) == pytest.approx(10 / 32)


def test_an_epoch_by_hand():
    assert Speed(0.5, 0.25).epoch((100, 10, 1000)) == 52.5


def test_a_real_network_takes_time():
    found = measure_speed(probe(batch_size=4), print)
    assert found.predict > 0
    assert 0 < found.train < found.took


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_makespan_is_between_its_bounds(runs, workers):
    least = max(max(runs), sum(runs) / workers)
    assert least <= makespan(runs, workers) * (1 + 1e-9)
    assert makespan(runs, workers) <= sum(runs) / workers + max(runs) + 1e-9
