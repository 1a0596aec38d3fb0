"""A recipe: all that decides a training run apart from the network, the data and the seed."""

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opsin.data.augment import AUGMENTATIONS, CROPS, EACH, Augmentation
from opsin.data.sampler import Balance
from opsin.engine.average import AVERAGES, EMA, Polyak
from opsin.engine.mix import MIXES, Mix
from opsin.engine.optimizers import OPTIMIZERS, AdamW, Optimizer
from opsin.engine.schedules import SCHEDULES, Cosine, Schedule
from opsin.errors import OpsinError
from opsin.parts import Part, read, read_part
from opsin.tasks.classify import Loss

PARTS: dict[str, tuple[type[Part], ...]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "average": AVERAGES,
    "mix": MIXES,
}
"""The keys whose values are parts, and the kinds of each."""
OPTIONAL = ("batch_size", "average", "mix", "clip_norm", "start_from")
"""Keys that may be None: "none" in a file, since TOML has no such value."""
Argument = bool | int | float | str | tuple[bool | int | float | str, ...]
"""What an argument of a network's constructor may be in a recipe."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. Lengths inside a run are shares of it, so that fewer epochs have the same shape.

    Attributes:
        name: how people call it.
        epochs: passes over the training part.
        batch_size: images a step, at most; an epoch's steps are of nearly equal size. None for what suits the number
            of training images (see `batch`).
        accumulate: into so many parts a step's images are divided, one after another, where memory is short.
        optimizer: see opsin.engine.optimizers.
        learning_rate: the peak, after warm-up.
        weight_decay: decoupled for AdamW, else added to the gradient.
        decay_all: whether biases, normalisations and other vectors decay too.
        warmup: share of the steps in which the rate rises linearly, from `warmup_start` of the peak.
        schedule: how the rate goes after the warm-up; see opsin.engine.schedules.
        average: of the weights, which is evaluated and kept in the place of the last ones; see opsin.engine.average.
        loss: see opsin.tasks.classify.
        label_smoothing: share of the target spread evenly over all classes.
        aux_weight: what the loss of an auxiliary head (GoogLeNet, Inception-v3) counts beside the network's own.
        clip_norm: the gradient's greatest norm; None for no limit.
        head_epochs: epochs, the first ones, in which only the last layer learns; in the last epoch all layers do.
        stem_rate: the learning rate of the first layer as a share of the last one's; it grows geometrically between.
            This is the "layer-wise decay" of BEiT and ConvNeXt: 0.8 a layer over 12 layers is 0.8^12 = 0.069.
        augment: "auto" for shifts and flips suited to the data (grey images are never flipped), "none", or parts, one
            after another; see opsin.data.augment.
        balance: "none"; "weights", so that in the loss all classes count the same; or "sampling", so that in each epoch
            all classes come equally often.
        mix: of images, and of their labels; see opsin.engine.mix.
        arguments: of the network's constructor, such as {"drop_path": 0.1}.
        start_from: a network that is trained first, under the same recipe, and some of whose layers this one starts
            with (see opsin.training.staged).
        precision: "auto" for bfloat16 on CUDA and float32 elsewhere; "float32"; "bfloat16".
        rates: factors on `learning_rate` that the comparison's short probe tries on validation.
        probe: share of the epochs that one such probe takes.
    """

    name: str
    epochs: int = 30
    batch_size: int | None = None
    accumulate: int = 1
    optimizer: Optimizer = field(default_factory=AdamW)
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    decay_all: bool = False
    warmup: float = 0.05
    warmup_start: float = 0.0
    schedule: Schedule = field(default_factory=Cosine)
    average: EMA | Polyak | None = None
    loss: Loss = "cross_entropy"
    label_smoothing: float = 0.1
    aux_weight: float = 0.3
    clip_norm: float | None = 1.0
    head_epochs: int = 0
    stem_rate: float = 1.0
    augment: Literal["auto", "none"] | tuple[Augmentation, ...] = "auto"
    balance: Balance = "none"
    mix: Mix | None = None
    arguments: dict[str, Argument] = field(default_factory=dict, hash=False)
    start_from: str | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    rates: tuple[float, ...] = (1 / 3, 1.0, 3.0)
    probe: float = 0.2

    def __post_init__(self):
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "batch_size must be at least 1": self.batch_size is None or self.batch_size >= 1,
            "accumulate must be at least 1": self.accumulate >= 1,
            "learning_rate must be above 0, and finite": 0 < self.learning_rate < math.inf,
            "weight_decay must not be negative, and finite": 0 <= self.weight_decay < math.inf,
            "warmup must be a share from 0 to 1": 0 <= self.warmup <= 1,
            "warmup_start must be a share from 0 to 1": 0 <= self.warmup_start <= 1,
            "label_smoothing must be from 0 to below 1": 0 <= self.label_smoothing < 1,
            "aux_weight must not be negative, and finite": 0 <= self.aux_weight < math.inf,
            "clip_norm must be above 0": self.clip_norm is None or self.clip_norm > 0,
            "head_epochs must not be negative": self.head_epochs >= 0,
            "stem_rate must be a share above 0, at most 1": 0 < self.stem_rate <= 1,
            "augment must be auto, none or parts": self.augment in ("auto", "none") or isinstance(self.augment, tuple),
            "augment has more than one crop": isinstance(self.augment, str)
            or sum(isinstance(part, CROPS) for part in self.augment) <= 1,
            "label_smoothing, mix and balance weights need the loss cross_entropy": self.loss == "cross_entropy"
            or (self.label_smoothing == 0 and self.mix is None and self.balance != "weights"),
            "precision must be auto, float32 or bfloat16": self.precision in ("auto", "float32", "bfloat16"),
            "rates must be one or more factors above 0": bool(self.rates) and min(self.rates) > 0,
            "probe must be a share above 0, at most 1": 0 < self.probe <= 1,
        }
        for mend, holds in checks.items():
            if not holds:
                raise OpsinError(f"recipe {self.name!r}: {mend}")

    @property
    def looks_at_originals(self) -> bool:
        """Whether it cuts crops out of the images as they came, so that they are decoded anew in each epoch."""
        return not isinstance(self.augment, str) and any(isinstance(part, CROPS + EACH) for part in self.augment)

    def batch(self, images: int) -> int:
        """Images a step, for so many training images: 32, 64 or 128, about 50 steps an epoch, unless it is set."""
        if self.batch_size is not None:
            return self.batch_size
        return next((size for size in (32, 64) if images <= 50 * size), 128)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives an equal recipe back."""
        return {each.name: plain(getattr(self, each.name)) for each in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Raises OpsinError for a key that a recipe does not have, naming the nearest ones, or for a wrong value."""
        values = {key: None if value == "none" and key in OPTIONAL else value for key, value in values.items()}
        parts: dict[str, Any] = {
            key: None if value is None and key in OPTIONAL else read_part(PARTS[key], value, key)
            for key, value in values.items()
            if key in PARTS
        }
        augment = values.get("augment", "auto")
        if isinstance(augment, list):
            parts["augment"] = tuple(read_part(AUGMENTATIONS, value, "augment") for value in augment)
        elif augment not in ("auto", "none"):
            raise OpsinError(f"recipe: augment must be auto, none or a list of parts, not {augment!r}")
        rest = {key: value for key, value in values.items() if key not in parts}
        return dataclasses.replace(read(cls, rest, "a recipe"), **parts)

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Reads a .toml or .json file, also what `opsin recipes NAME --json` prints: its `source` is left aside.

        Raises OpsinError where it cannot be read as a recipe.
        """
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        except (OSError, ValueError) as error:
            raise OpsinError(f"cannot read the recipe {path}: {getattr(error, 'strerror', None) or error}") from None
        if not isinstance(values, dict):
            raise OpsinError(f"cannot read the recipe {path}: it must be a table of keys and values")
        try:
            return cls.from_dict({"name": path.stem} | {key: values[key] for key in values if key != "source"})
        except OpsinError as error:
            raise OpsinError(f"{path}: {error}") from None


def plain(value: Any) -> Any:
    """A field as JSON has it."""
    if isinstance(value, Part):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple) else value
