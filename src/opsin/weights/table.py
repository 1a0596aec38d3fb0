"""The table of docs/weights.md, written anew by `python -m opsin.weights.table docs/weights.md`."""

import sys
from functools import cache
from pathlib import Path

from opsin import zoo
from opsin.weights import catalogue
from opsin.weights.download import TORCHVISION
from opsin.weights.public import TORCHVISION_LICENCE, Weights

HEAD = "| network | weights | source | px | classes | licence | MB |\n|---|---|---|---:|---:|---|---:|\n"


def table() -> str:
    """All public weights, a row each, in the order of the zoo; the first of a network is its default."""
    return HEAD + "".join(line(row) for name in zoo.list_models() for row in catalogue.public(name))


def line(row: Weights) -> str:
    if row.file:
        source, address = row.file.rpartition("/")[2], row.file if "://" in row.file else f"{TORCHVISION}/{row.file}"
    else:
        source, address = row.repository, f"https://huggingface.co/{row.repository}"
    licence = "not stated" if row.licence in ("", TORCHVISION_LICENCE) else row.licence
    size = f"{megabytes(row):,.0f}" if megabytes(row) >= 10 else f"{megabytes(row):.1f}"
    cells = (row.preprocess.size, row.num_classes or "none", licence, size)
    return f"| `{row.model}` | `{row.name}` | [{source}]({address}) | {' | '.join(map(str, cells))} |\n"


def megabytes(row: Weights) -> float:
    """What the tensors of the file take, at 4 bytes a number; timm's mostly have no auxiliary heads."""
    body, auxiliary, features = numbers(row.model, row.preprocess.size if zoo.card(row.model).inputs.fixed else None)
    head = row.num_classes * (features + 1)
    return 4e-6 * (body + head + (auxiliary if row.source == "torchvision" else 0))


@cache
def numbers(model: str, size: int | None) -> tuple[int, int, int]:
    """The floating-point numbers of a network without heads, those of its auxiliary heads, and its features."""
    net = zoo.meta_model(model, **({"input_size": size} if size else {}))
    counts = {key: value.numel() for key, value in net.state_dict().items() if value.is_floating_point()}
    head, auxiliary = (
        sum(count for key, count in counts.items() if key.startswith(start)) for start in (f"{net.last_layer}.", "aux")
    )
    return sum(counts.values()) - head - auxiliary, auxiliary, net.get_parameter(f"{net.last_layer}.weight").shape[1]


def write(page: Path) -> None:
    """Puts the table in place of the one that ends the page."""
    text, _, _ = page.read_text(encoding="utf-8").partition(HEAD)
    page.write_text(text + table(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
