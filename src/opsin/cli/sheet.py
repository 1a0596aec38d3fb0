"""A cost sheet for `opsin show`: as a table in a terminal of 80 columns, and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsin.words import compact, mebibytes

if TYPE_CHECKING:
    from opsin.costs.blocks import Block
    from opsin.costs.sheet import CostSheet, Layer

_HEADINGS = ("", "kind", "output", "params", "MACs", "share", "sees", "stride", "bytes")


def print_sheet(sheet: "CostSheet", blocks: "Sequence[Block]", every_layer: bool) -> None:
    """Blocks or layers in the order of the forward pass, then the totals."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    side = " x ".join(map(str, sheet.input_shape))
    console.print(f"\n[bold]What it costs[/] (one image of {side}; bytes moved by a batch of {sheet.batch})")
    table = Table(box=None, pad_edge=False, header_style="", padding=(0, 1, 0, 0))
    for heading in _HEADINGS:
        left = heading in ("", "kind")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    rows = layer_rows(sheet) if every_layer else block_rows(sheet, blocks)
    wide = [max(len(row[k]) for row in (_HEADINGS, *rows)) for k in range(len(_HEADINGS))]
    room = console.width - sum(wide[2:]) - len(_HEADINGS)
    wide[1] = min(wide[1], max(10, room - wide[0]))
    for name, kind, *told in rows:
        table.add_row(Text(tail(name, room - wide[1])), Text(head(kind, wide[1])), *told)
    total = ("", compact(sheet.params), compact(sheet.macs), "", "", "", compact(sheet.bytes))
    table.add_row("total", "", *total, style="bold")
    console.print(table)
    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for what, told in totals(sheet):
        facts.add_row(what, Text(told))
    console.print(facts)


def block_rows(sheet: "CostSheet", blocks: "Sequence[Block]") -> list[tuple[str, ...]]:
    return [
        (
            block.name or sheet.name,
            (f"{block.times} x " if block.times > 1 else "") + block.kind,
            *figures(sheet, block.end or block.layers[-1], block.params, block.macs),
            compact(sheet.batch * block.data_bytes + block.weight_bytes),
        )
        for block in blocks
    ]


def layer_rows(sheet: "CostSheet") -> list[tuple[str, ...]]:
    return [
        (
            layer.name or sheet.name,
            layer.kind,
            *figures(sheet, layer, layer.params, layer.macs),
            compact(sheet.batch * layer.data_bytes + layer.weight_bytes),
        )
        for layer in sheet.layers
    ]


def figures(sheet: "CostSheet", layer: "Layer", params: int, macs: int) -> tuple[str, ...]:
    share = 100 * macs / max(1, sheet.macs)
    return (
        "x".join(map(str, layer.output_shape)),
        compact(params) if params else "",
        compact(macs) if macs else "",
        f"{share:.1f}%" if macs else "",
        sees(layer),
        pair(layer.stride),
    )


def sees(layer: "Layer") -> str:
    """The receptive field in px; "all" where it is the whole image, "" where it is not known."""
    return "all" if layer.whole_image else pair(layer.receptive_field)


def pair(value: int | float | tuple | None) -> str:
    if value is None:
        return ""
    return "x".join(f"{x:g}" for x in value) if isinstance(value, tuple) else f"{value:g}"


def totals(sheet: "CostSheet") -> list[tuple[str, str]]:
    """What stands below the table."""
    weights = ", ".join(f"{mebibytes(n)} in {kind}" for kind, n in sheet.weight_bytes.items())
    memory = f"{mebibytes(sheet.memory)} to predict"
    if sheet.training_memory is not None:
        memory += f", {mebibytes(sheet.training_memory)} to train (AdamW)"
    rows = [
        ("weights", weights),
        ("activations", f"{compact(sheet.activations)} values put out by convolutions and linear layers"),
        ("elementwise", f"{compact(sheet.elementwise)} other operations"),
        ("intensity", f"{sheet.intensity:.3g} operations a byte moved"),
        ("peak memory", f"{memory}; batch {sheet.batch}, fp32, predicted"),
    ]
    if sheet.untrainable:
        rows.append(("training", f"memory not known: {sheet.untrainable}"))
    if sheet.unknown:
        rows.append(("unknown", f"{', '.join(sheet.unknown)}: not in these figures, which are the least"))
    return rows


def head(text: str, wide: int) -> str:
    return text if len(text) <= wide else text[: wide - 1] + "…"


def tail(text: str, wide: int) -> str:
    return text if len(text) <= wide else "…" + text[1 - wide :]


def as_dict(sheet: "CostSheet", blocks: "Sequence[Block]") -> dict:
    """The sheet with all layers, and its blocks: each with how many of the layers, in their order, it is made of."""
    return sheet.to_dict() | {"blocks": [block_dict(block) for block in blocks]}


def block_dict(block: "Block") -> dict:
    counted = ("name", "kind", "times", "params", "macs", "activations", "data_bytes", "weight_bytes")
    seen = ("output_shape", "receptive_field", "whole_image", "stride")
    end = block.end or block.layers[-1]
    return (
        {key: getattr(block, key) for key in counted}
        | {key: getattr(end, key) for key in seen}
        | {"layers": len(block.layers)}
    )
