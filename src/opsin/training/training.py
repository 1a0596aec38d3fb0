"""What is asked of one training."""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from opsin import recipes, zoo
from opsin.device import choose_device
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Plateau
from opsin.engine.settings import with_settings
from opsin.errors import OpsinError, unknown
from opsin.recipes.networks import arguments_of, suited
from opsin.weights import catalogue, create


@dataclass(frozen=True)
class Training:
    """Data, network and options of a training, checked on creation (OpsinError) as far as that goes without images.

    Attributes:
        data: as of `opsin.data.sources.load`.
        model: the network's name.
        recipe: a name, "era" for that of the network's own paper, or a .toml or .json file; by default "modern" from
            scratch and "finetune" from public weights.
        settings: changes to the recipe, "learning_rate=0.1" or "optimizer.momentum=0.8".
        epochs: passes over the training part, instead of the recipe's.
        seed: of the initial weights, the order of the images and all that is drawn.
        pretrained: weights to start from, as of `opsin.create_model`: "default" for the network's first public ones, a
            library's, or a file; None for the initial weights of the paper.
        input_size: the images' side in pixels; by default that of the weights; else of the network's paper for
            photos, and the images' own for small ones.
        val: the share of images that validate (of train, where there is a test part); 0 trains on them, too.
        groups: as of `load`: images of one group stay in one part.
        root: where copies of named sets lie.
        skip_bad: whether images that cannot be read are left out, and listed, instead of stopping the training.
        out: the folder of the run; by default opsin-runs/<data>-<network>-<hash of what was asked>.
        device: "auto", "cpu", "cuda" or "mps".
        workers: threads that decode images during the run; by default one for each core.
        compiled: runs the network's steps through torch.compile.
        deterministic: lets only such operations run on CUDA as give the same bits again; on a CPU all do.
        save_steps: steps after which a checkpoint is due; it is after 30 seconds in any case.
        command: the command line, for the record.
    """

    data: str
    model: str
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    epochs: int | None = None
    seed: int = 0
    pretrained: str | None = None
    input_size: int | None = None
    val: float | None = None
    groups: str | None = None
    root: str | None = None
    skip_bad: bool = False
    out: Path | None = None
    device: str = "auto"
    workers: int | None = None
    compiled: bool = False
    deterministic: bool = False
    save_steps: int | None = None
    command: str = ""

    def __post_init__(self) -> None:
        card = zoo.card(self.model)
        checks = {
            f"{self.model} does not classify images (its task: {card.task}): take another network": card.task
            == "classify",
            f"--epochs must be at least 1, not {self.epochs}": self.epochs is None or self.epochs >= 1,
            f"--seed must not be negative, not {self.seed}": self.seed >= 0,
            f"--workers must not be negative, not {self.workers}": self.workers is None or self.workers >= 0,
            f"--save-steps must be at least 1, not {self.save_steps}": self.save_steps is None or self.save_steps >= 1,
        }
        for line, holds in checks.items():
            if not holds:
                raise OpsinError(line)
        if self.input_size is not None:
            card.inputs.check(self.model, self.input_size)
        choose_device(self.device)
        if self.pretrained == "default":
            object.__setattr__(self, "pretrained", catalogue.find(self.model, True).name)
        recipe, _ = self.fitted_recipe(100, 3)
        if self.val == 0 and isinstance(recipe.schedule, Plateau):
            raise OpsinError(
                f"recipe {recipe.name!r} lowers its rate when the validation loss stands still, and "
                "no image validates: leave out --val 0, or choose another schedule, such as --set schedule=cosine"
            )

    @property
    def recipe_is_ours(self) -> bool:
        """Whether it is one by name, which is fitted to the images, and not from a file."""
        return self.recipe is None or self.recipe == "era" or self.recipe in recipes.RECIPES

    @property
    def named_recipe(self) -> Recipe:
        """The recipe that was named, as it is."""
        if self.recipe == "era":
            return recipes.era(self.model)
        return recipes.recipe(self.recipe or ("finetune" if self.pretrained else "modern"))

    def fitted_recipe(self, images: int, channels: int) -> tuple[Recipe, tuple[str, ...]]:
        """The recipe for so many training images, with the epochs and settings asked for, and its changes in words.

        A recipe from a file is taken as it is, but for arguments that the network does not take. Raises OpsinError
        for such arguments among the settings.
        """
        recipe, spare = suited(self.model, self.named_recipe)
        notes = ()
        if self.recipe_is_ours:
            own_batch = any(setting.partition("=")[0].strip() == "batch_size" for setting in self.settings)
            batch = with_settings(recipe, self.settings).batch_size if own_batch else None
            recipe, notes = recipes.fitted(recipe, images, self.epochs, channels=channels, batch=batch)
        elif self.epochs is not None:
            recipe = replace(recipe, epochs=self.epochs)
        recipe = with_settings(recipe, self.settings)
        taken = arguments_of(self.model)
        for argument in recipe.arguments:
            if argument not in taken:
                raise unknown(f"argument of {self.model}", argument, taken)
        return recipe, (*notes, *spare)

    def identity(self, fingerprint: str) -> dict[str, Any]:
        """What makes it another run: the images and all that changes its numbers."""
        return {
            "data": fingerprint,
            "model": self.model,
            "recipe": self.named_recipe.to_dict() | {"fitted": self.recipe_is_ours},
            "settings": list(self.settings),
            "epochs": self.epochs,
            "seed": self.seed,
            "pretrained": self.pretrained and create.fingerprint(self.pretrained),
            "input_size": self.input_size,
            "val": self.val,
            "device": choose_device(self.device).type,
            "compiled": self.compiled,
        }

    def settled(self) -> "Training":
        """The same from any working folder: files and folders by their full paths."""
        files = ("data", "root", "pretrained", *(() if self.recipe_is_ours else ("recipe",)))
        named = {name: Path(path) for name in files if (path := getattr(self, name)) and Path(path).exists()}
        return replace(self, **{name: str(path.resolve()) for name, path in named.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives an equal object back, but for `out`."""
        return asdict(self) | {"settings": list(self.settings), "out": None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Training":
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown("key of a training", key, known)
        given: dict[str, Any] = values | {"settings": tuple(values["settings"])}
        return cls(**given)
