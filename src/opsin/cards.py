"""What is known of a network before it is built: its paper, the figures as printed, what images it takes.

`Card` is the entry of one network in the zoo. Its figures come in two kinds that are never mixed: those in
`published` stand as the paper prints them (a string such as "3.4M", with its place), while `params` and `macs` are
exact, and a test counts them anew on every run.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from opsin.errors import OpsinError


@dataclass(frozen=True)
class Paper:
    """Where a network was published. `year` is the year of the first public version."""

    title: str
    authors: str
    year: int
    venue: str
    url: str


@dataclass(frozen=True)
class Published:
    """Figures of one row of a paper, each as printed there; None where the row has none.

    Errors are in percent. `place` is the table, figure or page; `protocol` says how an error was measured (crops,
    scale, split, one network or several). `checked` is False for a figure that was written down from memory and has
    not been compared with the paper since.
    """

    place: str
    params: str | None = None
    macs: str | None = None
    top1_err: float | None = None
    top5_err: float | None = None
    protocol: str | None = None
    checked: bool = False


@dataclass(frozen=True)
class Inputs:
    """What images a network takes: `channels` × side × side, square, `size` px in the paper.

    `minimum` is the smallest side and `multiple` what a side must be a multiple of. With `fixed`, a network once built
    takes a single size (fully connected layers or position embeddings are cut to it), and `input_size` of
    `create_model` builds it for another that `minimum` and `multiple` admit; otherwise one network takes them all.
    """

    channels: int
    size: int
    minimum: int
    multiple: int = 1
    fixed: bool = False

    def admits(self, size: int) -> bool:
        """Whether a network can be built for (or takes) images of `size` px."""
        return self.minimum <= size and size % self.multiple == 0

    def fit(self, size: int) -> int:
        """The least admitted side that is not below `size`."""
        return math.ceil(max(size, self.minimum) / self.multiple) * self.multiple

    def check(self, name: str, size: int) -> None:
        """Raises OpsinError where `size` is not admitted."""
        if not self.admits(size):
            raise OpsinError(f"{name} cannot take {size} px images: it takes {self}")

    def __str__(self) -> str:
        sides = f"multiples of {self.multiple}" if self.multiple > 1 else "any size"
        built = f", one size a network ({self.size} by default)" if self.fixed else ""
        return f"{sides} from {self.minimum} px{built}"


@dataclass(frozen=True)
class Card:
    """One network of the zoo.

    Attributes:
        name: as in `create_model`.
        family: the family's name as people say it, "ResNet".
        paper: where this variant comes from; its year is the network's.
        inputs: what images it takes.
        build: the constructor with the variant's arguments; takes num_classes and in_chans, and input_size where
            `inputs.fixed`.
        num_classes: of the published network.
        params: trainable numbers, exact, at the paper's input and classes, without auxiliary heads.
        macs: multiply-accumulate operations of one forward pass of one image, exact, likewise. A layer that is sparse
            by a table counts the connections that it uses.
        published: figures as printed.
        departures: how our network differs from the paper, and why; empty where it does not.
        note: why a count differs from the printed one, or what else a reader of the figures should know.
        aux_params: trainable numbers, exact, of the auxiliary heads, which work in training alone.
        task: what the network puts out for images [N, C, H, W]: "classify" logits [N, num_classes], "segment" logits
            of every pixel [N, num_classes, H, W], "localize" boxes [N, num_classes, 4].
    """

    name: str
    family: str
    paper: Paper
    inputs: Inputs
    build: Callable[..., Any]
    params: int
    macs: int
    num_classes: int = 1000
    published: tuple[Published, ...] = ()
    departures: tuple[str, ...] = ()
    note: str = ""
    aux_params: int = 0
    task: Literal["classify", "segment", "localize"] = "classify"

    @property
    def year(self) -> int:
        return self.paper.year


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}


def printed_range(figure: str) -> tuple[float, float]:
    """The counts that a printed figure can stand for: its value and one unit of its last digit either way.

    "3.4M" -> (3.3e6, 3.5e6); "9,760" -> (9759, 9761). What follows the number and its unit ("MAdds") is ignored.
    """
    found = re.match(r"\s*([\d,]+(?:\.(\d+))?)\s*([KMGB])?(?![a-z])", figure)
    if found is None:
        raise ValueError(f"no number in the printed figure {figure!r}")
    unit = _UNITS[found[3] or ""]
    value = float(found[1].replace(",", "")) * unit
    last = unit * 10.0 ** -len(found[2] or "")
    return value - last, value + last


def agrees(figure: str, count: int) -> bool:
    """Whether an exact count is the printed one, allowing one unit of its last digit (rounded or cut off)."""
    low, high = printed_range(figure)
    return low <= count <= high
