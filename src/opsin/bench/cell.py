"""What `bench` measures: a cell is one network at one batch, size and backend; a row is what was found there; a bench
is all rows with the machine and the options."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from opsin import zoo
from opsin.errors import OpsinError, unknown
from opsin.lineups import LINEUPS
from opsin.protocols import imagenet_error

FIRST = (
    "alexnet",
    "nin",
    "googlenet",
    "vgg16",
    "vgg19",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "inception_v3",
    "inception_v4",
)
"""The networks of Canziani, Paszke and Culurciello (arXiv:1605.07678) that have printed figures: eleven of its
fourteen, and NIN for its BN-NIN. BN-AlexNet and ENet as a classifier of ImageNet have none."""
BATCHES = (1, 2, 4, 8, 16)
"""Batches of `FIRST` on the page of all networks; the others have the first and the last."""


@dataclass(frozen=True)
class Cell:
    """`batch` images of `size` px through a network, on `threads` threads of a CPU; with `train`, a training step."""

    model: str
    batch: int
    size: int
    backend: str = "eager"
    threads: int = 1
    device: str = "cpu"
    train: bool = False

    def __str__(self) -> str:
        what = f"{self.model} x{self.batch}" + (" training" if self.train else "")
        return what if self.backend == "eager" else f"{what} {self.backend}"


@dataclass(frozen=True)
class Row:
    """What was found in a cell. Times in milliseconds of the whole batch, memory in bytes, counts for one image.

    `status` is "ok", "unstable" (its figures stand, with the reason in `why`) or "failed" (it has none). `memory` is
    measured, and None where it cannot be; `predicted` the cost sheet's; `fits` the largest batch for the memory that
    was free. `watts` and `joules` (of one image) are None where no counter was read.
    """

    cell: Cell
    status: str
    params: int
    macs: int
    activations: int
    why: str = ""
    p50: float | None = None
    p95: float | None = None
    runs: int = 0
    spread: float | None = None
    blocks: tuple[float, ...] = ()
    others: float | None = None
    load: float | None = None
    memory: int | None = None
    predicted: int | None = None
    fits: int | None = None
    watts: float | None = None
    joules: float | None = None

    @property
    def images_per_second(self) -> float | None:
        return 1e3 * self.cell.batch / self.p50 if self.p50 else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"images_per_second": self.images_per_second}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Row":
        """Raises TypeError, KeyError or AttributeError where the values are no row's."""
        known = {field.name for field in fields(cls)}
        own = {key: value for key, value in values.items() if key in known}
        return cls(**own | {"cell": Cell(**values["cell"]), "blocks": tuple(values["blocks"])})


@dataclass(frozen=True)
class Options:
    """`precision` is a share; `seconds` those that a cell is timed for at most, beyond its first visits."""

    precision: float = 0.02
    seconds: float = 20.0
    power: bool = False


@dataclass(frozen=True)
class Bench:
    """`rows` in the order of their cells; `skipped` says which cells were not measured, and why.

    `machine` has the processor, versions, threads; `power` the reason where no energy was read, else "".
    """

    machine: dict[str, Any]
    options: Options
    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()
    power: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "options": asdict(self.options),
            "power": self.power or "measured",
            "rows": [row.to_dict() for row in self.rows],
            "skipped": list(self.skipped),
        }


def names(patterns: Sequence[str]) -> list[str]:
    """The networks that names, shell patterns and line-ups stand for, each once.

    Raises OpsinError for a pattern that none matches, or a name that there is not.
    """
    found: list[str] = []
    for pattern in patterns:
        if pattern in LINEUPS:
            found += LINEUPS[pattern]
        elif any(sign in pattern for sign in "*?["):
            matching = zoo.list_models(pattern)
            if not matching:
                raise OpsinError(f"no network matches {pattern!r}: `opsin list --all` shows them all")
            found += matching
        elif pattern not in zoo.list_models():
            raise unknown("network or line-up", pattern, [*zoo.list_models(), *LINEUPS])
        else:
            found.append(pattern)
    return list(dict.fromkeys(found))


def published() -> list[str]:
    """The networks with a printed error on ImageNet's thousand classes, those of the paper's charts first."""
    return [
        *FIRST,
        *(name for name in zoo.list_models() if name not in FIRST and imagenet_error(zoo.card(name))),
    ]


def taking(models: Sequence[str], size: int | None) -> tuple[list[str], list[str]]:
    """Those of `models` that take images of `size` px (None for their own), and why the others do not."""
    found: list[str] = []
    why: list[str] = []
    for model in models:
        try:
            if size is not None:
                zoo.card(model).inputs.check(model, size)
            found.append(model)
        except OpsinError as error:
            why.append(str(error))
    if not found:
        raise OpsinError(f"no network takes images of {size} px: {why[0]}")
    return found, why


def cells(
    models: Sequence[str],
    batches: Sequence[int] | None,
    *,
    size: int | None = None,
    backends: Sequence[str] = ("eager",),
    threads: int = 1,
    device: str = "cpu",
    train: bool = False,
) -> list[Cell]:
    """All cells of a bench; without `batches`, those of the page. Raises OpsinError for a size that is not taken."""
    found: list[Cell] = []
    for model in models:
        card = zoo.card(model)
        if size is not None:
            card.inputs.check(model, size)
        if train and card.task != "classify":
            raise OpsinError(f"{model} does not classify images ({card.task}): leave it or --train out")
        own = batches or (BATCHES if model in FIRST else (BATCHES[0], BATCHES[-1]))
        for backend in backends:
            for batch in own:
                cell = Cell(model, batch, size or card.inputs.size, backend, threads, device)
                found.append(cell)
                if train and backend == backends[0]:
                    found.append(Cell(model, batch, cell.size, "eager", threads, device, True))
    return found
