"""A recipe: all that decides a training run apart from the network, the data and the seed."""

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from opsin.errors import OpsinError, unknown


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        name: how people call it.
        epochs: passes over the training part.
        batch_size: images a step, at most; an epoch's steps are of nearly equal size. None for what suits the number
            of training images (see `batch`).
        optimizer: "adamw" or "sgd" (with `momentum`).
        learning_rate: the peak, after warm-up.
        momentum: of SGD; AdamW has its usual (0.9, 0.999).
        weight_decay: decoupled for AdamW; never on biases, normalisations or other vectors.
        warmup: share of the steps in which the rate rises linearly from zero.
        schedule: "cosine" to zero, or "constant", after the warm-up.
        label_smoothing: share of the target spread evenly over all classes.
        aux_weight: what the loss of an auxiliary head (GoogLeNet, Inception-v3) counts beside the network's own.
        clip_norm: the gradient's greatest norm; None for no limit.
        head_epochs: epochs, the first ones, in which only the last layer learns; in the last epoch all layers do.
        stem_rate: the learning rate of the first layer as a share of the last one's; it grows geometrically between.
        augment: "auto" for shifts and flips suited to the data (grey images are never flipped), or "none".
        rates: factors on `learning_rate` that the comparison's short probe tries on validation.
        probe: share of the epochs that one such probe takes.
    """

    name: str
    epochs: int = 30
    batch_size: int | None = None
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 0.05
    warmup: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    label_smoothing: float = 0.1
    aux_weight: float = 0.3
    clip_norm: float | None = 1.0
    head_epochs: int = 0
    stem_rate: float = 1.0
    augment: Literal["auto", "none"] = "auto"
    rates: tuple[float, ...] = (1 / 3, 1.0, 3.0)
    probe: float = 0.2

    def __post_init__(self):
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "batch_size must be at least 2": self.batch_size is None or self.batch_size >= 2,
            "optimizer must be adamw or sgd": self.optimizer in ("adamw", "sgd"),
            "learning_rate must be above 0, and finite": 0 < self.learning_rate < math.inf,
            "weight_decay must not be negative": self.weight_decay >= 0,
            "warmup must be a share from 0 to 1": 0 <= self.warmup <= 1,
            "schedule must be cosine or constant": self.schedule in ("cosine", "constant"),
            "label_smoothing must be from 0 to below 1": 0 <= self.label_smoothing < 1,
            "aux_weight must not be negative, and finite": 0 <= self.aux_weight < math.inf,
            "clip_norm must be above 0": self.clip_norm is None or self.clip_norm > 0,
            "head_epochs must not be negative": self.head_epochs >= 0,
            "stem_rate must be a share above 0, at most 1": 0 < self.stem_rate <= 1,
            "augment must be auto or none": self.augment in ("auto", "none"),
            "rates must be one or more factors above 0": bool(self.rates) and min(self.rates) > 0,
            "probe must be a share above 0, at most 1": 0 < self.probe <= 1,
        }
        for mend, holds in checks.items():
            if not holds:
                raise OpsinError(f"recipe {self.name!r}: {mend}")

    def batch(self, images: int) -> int:
        """Images a step, for so many training images: 32, 64 or 128, about 50 steps an epoch, unless it is set."""
        if self.batch_size is not None:
            return self.batch_size
        return next((size for size in (32, 64) if images <= 50 * size), 128)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"rates": list(self.rates)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Raises OpsinError for a key that a recipe does not have, naming the nearest ones, or for a wrong value."""
        from pydantic import TypeAdapter, ValidationError

        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise unknown("key of a recipe", key, known)
        try:
            return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            line = f"recipe: {where or 'name'}: {first['msg']}, not {first['input']!r}"
            raise OpsinError(line[:200]) from None

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Reads a .toml or .json file. Raises OpsinError where it cannot be read as a recipe."""
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        except (OSError, ValueError) as error:
            raise OpsinError(f"cannot read the recipe {path}: {error}") from None
        if not isinstance(values, dict):
            raise OpsinError(f"cannot read the recipe {path}: it must be a table of keys and values")
        return cls.from_dict({"name": path.stem} | values)
