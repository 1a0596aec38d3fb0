"""Recipes by name: each era's own, as its papers print it, and modern ones.

A recipe's lengths inside a run are shares of it, so that fewer epochs have the same shape; the epochs here are the
papers'. Where a paper does not print a number, or ours departs from it, the docstring says so. Crops of photos that
papers cut out of larger images are not among them yet.
"""

from pathlib import Path

from opsin.data.augment import Elastic, Erase, Flip, Jitter, Lighting, Shift
from opsin.engine.average import EMA, Polyak
from opsin.engine.mix import Mix
from opsin.engine.optimizers import SGD, Adam, AdamW, DiagonalLM, RMSProp
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Constant, Exponential, Levels, Plateau, Polynomial, Steps
from opsin.errors import unknown

MODERN = Recipe(name="modern")
"""What a practitioner would try first today, for every network alike: AdamW with a warm-up and a cosine, label
smoothing 0.1, weight decay 0.05, clipped gradients, shifts and (for colour images) flips. Source: the parts that the
recipes of DeiT (2020) and ConvNeXt (2022) share, without what needs hundreds of epochs (mixup, erasing, averaging).
Cost: 30 epochs, and a probe of three learning rates, 6 epochs each. Result on the built-in digits: docs/log.md."""

FINETUNE = Recipe(
    name="finetune", epochs=10, learning_rate=1e-3, warmup=0.1, head_epochs=1, stem_rate=0.1, rates=(0.3, 1.0, 3.0)
)
"""For weights that others trained: a third of the epochs; the first one for the new last layer alone, then the whole
network, its first layer at a tenth of the last one's rate. Source: the falling rates of ConvNeXt's fine-tuning (2022),
and common practice (the last layer first). Cost: 10 epochs, and three probes of 2. Result: docs/log.md."""


def plain(name: str, **values) -> Recipe:
    """A recipe without what the papers of its time did not have: warm-up, smoothing, clipping."""
    early = {"warmup": 0.0, "label_smoothing": 0.0, "clip_norm": None, "optimizer": SGD(), "schedule": Constant()}
    return Recipe(name, **(early | values))


LENET5 = plain(
    "lenet5",
    epochs=20,
    batch_size=1,
    optimizer=DiagonalLM(mu=0.02, samples=500),
    learning_rate=5e-4,
    weight_decay=0.0,
    schedule=Levels(at=(2 / 20, 5 / 20, 8 / 20, 12 / 20), levels=(0.4, 0.2, 0.1, 0.02)),
    augment="none",
)
"""LeCun et al. 1998, section III.B: 20 passes, one image a step, stochastic diagonal Levenberg-Marquardt. The curvature
is the exact diagonal of Gauss-Newton in expectation; the paper neglects what units of a layer share."""

ELASTIC_2010 = plain(
    "elastic_2010",
    epochs=800,
    batch_size=1,
    optimizer=SGD(momentum=0.0),
    learning_rate=1e-3,
    weight_decay=0.0,
    schedule=Exponential(factor=(1e-6 / 1e-3) ** (1 / 800), times=800),
    augment=(Elastic(sigma=5.5, alpha=37.0, rotation=15.0, scaling=0.16),),
)
"""Ciresan et al. 2010: digits deformed anew in every epoch, one image a step, a rate that falls from 1e-3 to 1e-6."""

ALEXNET = plain(
    "alexnet", epochs=90, batch_size=128, learning_rate=0.01, weight_decay=5e-4, schedule=Plateau(times=3),
    augment=(Flip(), Lighting(0.1)),
)  # fmt: skip
"""Krizhevsky et al. 2012, section 5: divided by ten by hand when validation stalled, three times in 90 epochs."""

VGG = plain(
    "vgg", epochs=74, batch_size=256, learning_rate=0.01, weight_decay=5e-4, schedule=Plateau(times=3),
    augment=(Flip(), Lighting(0.1)),
)  # fmt: skip
"""Simonyan and Zisserman 2014, section 3.1."""

