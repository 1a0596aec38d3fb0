"""Rows of a forecast on a machine on paper: what is measured, estimated, remembered, and what fits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from paper_pool import PaperPool

from opsin import zoo
from opsin.costs import memory
from opsin.forecast.forecast import Row, Training, choose_probes, fit_all, forecast
from opsin.forecast.remembered import Remembered
from opsin.forecast.speed import MARGIN, Speed
from opsin.forecast.workload import Network, Room, Workload, count_workload, fit_batch
from opsin.recipes import MODERN
from opsin.watch import Watch

NAMES = ("vgg_32", "lenet5", "resnet20_cifar", "resnet32_cifar", "resnet44_cifar")
BUILT = {"num_classes": 10, "in_chans": 1, "input_size": 32}


def training(names=NAMES, available=None):
    return Training(dict.fromkeys(names, BUILT), (1000, 200, 300), MODERN, "cpu", available)


def foretell(folder, pool=None, names=NAMES, available=None, **options):
    return forecast(training(names, available), pool or PaperPool(), Remembered({}, folder), Watch(), **options)


def test_counts_are_those_of_the_card():
    card = zoo.card("googlenet_32")
    network = Network("googlenet_32", {"num_classes": card.num_classes, "in_chans": 3, "input_size": 32}, 8)
    counted = count_workload(network, print)
    assert (counted.params, counted.macs) == (card.params, card.macs)
    assert counted.weights == card.params + card.aux_params
    assert counted.executed >= counted.macs


@pytest.mark.parametrize("name", ["resnet20_cifar", "vit_32", "lenet5"])
def test_bytes_of_an_image_are_at_least_what_layers_write(name):
    """Forward hooks see what each layer writes; every byte is written once and, but for the last, read."""
    counted = count_workload(Network(name, BUILT, 8), print)
    written = []
    net = zoo.build_model(name, **BUILT).eval()
    for module in net.modules():
        if not any(True for _ in module.children()):
            module.register_forward_hook(lambda module, args, out: written.append(4 * out.numel()))
    net(torch.zeros(1, 1, 32, 32))
    assert sum(written) < counted.bytes < 10 * sum(written)


def test_the_largest_batch_is_the_largest():
    network = Network("resnet20_cifar", BUILT, 64)
    with torch.device("meta"):
        net = zoo.build_model("resnet20_cifar", **BUILT)
    most = memory.training(net, 1, (32, 32), 21) + 5
    batch, needs = fit_batch(Room(network, most), print)
    assert (batch, needs) == (21, most - 5)
    assert fit_batch(Room(network, 10**10), print)[0] == 64
    assert fit_batch(Room(network, 1000), print) == (0, memory.training(net, 1, (32, 32), 2))


def test_only_what_does_not_fit_gets_a_smaller_batch():
    asked = training(("lenet5", "vgg_32"), available=15 * 10**6)
    loads = {name: count_workload(asked.network(name), print) for name in asked.networks}
    assert loads["lenet5"].memory < 15 * 10**6
    rooms = fit_all(asked, loads, PaperPool(), Watch())
    assert rooms["lenet5"] == (32, loads["lenet5"].memory)
    assert 2 <= rooms["vgg_32"][0] < 32
    assert rooms["vgg_32"][1] <= 15 * 10**6 < loads["vgg_32"].memory


def test_a_probe_takes_no_more_images_than_fit():
    asked = training(("lenet5",))
    load = count_workload(asked.network("lenet5"), print)
    assert [asked.probe("lenet5", load, fits).timed for fits in (0, 5, 1000)] == [32, 5, 32]


def test_some_of_a_family_are_measured_and_the_others_estimated(tmp_path):
    pool = PaperPool()
    found = foretell(tmp_path, pool)
    assert {row.model: row.measured for row in found.rows} == {
        "lenet5": True,
        "vgg_32": True,
        "resnet20_cifar": True,  # of three by MACs the first, and the second
        "resnet32_cifar": True,
        "resnet44_cifar": False,
    }
    assert sorted(pool.measured) == ["lenet5", "resnet20_cifar", "resnet32_cifar", "vgg_32"]
    assert [row.epoch for row in found.rows] == sorted(row.epoch for row in found.rows)


def test_an_epoch_is_training_and_validation(tmp_path):
    row = foretell(tmp_path, PaperPool(second=lambda name: 0.004), names=("lenet5",)).rows[0]
    assert row.epoch == pytest.approx(1000 * 0.004 + 200 * 0.001)
    assert row.minutes(30) == pytest.approx(4.2 / 2)
    assert row.epochs(1) == int(60 * MARGIN / 4.2) == 13


def test_estimates_scale_with_depth(tmp_path):
    """Twelve more layers each: where a layer costs the same, 44 layers take as much more than 32 as 32 than 20."""
    depth = {"resnet20_cifar": 20, "resnet32_cifar": 32, "resnet44_cifar": 44}
    pool = PaperPool(second=lambda name: depth[name] * 1e-4)
    rows = {row.model: row for row in foretell(tmp_path, pool, names=tuple(depth)).rows}
    assert not rows["resnet44_cifar"].measured
    assert rows["resnet44_cifar"].speed.train == pytest.approx(44e-4, rel=0.1)


def test_thorough_measures_every_network(tmp_path):
    pool = PaperPool()
    assert all(row.measured for row in foretell(tmp_path, pool, thorough=True).rows)
    assert sorted(pool.measured) == sorted(NAMES)


def test_what_is_known_or_remembered_is_not_measured_again(tmp_path):
    foretell(tmp_path)
    again = PaperPool()
    assert [row.measured for row in foretell(tmp_path, again).rows].count(True) == 4
    assert again.measured == []
    known = {"resnet44_cifar": Speed(9.0, 1.0)}
    rows = {row.model: row for row in foretell(tmp_path, again, known=known).rows}
    assert rows["resnet44_cifar"].speed == known["resnet44_cifar"]
    assert rows["resnet44_cifar"].measured


def test_times_of_a_busy_machine_are_said_and_forgotten(tmp_path):
    assert foretell(tmp_path, PaperPool(busy=True)).busy
    again = PaperPool()
    assert not foretell(tmp_path, again).busy
    assert len(again.measured) == 4


def test_what_cannot_be_built_or_measured_is_left_out_with_the_reason(tmp_path):
    asked = training(("lenet5", "vgg_32", "resnet20_cifar"))
    asked.networks["resnet20_cifar"] = BUILT | {"input_size": 4}  # pyright: ignore[reportIndexIssue]
    found = forecast(asked, PaperPool(broken=("vgg_32",)), Remembered({}, tmp_path), Watch())
    assert [row.model for row in found.rows] == ["lenet5"]
    why = {each["model"]: each["why"] for each in found.left_out}
    assert why["vgg_32"] == "out of memory?"
    assert "cannot take 4 px" in why["resnet20_cifar"]


def test_what_does_not_fit_is_not_tried(tmp_path):
    pool = PaperPool()
    rows = {row.model: row for row in foretell(tmp_path, pool, names=("lenet5", "vgg_32"), available=4 * 10**6).rows}
    assert pool.measured == ["lenet5"]
    assert (rows["vgg_32"].batch, rows["vgg_32"].epochs(1e9)) == (0, 0)
    assert rows["vgg_32"].memory > 4 * 10**6


@given(st.lists(st.sampled_from(zoo.list_models()), unique=True, min_size=1), st.randoms())
def test_every_family_is_measured(names, random):
    loads = {name: Workload(random.randrange(1, 10**9), 1, 1, 1, 1, 1, 1) for name in names}
    chosen = choose_probes(loads)
    families = [zoo.card(name).family for name in chosen]
    assert set(chosen) <= set(names)
    assert len(set(chosen)) == len(chosen)
    assert set(families) == {zoo.card(name).family for name in names}
    assert max(families.count(family) for family in families) <= 3
    for family in families:  # the least of a family is among them
        own = [name for name in names if zoo.card(name).family == family]
        assert min(loads[name].executed for name in own) in [loads[name].executed for name in chosen]


@given(st.floats(1e-3, 1e5), st.floats(0.01, 1e4))
def test_epochs_within_the_minutes_fit(epoch, minutes):
    row = Row("a", "A", 32, 1, 1, 1, 32, Speed(1, 1), epoch, True)
    n = row.epochs(minutes)
    assert row.minutes(n) <= minutes * MARGIN * (1 + 1e-9)
    assert row.minutes(n + 1) > minutes * MARGIN * (1 - 1e-9)


@pytest.mark.parametrize("at", [2, 5])
def test_what_was_done_before_ctrl_c_is_remembered(tmp_path, at):
    """Stopped at the third answer, while counting; or at the sixth, while measuring, when all is counted."""

    class Stopped(BaseException):
        pass

    class Stopping(Watch):
        done = 0

        def advance(self, done):
            if self.done == at:
                raise Stopped
            self.done += 1

    with pytest.raises(Stopped):
        forecast(training(), PaperPool(), Remembered({}, tmp_path), Stopping())
    assert len(Remembered({}, tmp_path).entries) == at
