"""Recipes against their papers' sentences and arithmetic, and over the whole zoo."""

import inspect
import math
import re
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
from PIL import Image

from opsin import zoo
from opsin.data.augment import AreaCrop, Elastic, Flip, Jitter, Lighting, RandAugment, RandomCrop, Shift
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine.optim import learning_rate
from opsin.engine.train import Data, train
from opsin.errors import OpsinError
from opsin.recipes import ERAS, MODERN, RECIPES, era, fitted, recipe
from opsin.recipes.entry import IMAGENET
from opsin.recipes.networks import DROP_PATHS, NETWORKS, named
from opsin.tasks.classify import Classify


def rate(name, share):
    """The learning rate when so much of a run is done."""
    return learning_rate(RECIPES[name], round(share * 100_000), 100_000)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("vgg", 370_000),  # "after 370K iterations (74 epochs)"
        ("resnet", 600_000),  # "up to 60 x 10^4 iterations", batches of 256
        ("resnet_cifar", 64_000),  # "terminate training at 64k iterations"
        ("preact_resnet_cifar", 64_000),
        ("squeezenet", 170_000),  # max_iter of the released solver, 32 x 16 images each
        ("bn_inception", 6_000_000),  # "it takes 6 * 10^6 steps to reach 74.8 %", batches of 32
        ("googlenet", 31_000_000),  # table of figure 3: Inception, "31.0 * 10^6" steps
        ("lenet1989", 167_693),  # 23 passes through 7,291 digits: "167,693 presentations" is 23 x 7,291
        ("fractalnet_cifar", 200_000),  # 400 epochs of 500 steps
    ],
)
def test_steps_are_the_papers(name, printed):
    assert ERAS[name].steps == pytest.approx(printed, rel=0.01)


def test_64k_steps_are_164_epochs_of_all_images_and_182_of_the_smaller_part():
    assert 64_000 / math.ceil(50_000 / 128) == pytest.approx(164, abs=0.5)
    assert 64_000 / math.ceil(45_000 / 128) == pytest.approx(182, abs=0.5)


def test_rates_as_printed():
    table = [
        ("alexnet_owt", 0.0, 0.01), ("alexnet_owt", 0.99, 0.01 / 250),  # by a factor of 250 in four steps
        ("googlenet", 0.999, 0.0015 * 0.96**95), ("googlenet", 8.5 / 768, 0.0015 * 0.96),
        ("bn_inception", 0.999, 0.045 * 0.96**111), ("bn_inception", 8.5 / 150, 0.045 * 0.96**6),  # six times as fast
        ("inception_v3", 0.999, 0.045 * 0.94**49), ("inception_v3", 2.5 / 100, 0.045 * 0.94),
        ("mobilenet_v2", 0.5001, 0.045 * 0.98**150), ("ciresan_2010", 0.9999, 1e-6), ("ciresan_2010", 0.0, 1e-3),
        ("resnet110_cifar", 399 / 64_000, 0.01), ("resnet110_cifar", 402 / 64_000, 0.1),
        ("resnet110_cifar", 0.49, 0.1), ("resnet110_cifar", 0.51, 0.01), ("resnet110_cifar", 0.76, 0.001),
        ("lenet5", 1.5 / 20, 5e-4), ("lenet5", 3 / 20, 2e-4), ("lenet5", 7 / 20, 1e-4),
        ("lenet5", 11 / 20, 5e-5), ("lenet5", 13 / 20, 1e-5),
        ("overfeat", 29 / 90, 0.05), ("overfeat", 55 / 90, 0.0125),
        ("overfeat", 0.99, 0.05 / 32), ("squeezenet", 0.5, 0.02), ("senet", 0.95, 0.0006),
        ("preact_resnet", 31 / 90, 0.01), ("densenet", 61 / 90, 0.001), ("densenet_cifar", 0.6, 0.01),
        ("fractalnet_cifar", 351 / 400, 2e-5), ("fractalnet", 36 / 70, 1e-4), ("enet", 0.5, 5e-5),
        ("convnext", 20 / 300, 4e-3), ("deit", 5 / 300, 1e-3), ("swin", 20 / 300, 1e-3), ("vit", 0.99999, 0.0),
    ]  # fmt: skip
    for name, share, printed in table:
        assert rate(name, share) == pytest.approx(printed, rel=0.01, abs=1e-8), (name, share)


def test_shares_are_the_papers_lengths():
    steps = ERAS["vit"].steps
    assert RECIPES["vit"].warmup * steps == pytest.approx(10_000)
    assert steps == 300 * 313
    assert RECIPES["convnext"].average.weight(90_000, ERAS["convnext"].steps) == pytest.approx(1 - 0.9999, rel=0.01)
    assert RECIPES["inception_v3"].average.weight(10**6, ERAS["inception_v3"].steps) == pytest.approx(1e-4, rel=0.01)
    assert RECIPES["deit"].learning_rate == 0.0005 * 1024 / 512
    assert RECIPES["xception"].batch_size == 60 * 32
    assert math.isclose(0.96**112, 0.01, rel_tol=0.04)  # BN-Inception's rate ends at a hundredth


