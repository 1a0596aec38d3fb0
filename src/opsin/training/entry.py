"""What is trained: a network, and what it starts from."""

import inspect
from dataclasses import dataclass
from typing import Any, Literal, get_args

from opsin import zoo
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError, unknown
from opsin.watch import Watch
from opsin.weights import create
from opsin.weights.create import Origin
from opsin.weights.public import IMAGENET_MEAN, IMAGENET_STD, Weights

Start = Literal["scratch", "probe", "finetune"]
STARTS: tuple[Start, ...] = get_args(Start)
STARTED: dict[str, str] = {
    "scratch": "from scratch",
    "probe": "public weights, a new last layer",
    "finetune": "public weights, fine-tuned",
}
"""How people say it."""
COLOURS = 3
"""Channels of the images where weights do not say which they take; grey images are given three equal ones."""


@dataclass(frozen=True)
class Entry:
    """A network, and what it starts from: one row of a comparison.

    Attributes:
        model: the network.
        start: "scratch" for the initial weights of its paper; from the weights of others, "probe" for a logistic
            regression on the frozen network, "finetune" for training all of it.
        file: the weights on this disk (a file, or a folder as timm writes it); None from scratch.
        origin: where they come from.
        size: the side of the images that the weights are used with, in pixels; None where the comparison's counts.
        recipe: the name of its recipe, where a comparison has several; else "".
    """

    model: str
    start: Start = "scratch"
    file: str | None = None
    origin: Origin | None = None
    size: int | None = None
    recipe: str = ""

    @property
    def name(self) -> str:
        """Tells it apart from all others of its comparison."""
        return "-".join((self.model, *([self.start] if self.start != "scratch" else []), *filter(None, [self.recipe])))

    def preprocess(self, size: int, channels: int) -> Preprocess:
        """How its images are made: as its weights expect them, ImageNet's way where they do not say.

        From scratch plainly, of so many channels; mean and deviation are still to be measured then.
        """
        if self.origin is None:
            return Preprocess(size=size, channels=channels)
        own = self.origin.preprocess
        return own.at(size) if own else Preprocess(size, COLOURS, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def arguments(self, n_classes: int, channels: int, size: int) -> dict[str, Any]:
        """Of the network, as it is built for such images."""
        arguments = {"num_classes": n_classes, "in_chans": self.preprocess(size, channels).channels, "input_size": size}
        if self.start == "probe" and "linear_end" in inspect.signature(zoo.card(self.model).build).parameters:
            arguments["linear_end"] = True  # behind a ReLU logits would not be linear in what the last layer sees
        return arguments

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "origin": self.origin.to_dict() if self.origin else None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Entry":
        fields: dict[str, Any] = dict(values)
        fields["origin"] = Origin.from_dict(values["origin"]) if values["origin"] else None
        return cls(**fields)


def scratch(models: tuple[str, ...]) -> tuple[Entry, ...]:
    """Entries of networks that start from the initial weights of their papers."""
    return tuple(Entry(model) for model in models)


def parse_starts(text: str) -> tuple[Start, ...]:
    """ "probe,finetune" -> ("probe", "finetune"). Raises OpsinError for any other word."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) > 1 and "auto" in words:
        raise OpsinError(f"--start {text}: auto stands alone; or name one or several of {', '.join(STARTS)}")
    for word in words or [text]:
        if word not in STARTS:
            raise unknown("start", word, ("auto", *STARTS))
    return tuple(start for start in STARTS if start in words)


def started(model: str, asked: str | Weights, watch: Watch, input_size: int | None, start: Start = "probe") -> Entry:
    """The entry of a network with these weights, downloaded if need be, at the size asked for, else at theirs."""
    name = asked.name if isinstance(asked, Weights) else asked
    if input_size is not None:
        zoo.card(model).inputs.check(model, input_size)
    told = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        if told == 0:
            watch.stage(f"weights of {model}", total)
        watch.advance(done - told)
        told = done

    found = create.find(model, name, progress)
    built: dict[str, Any] = (
        {"input_size": input_size} if input_size is not None and zoo.card(model).inputs.fixed else {}
    )
    if built or create.is_path(name):
        create.create_model(model, found.path, drop_head=True, **built)  # raises where they do not fit
    watch.say(f"{model} starts from {found.origin}")
    preprocess = found.origin.preprocess
    if preprocess is None:
        watch.say(f"{name} does not say what images it expects: ImageNet's mean and deviation are taken")
    size = input_size or (preprocess.size if preprocess else zoo.card(model).inputs.size)
    return Entry(model, start, str(found.path.resolve()), found.origin, size)
