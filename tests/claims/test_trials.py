"""Trials: what they are made of, that they repeat, and what is measured at their end."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from opsin import zoo
from opsin.claims.trials import images as sets
from opsin.claims.trials.experiment import recipe
from opsin.claims.trials.images import Part
from opsin.claims.trials.networks import MLP, NETWORKS, ConvNet, DeepNet, Flattened, LocallyConnected, SkipNet
from opsin.claims.trials.probes import Trained, lesions, paths, through, without
from opsin.claims.trials.trial import Job, Trial, name_of, run, trained
from opsin.data.sources import load
from opsin.errors import OpsinError


def params(net):
    return sum(p.numel() for p in net.parameters())


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return sets.write_images("digits", tmp_path_factory.mktemp("images"))


def quick(network="conv", epochs=1, rate=0.05, **fields):
    fields.setdefault("arguments", ())
    return Trial(network, recipe=replace(recipe(epochs), learning_rate=rate), seed=0, **fields)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("channels, side", [(1, 8), (1, 28), (3, 32)])
def test_networks_take_images_of_any_set(network, channels, side):
    net = NETWORKS[network](num_classes=7, in_chans=channels, input_size=side)
    assert net(torch.randn(2, channels, side, side)).shape == (2, 7)


@pytest.mark.parametrize("side", [8, 28, 32])
def test_the_perceptron_has_the_parameters_of_the_convolutional_network(side):
    of = {"in_chans": 1, "input_size": side}
    assert params(MLP(**of)) == pytest.approx(params(ConvNet(**of)), rel=0.01)
    assert params(ConvNet()) == (9 + 1) * 16 + (16 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 4 + 1) * 10


def test_a_scale_is_of_all_widths():
    for name, net in NETWORKS.items():
        narrow, wide = params(net()), params(net(scale=2))
        assert wide > 1.8 * narrow, name
    assert params(ConvNet(scale=2)) == params(ConvNet((32, 64, 128)))
    assert params(MLP((8,), scale=2)) == params(MLP((16,)))


def test_a_flat_pair_of_kernels_is_a_square_one():
    pair, square = Flattened(2, 3, 5), torch.nn.Conv2d(2, 3, 5, padding=2, bias=False)
    with torch.no_grad():
        square.weight.copy_(torch.einsum("omy,mix->oiyx", pair.column.weight[..., 0], pair.row.weight[:, :, 0]))
        pair.row.bias.zero_()
        pair.column.bias.zero_()
    x = torch.randn(2, 2, 9, 9)
    torch.testing.assert_close(pair(x), square(x))
    torch.manual_seed(0)
    second = ConvNet((64, 64), kernel_size=5, extras=("flat",)).features[3]
    row, column = second.row.weight.std().item(), second.column.weight.std().item()
    assert row == pytest.approx((1 / 320) ** 0.5, rel=0.05)  # five of 64 maps, and no activation behind it
    assert column == pytest.approx((2 / 320) ** 0.5, rel=0.05)


def test_poolings_in_front_of_activations():
    kinds = [type(layer).__name__ for layer in ConvNet(pooling="mean", extras=("pool first",)).features]
    assert kinds == ["Conv2d", "AvgPool2d", "ReLU", "Conv2d", "AvgPool2d", "ReLU", "Conv2d", "ReLU"]


def test_unshared_windows_are_a_convolution_where_their_weights_are_equal():
    layer, convolution = LocallyConnected(2, 3, 5), torch.nn.Conv2d(2, 3, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_(convolution.weight.flatten(1).expand(25, 3, 18))
        layer.bias.copy_(convolution.bias.expand(25, 3))
    x = torch.randn(4, 2, 5, 5)
    torch.testing.assert_close(layer(x), convolution(x))
    assert params(layer) == 25 * params(convolution)


def test_a_shortcut_around_any_number_of_convolutions_adds_no_parameter():
    assert len({params(SkipNet(every)) for every in (0, 1, 2, 3, 4, 6, 12)}) == 1
    with pytest.raises(ValueError):
        SkipNet(5)


def test_deep_networks_are_those_of_the_zoo_in_one_width():
    net = zoo.build_model("resnet20_cifar", widths=(12, 12, 12), in_chans=1)
    assert params(DeepNet(20)) == params(net)
    assert params(DeepNet(20)) == params(DeepNet(20, shortcut="none"))
    assert len(DeepNet(26).blocks()) == 12


def test_initial_weights_have_the_scale_that_suits_the_activation():
    torch.manual_seed(0)
    for activation, gain in (("relu", 2), ("tanh", 1)):
        layer = ConvNet((64, 64, 64), activation=activation).features[3]
        assert layer.weight.var().item() * 64 * 9 == pytest.approx(gain, rel=0.05)
    torch.manual_seed(1)
    plain = ConvNet()
    torch.manual_seed(1)
    scaled = ConvNet(gain=4.0)
    torch.testing.assert_close(scaled.features[0].weight, 4 * plain.features[0].weight)
    torch.testing.assert_close(scaled.fc.weight, plain.fc.weight)


def test_each_seed_divides_the_digits_anew_and_by_class(digits):
    _, labels, test = sets.arrays(digits.file)
    assert digits.test.size == 0 and digits.shape == (1797, 1, 8, 8)
    splits = [sets.divide(labels, test, seed) for seed in (0, 1)]
    for split in splits:
        assert len(split.test) == 500 and len(np.union1d(split.train, split.test)) == 1797 and not split.choose.size
        share = np.bincount(labels[split.test]) / np.bincount(labels)
        assert np.abs(share - 500 / 1797).max() < 0.01
    assert 100 < len(np.intersect1d(splits[0].test, splits[1].test)) < 180  # 139 are expected of fresh draws


def test_a_given_test_part_stays_and_a_seed_draws_the_others():
    labels, test = np.repeat(np.arange(3), 6000), np.arange(18000) % 4 == 0
    one, other = (sets.divide(labels, test, seed) for seed in (0, 1))
    assert len(one.train) == len(other.train) == sets.MOST and not np.array_equal(one.train, other.train)
    assert np.array_equal(one.test, np.flatnonzero(test)) and np.array_equal(one.test, other.test)
    assert len(one.choose) == sets.MOST // 10 and not np.intersect1d(one.choose, one.train).size
    assert not test[one.train].any() and not test[one.choose].any()
    whole = sets.divide(labels, test, 0, most=None)
    assert len(whole.train) + len(whole.choose) == 13500 and len(whole.choose) == len(whole.train) // 10


@given(st.integers(20, 300), st.floats(0, 0.5), st.integers(2, 10), st.integers(0, 5))
def test_wrong_labels_are_so_many_and_what_is_left_out_are_those_images(n, share, classes, seed):
    labels, rows = np.arange(400) % classes, np.arange(0, 400, 1)
    of = Part(images=n, wrong=share)
    taken, noisy = sets.taken(labels, rows, of, classes, seed)
    clean, same = sets.taken(labels, rows, replace(of, dropped=True), classes, seed)
    changed = np.flatnonzero(noisy != labels)
    assert len(taken) == n and len(changed) == round(share * n)
    assert np.array_equal(np.setdiff1d(taken, changed), clean) and same is labels
    assert noisy.min() >= 0 and noisy.max() < classes


def test_a_large_set_without_a_test_part_trains_no_more_than_others():
    found = sets.divide(np.repeat(np.arange(3), 6000), np.zeros(18000, bool), 0)
    assert len(found.train) == sets.MOST and len(found.test) == round(18000 * sets.TEST_SHARE)
    assert not set(found.train) & set(found.test)


@pytest.mark.parametrize("side, written", [(1, 4), (6, 8), (8, 8), (28, 28), (30, 32), (31, 32), (224, 32)])
def test_images_have_a_side_that_two_halvings_divide(tmp_path, side, written):
    np.savez(tmp_path / "own.npz", images=np.zeros((8, side, side), np.uint8), labels=np.arange(8) % 2)
    found = sets.write_images(str(tmp_path / "own.npz"), tmp_path / "out")
    assert found.shape == (8, 1, written, written) and sets.side_of(load(tmp_path / "own.npz")) == written
    for arguments in ({"pooling": "stride"}, {}, {"extras": ("unshared",)}):
        net = ConvNet(**arguments, num_classes=2, in_chans=1, input_size=written)
        assert net(torch.zeros(2, 1, written, written)).shape == (2, 2)


@pytest.mark.parametrize("damage", [b"", b"no archive", "half", "other"])
def test_a_damaged_file_of_images_is_said_in_one_line(tmp_path, damage):
    images = sets.write_images("digits", tmp_path)
    if damage == "other":
        np.savez(images.file, pixels=np.zeros(3))
    else:
        images.file.write_bytes(images.file.read_bytes()[:50_000] if damage == "half" else damage)
    with pytest.raises(OpsinError, match=r"cannot read the images in .*npz .*: remove it, and start again") as told:
        _ = images.shape
    assert "\n" not in str(told.value)
    images.file.unlink()
    assert sets.write_images("digits", tmp_path).shape == (1797, 1, 8, 8)


def test_smaller_sets_lie_inside_larger_ones():
    labels, rows = np.zeros(500, np.int64), np.arange(500)
    some = [set(sets.taken(labels, rows, Part(images=n), 2, 3)[0]) for n in (50, 100, 400)]
    assert some[0] < some[1] < some[2]


def test_shuffled_pixels_are_the_same_pixels_in_one_order():
    pixels = np.arange(2 * 3 * 16, dtype=np.uint8).reshape(2, 3, 4, 4)
    other = sets.shuffled(pixels)
    order = other[0, 0].ravel().argsort()
    assert not np.array_equal(other, pixels)
    assert np.array_equal(other.reshape(2, 3, 16)[:, :, order], pixels.reshape(2, 3, 16))


def test_a_trial_repeats_bit_for_bit_and_is_not_run_twice(digits, tmp_path):
    trial = quick(every=10)
    job = Job(trial, digits, tmp_path / name_of(trial, digits))
    first = run(job, lambda news: None)
    assert first["status"] == "ok" and 0 < first["test_error"] < 0.5
    assert [step for step, *_ in first["curve"]] == [10, 20]
    job.file.write_text(json.dumps(first | {"test_error": -1}))
    assert run(job, lambda news: None)["test_error"] == -1
    job.file.write_text("{")
    again = run(job, lambda news: None)
    assert first | {"seconds": 0} == again | {"seconds": 0}
    assert (first["machine"]["device"], first["machine"]["torch"]) == ("cpu", torch.__version__)
    assert len(first["test"]) == 500 and set(first["wrong"]) <= set(first["test"])
    assert first["test_error"] == len(first["wrong"]) / 500


def test_another_trial_has_another_name_and_the_name_of_its_recipe_is_none_of_it(digits):
    trial = quick()
    others = [
        quick(rate=0.1),
        quick(network="mlp"),
        replace(trial, seed=1),
        quick(part=Part(images=10)),
        quick(every=2),
    ]
    assert len({name_of(each, digits) for each in (trial, *others)}) == 6
    assert name_of(trial, replace(digits, most=None)) != name_of(trial, digits)
    assert name_of(replace(trial, recipe=replace(trial.recipe, name="other")), digits) == name_of(trial, digits)


def test_what_diverges_errs_as_guessing_does(digits):
    found = trained(quick(rate=1e6, epochs=2), digits, torch.device("cpu"))
    assert found["status"].startswith("diverged") and found["test_error"] == found["train_error"] == 0.9


def deep(digits, shortcut="A", depth=8):
    pixels, labels, test = sets.arrays(digits.file)
    torch.manual_seed(0)
    split = sets.divide(labels, test, 0)
    from opsin.data.preprocess import Preprocess
    from opsin.data.store import Stored
    from opsin.engine.feed import Data

    data = Data(Stored(pixels), labels, split.train, split.choose, Preprocess(size=8, channels=1), classes=10)
    return Trained(DeepNet(depth, shortcut=shortcut).eval(), data, split.test, torch.Generator().manual_seed(0))


def test_gradients_over_all_paths_add_up_to_the_gradient(digits):
    at = deep(digits)
    net, (x, labels) = at.net.double(), at.batch(16)
    x = x.double().requires_grad_()
    (whole,) = torch.autograd.grad(F.cross_entropy(net(x), labels), x)
    n = len(net.blocks())
    chosen = [set(some) for k in range(n + 1) for some in itertools.combinations(range(n), k)]
    parts = [torch.autograd.grad(F.cross_entropy(through(net, x, some), labels), x)[0] for some in chosen]
    assert len(parts) == 8
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(through(net, x, set()), net(x))


def test_a_block_left_out_is_its_shortcut_and_comes_back(digits):
    at = deep(digits)
    before = at.net(torch.ones(1, 1, 8, 8))
    name, block = at.net.blocks()[0]
    x = torch.rand(2, 12, 8, 8)
    with without(at.net, [name]):
        torch.testing.assert_close(at.net.get_submodule(name)(x), x)
    assert at.net.get_submodule(name) is block
    torch.testing.assert_close(at.net(torch.ones(1, 1, 8, 8)), before)


def test_lesions_spare_what_a_plain_network_cannot_lose(digits):
    found = lesions(deep(digits, shortcut="none"))
    assert [error is None for error in found["single"]] == [False, True, True]  # the others halve the maps
    assert set(found["several"]) == set()
    whole = lesions(deep(digits))
    assert None not in whole["single"] and set(whole["several"]) == {"1", "2"}


def test_the_mass_of_paths_counts_how_many_there_are(digits):
    found = paths(deep(digits))
    norms, n = found["norms"], found["blocks"]
    mass = [c * norm for c, norm in zip([1, 3, 3, 1], norms, strict=True)]
    assert n == 3 and found["mass"] == pytest.approx([m / sum(mass) for m in mass])
