"""Opsin: the landmark networks of image recognition, each as its paper has it, compared on your own images.

    opsin.list_models("resnet*")            names of networks
    opsin.card("resnet50")                  what is known of one: paper, printed figures, exact counts, departures
    opsin.create_model("resnet50")          the network, a torch.nn.Module
    opsin.features(net)                     its maps, for what is built upon them
    opsin.cost("resnet50")                  its cost sheet, layer by layer; takes any module
    opsin.run_comparison(opsin.Request("photos/"))  what `opsin compare photos/` does
    opsin.run_training(opsin.Training("photos/", "resnet18"))  what `opsin train` does
    opsin.evaluate(folder, "photos/")       how good a trained network is, class by class
    opsin.Bundle.read(folder)               a trained network with its classes and preprocessing

Importing it does not import torch: a name is looked up when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Bundle": "opsin.bundle",
    "Evaluation": "opsin.evaluation",
    "Training": "opsin.training.training",
    "Card": "opsin.cards",
    "CostSheet": "opsin.costs.sheet",
    "OpsinError": "opsin.errors",
    "Preprocess": "opsin.data.preprocess",
    "Recipe": "opsin.engine.recipe",
    "Request": "opsin.compare.request",
    "card": "opsin.zoo",
    "cost": "opsin.costs.sheet",
    "count_model": "opsin.costs.count",
    "create_model": "opsin.weights.create",
    "era": "opsin.recipes",
    "evaluate": "opsin.evaluation",
    "features": "opsin.pyramid",
    "list_models": "opsin.zoo",
    "recipe": "opsin.recipes",
    "run_comparison": "opsin.compare.comparison",
    "run_training": "opsin.training.run",
}
__all__ = [*_PUBLIC, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from opsin.bundle import Bundle as Bundle
    from opsin.cards import Card as Card
    from opsin.compare.comparison import run_comparison as run_comparison
    from opsin.compare.request import Request as Request
    from opsin.costs.count import count_model as count_model
    from opsin.costs.sheet import CostSheet as CostSheet
    from opsin.costs.sheet import cost as cost
    from opsin.data.preprocess import Preprocess as Preprocess
    from opsin.engine.recipe import Recipe as Recipe
    from opsin.errors import OpsinError as OpsinError
    from opsin.evaluation import Evaluation as Evaluation
    from opsin.evaluation import evaluate as evaluate
    from opsin.pyramid import features as features
    from opsin.recipes import era as era
    from opsin.recipes import recipe as recipe
    from opsin.training.run import run_training as run_training
    from opsin.training.training import Training as Training
    from opsin.weights.create import create_model as create_model
    from opsin.zoo import card as card
    from opsin.zoo import list_models as list_models


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'opsin' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
