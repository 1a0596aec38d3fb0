"""The time of one image: what is timed, and how a step's share is told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from opsin import zoo
from opsin.data.augment import Elastic, RandomCrop
from opsin.engine.average import EMA
from opsin.forecast import speed
from opsin.forecast.speed import Speed, SpeedProbe, makespan, measure_speed
from opsin.recipes import MODERN, recipe

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


def test_all_that_a_step_does_is_timed(monkeypatch):
    """Beside a step's 2.25 s on one image 0.5 s of augmenting it and 0.125 s of averaging the weights."""
    paper_clock(monkeypatch, once=2.0, image=0.25)
    clock = speed.time.perf_counter
    passed = []

    class Busy(speed.Feed):
        def prepared(self, images, samples, epoch):
            passed.append(0.5)
            return super().prepared(images, samples, epoch)

    class Averaged:
        def __init__(self, net, how):
            pass

        def follow(self, net, step, steps):
            passed.append(0.125)

    monkeypatch.setattr(speed, "Feed", Busy)
    monkeypatch.setattr(speed, "Averaged", Averaged)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock() + sum(passed))
    recipe = replace(MODERN, average=EMA(), augment=(RandomCrop(), Elastic()))
    net = zoo.build_model("lenet5", **ARGUMENTS)
    one = probe(recipe=recipe, batch_size=1)
    assert speed._time_training(net, one, torch.device("cpu")) == pytest.approx(2.25 + 0.5 + 0.125)


@pytest.mark.parametrize("name", ["lenet1989", "lenet5", "ciresan_2010", "deit", "googlenet", "resnet"])
def test_every_kind_of_recipe_can_be_timed(name):
    """Curvatures, distortions, crops out of originals, mixed labels, averages, in grey and in colour."""
    for channels in (1, 3):
        arguments = {"num_classes": 4, "in_chans": channels, "input_size": 16}
        small = SpeedProbe("lenet1989", arguments, recipe(name), 4, 16, "cpu")
        feed = speed._feed(small, torch.device("cpu"))
        images, targets = next(feed.batches([np.arange(4)], epoch=0))
        assert images.shape == (4, channels, 16, 16)
        assert len(targets) == 4


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