def test_crops_are_of_256_px():
    for name, side in (("alexnet", 224), ("overfeat", 221), ("squeezenet", 227)):
        crop = RECIPES[name].augment[0]
        assert crop.low == crop.high == pytest.approx(256 / side)
    assert [RECIPES["vgg"].augment[0].high, RECIPES["resnet"].augment[0].high] == pytest.approx([512 / 224, 480 / 224])


def test_every_recipe_has_a_source():
    for name, entry in ERAS.items():
        assert entry.recipe.name == name
        assert entry.paper and entry.printed
        if not entry.images:
            assert entry.paper.startswith("ours")
        else:
            assert str(entry.year)[:2] in ("19", "20")
            assert entry.recipe.rates == (1.0,)
    years = [entry.year for entry in ERAS.values()]
    assert years == sorted(years)
    assert sum(entry.images == IMAGENET for entry in ERAS.values()) > 15
    with pytest.raises(OpsinError, match="unknown recipe 'alexnett'; did you mean alexnet"):
        recipe("alexnett")


def test_our_own_recipe_has_not_changed():
    """docs/log.md has results with it."""
    told = MODERN.to_dict()
    assert told["optimizer"] == {"kind": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    assert (told["epochs"], told["learning_rate"], told["weight_decay"], told["warmup"]) == (30, 3e-3, 0.05, 0.05)
    assert (told["label_smoothing"], told["clip_norm"], told["augment"], told["mix"]) == (0.1, 1.0, "auto", None)
    assert told["schedule"] == {"kind": "cosine", "end": 0.0} and told["average"] is None


def test_every_network_has_the_recipe_of_its_paper():
    """Its year is the card's, or that of an earlier paper of the family; its arguments build the network."""
    early = {"preact_resnet_cifar", "inception_v4", "deit"}
    seen = set()
    for model in zoo.list_models():
        own = era(model)
        seen.add(own.name)
        assert abs(ERAS[own.name].year - zoo.card(model).year) <= 1 or own.name in early, model
        assert own.arguments.keys() <= inspect.signature(zoo.card(model).build).parameters.keys(), model
        if own.start_from:
            zoo.card(own.start_from)
        assert ("cifar" in own.name) >= model.endswith("_cifar"), model
    assert seen == RECIPES.keys() - {"modern", "photos", "finetune"}
    assert {NETWORKS[pattern] for pattern in NETWORKS} == seen
    with pytest.raises(OpsinError, match="unknown model 'resnet5'; did you mean resnet50"):
        era("resnet5")


def test_no_pattern_is_hidden_behind_another():
    first = {next(pattern for pattern in NETWORKS if fnmatchcase(model, pattern)) for model in zoo.list_models()}
    assert first == NETWORKS.keys()


def test_stochastic_depth_is_what_the_cards_tell():
    for model in zoo.list_models("swin_*") + zoo.list_models("convnext_*"):
        told = re.search(r"drop-path rate of ([\d.]+);", " ".join(zoo.card(model).departures))
        if told:
            assert era(model).arguments == {"drop_path": float(told[1])}, model
    assert all(zoo.list_models(pattern) for pattern in DROP_PATHS)


def test_what_a_paper_says_of_one_network_alone():
    assert [era(f"vgg{n}").start_from for n in (11, 13, 16, 19)] == [None, "vgg11", "vgg11", "vgg11"]
    assert era("vgg16_bn").start_from is None
    assert (era("senet154").label_smoothing, era("se_resnet50").label_smoothing) == (0.1, 0.0)
    assert [named(model) for model in ("vit_tiny_patch16_224", "vit_base_patch16_224")] == ["deit", "vit"]
    assert [named(f"resnet{n}_cifar") for n in (56, 110)] == ["resnet_cifar", "resnet110_cifar"]


def test_a_recipe_is_fitted_to_few_images():
    changed, told = fitted(RECIPES["convnext"], 3_500, 30)
    assert (changed.batch_size, changed.epochs, changed.accumulate) == (64, 30, 1)
    assert changed.learning_rate == pytest.approx(4e-3 / 8)
    assert told == (
        "epochs 300 -> 30, the schedule with them",
        "batch 4,096 -> 64, learning rate 0.004 -> 0.0005 with its square root",
    )
    changed, told = fitted(RECIPES["squeezenet"], 13_000)
    assert (changed.batch_size, changed.accumulate) == (256, 8)  # parts of 32, as before
    assert changed.learning_rate == pytest.approx(0.02)
    assert "in proportion" in told[0]
    for name, own in RECIPES.items():
        for images in (1, 30, 900, 20_000, 10**7):
            changed, told = fitted(own, images)
            assert bool(told) == (changed != own)
            batch = changed.batch(images)
            assert batch <= own.batch(images)
            if batch < own.batch(images):
                assert batch >= 16
                assert images / batch >= 50 or batch == 16
                assert batch == own.batch_size or images / (2 * batch) < 50 or 2 * batch > own.batch(images), name
        assert fitted(own, 10**7, own.epochs) == (own, ())
    changed, told = fitted(RECIPES["resnet"], 2_000, batch=512)
    assert (changed.batch_size, changed.learning_rate) == (512, pytest.approx(0.2))
    assert fitted(RECIPES["resnet"], 2_000, batch=256) == (RECIPES["resnet"], ())
    assert fitted(RECIPES["lenet5"], 100) == (RECIPES["lenet5"], ())
    assert fitted(MODERN, 100) == (MODERN, ())


def test_grey_images_are_not_mirrored():
    for own in RECIPES.values():
        changed, told = fitted(own, 10**7, channels=1)
        if isinstance(changed.augment, str):
            continue
        assert not any(isinstance(part, Flip | Lighting | Jitter | RandAugment | AreaCrop) for part in changed.augment)
        assert not any(isinstance(part, Shift) and part.flip for part in changed.augment)
        assert bool(told) == (changed.augment != own.augment)
    assert fitted(RECIPES["resnet_cifar"], 10**7, channels=1)[0].augment == (Shift(4),)
    assert fitted(RECIPES["deit"], 10**7, channels=1)[0].augment[0] == RandomCrop()
    assert isinstance(RECIPES["ciresan_2010"].augment[0], Elastic)


class Originals:
    """Images of several sizes, larger than the input."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def image(self, sample):
        mode = "L" if self.images.shape[1] == 1 else "RGB"
        pixels = self.images[sample].transpose(1, 2, 0).squeeze()
        return Image.fromarray(pixels).convert(mode).resize((40 + sample, 50))


SMALL = {
    "lenet1989": ("lenet1989", 16), "lenet5": ("lenet5", 28), "ciresan_2010": ("ciresan_mlp1", 8),
    "multiscale": ("multiscale_32", 16), "alexnet": ("alexnet_32", 16), "nin_cifar": ("nin_32", 16),
    "nin": ("nin_32", 16), "overfeat": ("overfeat_32", 16), "alexnet_owt": ("alexnet_owt_32", 16),
    "vgg": ("vgg_32", 16), "googlenet": ("googlenet_32", 16), "resnet": ("resnet20_cifar", 8),
    "resnet_cifar": ("resnet20_cifar", 8), "resnet110_cifar": ("resnet20_cifar", 8),
    "bn_inception": ("bn_inception_32", 16), "inception_v3": ("inception_v3_32", 16),
    "inception_v4": ("inception_v4_32", 16), "preact_resnet": ("preact_resnet_32", 8),
    "preact_resnet_cifar": ("preact_resnet_32", 8), "squeezenet": ("squeezenet_32", 16),
    "fractalnet": ("fractalnet_32", 8), "fractalnet_cifar": ("fractalnet_32", 8), "enet": ("enet_encoder_32", 16),
    "densenet": ("densenet_32", 8), "densenet_cifar": ("densenet_32", 8), "xception": ("xception_32", 16),
    "senet": ("se_resnet_32", 8), "mobilenet_v1": ("mobilenet_v1_32", 16), "mobilenet_v2": ("mobilenet_v2_32", 16),
    "vit": ("vit_32", 16), "deit": ("vit_32", 16), "swin": ("swin_32", 16), "convnext": ("convnext_32", 16),
    "modern": ("convnext_32", 16), "photos": ("resnet20_cifar", 8), "finetune": ("convnext_32", 16),
}  # fmt: skip
"""A network of its family, or one that trains like it, and its size."""


@pytest.mark.parametrize("name", RECIPES)
def test_it_trains_two_steps(name):
    model, size = SMALL[name]
    entry = zoo.card(model)
    channels = entry.inputs.channels
    online = RECIPES[name].batch_size == 1
    own, _ = fitted(RECIPES[name], 2 if online else 8, 1, channels=channels)
    own = own if online else type(own).from_dict(own.to_dict() | {"batch_size": 4})
    n = own.batch(8) * 2
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n + 3, channels, size, size), dtype=np.uint8)
    preprocess = Preprocess(size, channels, mean=(0.5,) * channels, std=(0.25,) * channels)
    labels, parts = np.arange(n + 3) % 10, (np.arange(n), np.arange(n, n + 3))
    data = Data(Stored(images), labels, *parts, preprocess, Originals(images), workers=1)
    torch.manual_seed(0)
    sized = {"input_size": size} if entry.inputs.fixed else {}
    net = zoo.build_model(model, num_classes=data.n_classes, **sized, **own.arguments)
    before = [p.clone() for p in net.parameters()]
    history = train(net, data, own, Classify(own.label_smoothing, own.aux_weight, own.loss), seed=0)
    assert math.isfinite(history[0]["train_loss"])
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
