"""Which recipe is a network's own, and what of a recipe a network can take."""

import inspect
from dataclasses import replace
from fnmatch import fnmatchcase

from opsin import zoo
from opsin.engine.recipe import Recipe

NETWORKS = {
    "lenet1989": "lenet1989",
    "lenet5": "lenet5",
    "ciresan_mlp*": "ciresan_2010",
    "multiscale_*": "multiscale",
    "singlescale_*": "multiscale",
    "alexnet_owt*": "alexnet_owt",
    "alexnet*": "alexnet",
    "nin": "nin",
    "nin_*": "nin_cifar",
    "overfeat_*": "overfeat",
    "vgg*": "vgg",
    "googlenet*": "googlenet",
    "bn_inception*": "bn_inception",
    "inception_v3*": "inception_v3",
    "inception_v4*": "inception_v4",
    "inception_resnet_*": "inception_v4",
    "resnet110_cifar": "resnet110_cifar",
    "resnet1202_cifar": "resnet110_cifar",
    "resnet164_cifar": "preact_resnet_cifar",
    "resnet1001_cifar": "preact_resnet_cifar",
    "resnet*_cifar": "resnet_cifar",
    "plain*_cifar": "resnet_cifar",
    "resnet*": "resnet",
    "plain*": "resnet",
    "squeezenet*": "squeezenet",
    "preact_resnet*_cifar": "preact_resnet_cifar",
    "preact_resnet_32": "preact_resnet_cifar",
    "preact_resnet*": "preact_resnet",
    "fractalnet34": "fractalnet",
    "fractalnet*": "fractalnet_cifar",
    "enet*": "enet",
    "densenet*_cifar": "densenet_cifar",
    "densenet_32": "densenet_cifar",
    "densenet*": "densenet",
    "xception*": "xception",
    "mobilenet_v1_*": "mobilenet_v1",
    "se_*": "senet",
    "senet*": "senet",
    "mobilenet_v2_*": "mobilenet_v2",
    "vit_tiny_*": "deit",
    "vit_small_*": "deit",
    "vit_*": "vit",
    "swin_*": "swin",
    "convnext_*": "convnext",
}
"""Names of networks, as shell patterns, of which the first that fits counts, and their recipes' names.

Our networks for small images (NAME_32) have what their paper has for CIFAR; where it has nothing, all of its recipe for
photos: crops are shares of an image, so that they mean the same at 32 px as at 224.
"""
DROP_PATHS = {
    "swin_small_*": 0.3,
    "swin_base_*": 0.5,
    "convnext_small": 0.4,
    "convnext_base": 0.5,
    "convnext_large": 0.5,
}
"""Stochastic depth of networks whose paper has another rate for each; that of the smallest stands in the recipe."""


def named(model: str) -> str:
    """The name of a network's recipe. Raises OpsinError for an unknown network."""
    zoo.card(model)
    return next(name for pattern, name in NETWORKS.items() if fnmatchcase(model, pattern))


def changed(model: str, recipe: Recipe) -> Recipe:
    """The family's recipe with what its paper says of this network alone."""
    for pattern, rate in DROP_PATHS.items():
        if fnmatchcase(model, pattern):
            recipe = replace(recipe, arguments={"drop_path": rate})
    if model == "senet154":
        recipe = replace(recipe, label_smoothing=0.1)
    if recipe.start_from and model not in ("vgg13", "vgg16", "vgg19"):
        recipe = replace(recipe, start_from=None)
    return recipe


def arguments_of(model: str) -> tuple[str, ...]:
    """The names of what a network's constructor takes."""
    return tuple(inspect.signature(zoo.card(model).build).parameters)


def suited(model: str, recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe without the arguments of a constructor that the network does not take, and a line that says so."""
    taken = arguments_of(model)
    spare = [key for key in recipe.arguments if key not in taken]
    if not spare:
        return recipe, ()
    kept = {key: value for key, value in recipe.arguments.items() if key in taken}
    return replace(recipe, arguments=kept), (f"without {', '.join(spare)}, which the network does not have",)
