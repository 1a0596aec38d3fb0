"""An entry of a comparison: a network, and what it starts from."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from opsin.errors import OpsinError, unknown
from opsin.weights.create import Origin

Start = Literal["scratch", "probe", "finetune"]
STARTS: tuple[Start, ...] = get_args(Start)
STARTED: dict[str, str] = {
    "scratch": "from scratch",
    "probe": "public weights, a new last layer",
    "finetune": "public weights, fine-tuned",
}
"""How people say it."""


@dataclass(frozen=True)
class Entry:
    """One row of a comparison.

    Attributes:
        model: the network.
        start: "scratch" for the initial weights of its paper; from the weights of others, "probe" for a logistic
            regression on the frozen network, "finetune" for training all of it.
        file: the weights on this disk (a file, or a folder as timm writes it); None from scratch.
        origin: where they come from.
        size: the side of the images that the weights are used with, in pixels; None where the comparison's counts.
    """

    model: str
    start: Start = "scratch"
    file: str | None = None
    origin: Origin | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """Tells it apart from all others of its comparison."""
        return self.model if self.start == "scratch" else f"{self.model}-{self.start}"

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
