"""The engine: runs repeat bit for bit, broken or not, and a loss that is no number stops them."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from opsin.data.augment import Flip, Lighting, RandAugment, RandomCrop
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine import train as engine
from opsin.engine.average import EMA
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.feed import Feed
from opsin.engine.optim import learning_rate, make_optimizer
from opsin.engine.optimizers import SGD, AdamW
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Constant, Steps
from opsin.errors import OpsinError
from opsin.models.network import Network
from opsin.tasks.classify import Classify

CPU = torch.device("cpu")
RECIPE = Recipe(name="test", epochs=4, batch_size=8, learning_rate=0.01)
TASK = Classify(0.1)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    images = rng.integers(0, 60, (40, 1, 12, 12), dtype=np.uint8)
    for i, label in enumerate(labels):
        images[i, :, label * 3 : label * 3 + 3] += 150
    return engine.Data(Stored(images), labels, np.arange(30), np.arange(30, 40), Preprocess(size=12, channels=1))


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(384, 4),
    )


class Named(Network):
    """The same, with a last layer that the engine knows."""

    last_layer = "layers.6"

    def __init__(self, seed=0):
        super().__init__()
        self.layers = network(seed)

    def forward(self, x):
        return self.layers(x)


def weights(net):
    return {key: value.clone() for key, value in net.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


def fit(data, recipe=RECIPE, net=None, **arguments):
    net = net or network()
    history = engine.train(net, data, recipe, TASK, seed=arguments.pop("seed", 3), device=CPU, **arguments)
    return weights(net), history


def without_time(history):
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in history]


def test_it_learns_and_repeats_bit_for_bit(data):
    first, history = fit(data)
    torch.rand(7)  # a random state of the caller's must not matter
    second, again = fit(data)
    assert same(first, second)
    assert without_time(history) == without_time(again)
    assert history[-1]["val_top1"] == 1.0
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]


def test_another_seed_is_another_run(data):
    assert not same(fit(data)[0], fit(data, seed=4)[0])


@pytest.mark.parametrize("optimizer", [AdamW(), SGD()])
@pytest.mark.parametrize("broken_after", [1, 3])
def test_a_broken_run_goes_on_to_the_same_bits(data, tmp_path, optimizer, broken_after):
    recipe = replace(RECIPE, optimizer=optimizer)
    whole, history = fit(data, recipe)

    def stop(metrics):
        if metrics["epoch"] == broken_after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, recipe, checkpoints=Checkpoints(tmp_path, seconds=0.0), on_epoch=stop)
    seen = []
    resumed, rest = fit(
        data, recipe, net=network(9), checkpoints=Checkpoints(tmp_path, seconds=0.0), on_epoch=seen.append
    )
    assert [epoch["epoch"] for epoch in seen] == list(range(broken_after + 1, 5))
    assert same(whole, resumed)
    assert without_time(rest) == without_time(history)


FIRST_THE_HEAD = replace(RECIPE, head_epochs=2, stem_rate=0.1)


def moved(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


@pytest.mark.parametrize("broken_after", [1, 2, 3])
def test_a_broken_fine_tuning_goes_on_to_the_same_bits(data, tmp_path, broken_after):
    """Broken while the last layer learns alone, just after that, and later."""
    whole, history = fit(data, FIRST_THE_HEAD, Named())

    def stop(metrics):
        if metrics["epoch"] == broken_after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(data, FIRST_THE_HEAD, Named(), checkpoints=Checkpoints(tmp_path, seconds=0.0), on_epoch=stop)
    resumed, rest = fit(data, FIRST_THE_HEAD, Named(9), checkpoints=Checkpoints(tmp_path, seconds=0.0))
    assert same(whole, resumed)
    assert without_time(rest) == without_time(history)


def test_the_last_layer_learns_first_and_the_whole_network_in_the_last_epoch(data):
    """Also where a short probe of a learning rate has one epoch in all."""
    head, start, net, seen = {"layers.6.weight", "layers.6.bias"}, weights(Named()), Named(), []
    fit(data, FIRST_THE_HEAD, net, on_epoch=lambda metrics: seen.append(weights(net)))
    buffers = {name for name, _ in net.named_buffers()}
    assert [moved(start, after) - buffers == head for after in seen] == [True, True, False, False]
    assert moved(start, fit(data, replace(FIRST_THE_HEAD, epochs=1), Named())[0]) == set(start)


def test_a_damaged_checkpoint_is_passed_over(data, tmp_path):
    whole, _ = fit(data)
    fit(data, checkpoints=Checkpoints(tmp_path, seconds=0.0))
    newest = sorted(tmp_path.glob("epoch-*"))[-1]
    assert newest.name == "epoch-00004-step-000000016"
    path = newest / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # one bit of a weight, which safetensors itself would load
    path.write_bytes(content)
    net = network(9)
    keeper, state = Checkpoints(tmp_path), engine.State(net, make_optimizer(net, RECIPE))
    keeper.resume(state)
    assert (state.step, len(state.history)) == (16, 3)
    assert "model.safetensors is missing or damaged" in keeper.skipped[0]
    assert same(whole, fit(data, net=network(9), checkpoints=Checkpoints(tmp_path, seconds=0.0))[0])


def test_a_loss_that_is_no_number_stops_the_run(data):
    with pytest.raises(engine.Diverged, match=r"the (loss|gradient's norm) became (nan|inf) in step \d, epoch 1 \("):
        fit(data, replace(RECIPE, learning_rate=1e30, clip_norm=None, warmup=0.0))


def test_no_step_is_tiny(data, monkeypatch):
    """33 images in batches of 8: five steps of 6 or 7, never one of a single image, which batch norm refuses."""
    sizes = []
    step = engine.train_step

    def watched(net, images, *rest):
        sizes.append(len(images))
        return step(net, images, *rest)

    monkeypatch.setattr(engine, "train_step", watched)
    fit(replace(data, train=np.arange(33), val=np.arange(33, 40)), replace(RECIPE, epochs=1))
    assert sum(sizes) == 33
    assert max(sizes) <= 8
    assert min(sizes) >= 6


def test_weight_decay_leaves_biases_and_norms_alone():
    net = network()
    decayed, free = make_optimizer(net, RECIPE).param_groups
    assert {id(p) for p in decayed["params"]} == {id(net[0].weight), id(net[3].weight), id(net[6].weight)}
    assert decayed["weight_decay"] == RECIPE.weight_decay
    assert len(free["params"]) == 5
    assert free["weight_decay"] == 0


def test_the_rate_warms_up_and_ends_near_zero():
    rates = [learning_rate(replace(RECIPE, warmup=0.1), step, 100) for step in range(100)]
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert max(rates) == pytest.approx(RECIPE.learning_rate)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.01 * RECIPE.learning_rate
    assert learning_rate(replace(RECIPE, schedule=Constant(), warmup=0), 99, 100) == RECIPE.learning_rate


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "epoch": 3}, "unknown key of a recipe 'epoch'; did you mean epochs"),
        ({"name": "x", "epochs": 0}, "epochs must be at least 1"),
        ({"name": "x", "epochs": "many"}, "epochs: Input should be a valid integer, not 'many'"),
        ({"name": "x", "epochs": 1.5}, "epochs: Input should be a valid integer"),
        ({"name": "x", "clip_norm": "q"}, "clip_norm: "),
        ({"name": "x", "rates": 3}, "rates: "),
        ({"name": "x", "rates": ["a"]}, r"rates\.0: "),
        ({"name": "x", "learning_rate": float("inf")}, "learning_rate must be above 0, and finite"),
        ({"name": "x", "optimizer": "adamx"}, "unknown optimizer of a recipe 'adamx'; did you mean adam"),
        ({"name": "x", "optimizer": 3}, "optimizer must be one of sgd, adam, .* or a table with its kind, not 3"),
        ({"name": "x", "optimizer": None}, "optimizer must be one of"),
        (
            {"name": "x", "optimizer": {"kind": "sgd", "momntum": 1}},
            "key of optimizer sgd 'momntum'; did you mean momentum",
        ),
        ({"name": "x", "optimizer": {"kind": "sgd", "momentum": 1.5}}, "sgd: momentum must be from 0 to below 1"),
        (
            {"name": "x", "optimizer": {"kind": "sgd", "momentum": "a"}},
            "optimizer sgd: momentum: Input should be a valid",
        ),
        (
            {"name": "x", "schedule": {"kind": "steps", "at": [0.7, 0.5]}},
            "steps: at must be shares from 0 to 1, rising",
        ),
        ({"epochs": 3}, "name: Field required"),
    ],
)
def test_a_wrong_recipe_is_one_line(values, message):
    with pytest.raises(OpsinError, match=message):
        Recipe.from_dict(values)


def test_recipes_survive_files(tmp_path):
    recipe = replace(RECIPE, clip_norm=None, rates=(0.5, 1.0), schedule=Steps((0.5, 0.75)), average=EMA(0.2))
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    (tmp_path / "mine.toml").write_text('epochs = 3\noptimizer = "sgd"\nschedule = {kind = "steps", at = [0.5]}\n')
    assert Recipe.read(tmp_path / "mine.toml") == Recipe("mine", epochs=3, optimizer=SGD(), schedule=Steps((0.5,)))
    with pytest.raises(OpsinError, match=r"cannot read the recipe .*none\.toml"):
        Recipe.read(tmp_path / "none.toml")


def test_each_augmentation_has_draws_of_its_own_wherever_the_crop_stands(data):
    recipe = replace(RECIPE, augment=(RandAugment(), RandomCrop(), Flip()))
    feed = Feed(replace(data, originals=SimpleNamespace()), recipe, 0)
    assert sorted(place for place, _ in [feed.crop, *feed.each, *feed.before]) == [0, 1, 2]


def test_colours_are_learned_from_few_pixels(data, monkeypatch):
    """Of images of any size at most 64 x 64 px, of at most 500 images, spread over all."""
    seen = []
    monkeypatch.setattr(Lighting, "fit", lambda self, images: seen.append(images))
    side, n = 150, 700
    images = np.broadcast_to(np.arange(n).astype(np.uint8)[:, None, None, None], (n, 3, side, side))
    large = replace(data, images=Stored(images.copy()), train=np.arange(n), preprocess=Preprocess(side, 3))
    Feed(large, replace(RECIPE, augment=(Lighting(),)), 0)
    assert seen[0].shape == (500, 3, 50, 50) and seen[0][-1].max() == (n - 1) % 256