GOOGLENET = plain(
    "googlenet", epochs=250, batch_size=128, learning_rate=0.01, weight_decay=0.0, schedule=Exponential(0.96, 31),
    average=Polyak(0.1), augment=(Flip(), Jitter()),
)  # fmt: skip
"""Szegedy et al. 2014, section 6: the rate falls by 4 % every 8 epochs. Rate, batch and epochs are not printed."""

INCEPTION_V3 = plain(
    "inception_v3", epochs=100, batch_size=32, optimizer=RMSProp(0.9, 0.0, 1.0), learning_rate=0.045, weight_decay=0.0,
    schedule=Exponential(0.94, 50), clip_norm=2.0, label_smoothing=0.1, average=EMA(), augment=(Flip(), Jitter()),
)  # fmt: skip
"""Szegedy et al. 2015, section 8: 50 replicas of batch 32; here one."""

RESNET_CIFAR = plain(
    "resnet_cifar", epochs=164, batch_size=128, learning_rate=0.1, weight_decay=1e-4, decay_all=True,
    schedule=Steps((0.5, 0.75)), augment=(Shift(4, flip=True),),
)  # fmt: skip
"""He et al. 2015, section 4.2: 64,000 steps, divided by ten after 32,000 and 48,000."""

DENSENET_CIFAR = plain(
    "densenet_cifar", epochs=300, batch_size=64, optimizer=SGD(0.9, nesterov=True), learning_rate=0.1,
    weight_decay=1e-4, decay_all=True, schedule=Steps((0.5, 0.75)), augment=(Shift(4, flip=True),),
)  # fmt: skip
"""Huang et al. 2016, section 4.2."""

SQUEEZENET = plain(
    "squeezenet", epochs=68, batch_size=512, accumulate=16, learning_rate=0.04, weight_decay=2e-4,
    schedule=Polynomial(1.0), augment=(Flip(),),
)  # fmt: skip
"""Iandola et al. 2016, the released solver: 170,000 steps of 16 times 32 images, a straight line to zero."""

FRACTALNET_CIFAR = plain(
    "fractalnet_cifar", epochs=400, batch_size=100, learning_rate=0.02, weight_decay=0.0,
    schedule=Steps((1 / 2, 3 / 4, 7 / 8, 15 / 16)), augment=(Shift(4, flip=True),),
)  # fmt: skip
"""Larsson et al. 2016, section 4: divided by ten whenever the epochs left have halved."""

MOBILENET = plain(
    "mobilenet", epochs=300, batch_size=96, optimizer=RMSProp(0.9, 0.9, 1.0), learning_rate=0.045, weight_decay=4e-5,
    schedule=Exponential(0.98, 300), augment=(Flip(),),
)  # fmt: skip
"""Sandler et al. 2018, section 6.1: 16 asynchronous GPUs, here one. Epochs are not printed."""

ENET = plain("enet", epochs=300, batch_size=10, optimizer=Adam(), learning_rate=5e-4, weight_decay=2e-4,
             schedule=Steps((1 / 3, 2 / 3)), augment=(Flip(),))  # fmt: skip
"""Paszke et al. 2016, section 5.1."""

CONVNEXT = Recipe(
    "convnext", epochs=300, batch_size=4096, optimizer=AdamW(), learning_rate=4e-3, weight_decay=0.05, warmup=20 / 300,
    label_smoothing=0.1, clip_norm=None, average=EMA(0.107), mix=Mix(0.8, 1.0), augment=(Flip(), Erase(0.25)),
)  # fmt: skip
"""Liu et al. 2022, table 5."""

RECIPES = {
    recipe.name: recipe
    for recipe in (
        MODERN, FINETUNE, LENET5, ELASTIC_2010, ALEXNET, VGG, GOOGLENET, INCEPTION_V3, RESNET_CIFAR, DENSENET_CIFAR,
        SQUEEZENET, FRACTALNET_CIFAR, MOBILENET, ENET, CONVNEXT,
    )
}  # fmt: skip


def recipe(name: str) -> Recipe:
    """A recipe by its name, or from a .toml or .json file. Raises OpsinError where there is none."""
    if name in RECIPES:
        return RECIPES[name]
    if Path(name).suffix in (".toml", ".json"):
        return Recipe.read(Path(name))
    raise unknown("recipe", name, RECIPES)
