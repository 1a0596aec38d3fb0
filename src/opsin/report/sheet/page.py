"""The page of one network: drawn, with what each block costs and sees; then the sheet as a table, and the card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsin import __version__
from opsin.cards import Card
from opsin.costs.blocks import Block
from opsin.costs.layers import Layer
from opsin.costs.sheet import CostSheet
from opsin.protocols import imagenet_error
from opsin.report import html, words
from opsin.report.history import record
from opsin.report.history.page import typeset
from opsin.report.sheet import drawing, stories
from opsin.report.sheet.eye import eye_of, picture, side
from opsin.report.sheet.stages import stages
from opsin.weights.catalogue import instead, public


def write_sheet(out: Path, card: Card, sheet: CostSheet, blocks: Sequence[Block]) -> Path:
    """Writes the page to `out`, whole or not at all, and returns its path."""
    return html.write(out, render(card, sheet, blocks))


def render(card: Card, sheet: CostSheet, blocks: Sequence[Block]) -> str:
    """The page as text. It has no script."""
    parts = stages(blocks)
    eye = eye_of(max(sheet.input_shape[1:]), blocks, parts)
    steps = drawing.steps_of(parts)
    step_of = [step for part, step in zip(parts, steps, strict=True) for _ in range(part.first, part.last)]
    family = next(family for family in record.families() if family.name == card.family)
    return html.static(
        "sheet.html",
        ("style.css", "sheet.css"),
        version=__version__,
        title=record.titles(list(family.cards))[card.name],
        card=card,
        link=card.paper.url if card.paper.url.startswith(("https://", "http://")) else None,
        channels=sheet.input_shape[0],
        sheet=sheet,
        headline=headline(card, sheet),
        brought=typeset(family.brought),
        told=stories.told(sheet, blocks, parts, eye),
        alt=alt_text(blocks),
        seen=picture(eye, parts, steps),
        drawings={"wide": drawing.wide(sheet, blocks, parts, eye), "narrow": drawing.narrow(sheet, blocks, parts)},
        blocks=[block_row(block, sheet, step) for block, step in zip(blocks, step_of, strict=True)],
        layers=[layer_row(layer, sheet) for layer in sheet.layers],
        moved=words.mebibytes(sheet.bytes),
        facts=facts(sheet),
        weights=public(card.name),
        instead=instead(card.name),
    )


def headline(card: Card, sheet: CostSheet) -> list[tuple[str, str]]:
    """The figures on the slide."""
    rows = [
        ("parameters", words.count(sheet.params)),
        ("MACs", words.count(sheet.macs)),
        ("memory at peak", words.mebibytes(sheet.memory)),
    ]
    found = imagenet_error(card)
    if found and found[1] and found[0].top1_err is not None:
        rows.append(("top-1 error", f"{found[0].top1_err:g}{words.GAP}%"))
    return rows


def alt_text(blocks: Sequence[Block]) -> str:
    """The drawing in words, for those who do not see it."""
    return "The network from left to right. " + "; ".join(map(drawing.tip, blocks)) + "."


def block_row(block: Block, sheet: CostSheet, step: int) -> dict[str, Any]:
    kind = f"{block.times} × {block.kind}" if block.times > 1 else block.kind
    moved = sheet.batch * block.data_bytes + block.weight_bytes
    told = _row(block.end or block.layers[-1], sheet, block.params, block.macs, block.activations, moved)
    return {"name": block.name, "kind": kind, "step": step, **told}


def layer_row(layer: Layer, sheet: CostSheet) -> dict[str, Any]:
    moved = sheet.batch * layer.data_bytes + layer.weight_bytes
    told = _row(layer, sheet, layer.params, layer.macs, layer.activations, moved)
    return {"name": layer.name or sheet.name, "kind": layer.kind, "step": None, **told}


def _row(layer: Layer, sheet: CostSheet, params: int, macs: int, activations: int, moved: int) -> dict[str, Any]:
    seen = side(layer)
    known = layer.receptive_field is not None
    stride = layer.stride
    return {
        "shape": " × ".join(map(str, layer.output_shape)),
        "params": params,
        "macs": macs,
        "activations": activations,
        "share": words.percent(macs / max(1, sheet.macs)) if macs else "",
        "sees": (f"{seen:,}" if seen else "all") if known else words.NONE,
        "stride": words.NONE
        if stride is None
        else "×".join(f"{x:g}" for x in stride)
        if isinstance(stride, tuple)
        else f"{stride:g}",
        "moved": words.mebibytes(moved),
    }


def facts(sheet: CostSheet) -> list[tuple[str, str]]:
    batch = f"batch {sheet.batch}"
    rows = [
        ("Weights", ", ".join(f"{words.mebibytes(n)} in {kind}" for kind, n in sheet.weight_bytes.items())),
        ("Memory to predict", f"{words.mebibytes(sheet.memory)} ({batch}, fp32; predicted)"),
    ]
    if sheet.training_memory is not None:
        rows.append(("Memory to train", f"{words.mebibytes(sheet.training_memory)} ({batch}, fp32, AdamW; predicted)"))
    else:
        rows.append(("Memory to train", f"not known: {sheet.untrainable}"))
    rows += [
        ("Bytes moved", f"{words.mebibytes(sheet.bytes)} ({batch}), each operator for itself"),
        ("Arithmetic intensity", f"{sheet.intensity:.3g} operations a byte"),
        ("Elementwise operations", words.count(sheet.elementwise)),
    ]
    if sheet.executed != sheet.macs:
        rows.append(("MACs executed", f"{words.number(sheet.executed)}: layers sparse by a table run as dense ones"))
    if sheet.aux_params:
        rows.append(("Auxiliary heads", f"{words.number(sheet.aux_params)} parameters, in training alone"))
    if sheet.unknown:
        rows.append(("Not known", f"{', '.join(sheet.unknown)}: not in these figures, which are the least"))
    return rows
