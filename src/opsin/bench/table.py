"""Rows as files: CSV with the columns of timm's benchmark results, so that the two can be joined."""

import csv
import io
from collections.abc import Sequence

from opsin.bench.cell import Cell, Row
from opsin.errors import OpsinError
from opsin.weights.catalogue import architecture_of

TIMM = (
    "model",
    "infer_samples_per_sec",
    "infer_step_time",
    "infer_batch_size",
    "infer_img_size",
    "infer_gmacs",
    "infer_macts",
    "train_samples_per_sec",
    "train_step_time",
    "train_batch_size",
    "train_img_size",
    "param_count",
)
"""Step times are in milliseconds, parameters and activations in millions, MACs in thousands of millions."""
OURS = ("opsin_model", "backend", "threads", "device", "infer_step_time_p95", "unstable")


def timm_name(model: str) -> str:
    """timm's name for a network, where the catalogue knows it; else ours."""
    try:
        return architecture_of(model, "timm")[0]
    except OpsinError:
        return model


def to_csv(rows: Sequence[Row]) -> str:
    """A line for each network, batch and backend: inference, and the training step of the same batch beside it."""
    trained = {key(row.cell): row for row in rows if row.cell.train and row.p50}
    text = io.StringIO()
    writer = csv.DictWriter(text, [*TIMM, *OURS], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        if not row.cell.train and row.p50:
            writer.writerow(line(row, trained.get(key(row.cell))))
    return text.getvalue()


def key(cell: Cell) -> tuple[str, int, int]:
    return cell.model, cell.batch, cell.size


def line(row: Row, trained: Row | None) -> dict[str, object]:
    return {
        "model": timm_name(row.cell.model),
        **timing("infer", row),
        "infer_gmacs": round(row.macs / 1e9, 4),
        "infer_macts": round(row.activations / 1e6, 4),
        **(timing("train", trained) if trained else {}),
        "param_count": round(row.params / 1e6, 4),
        "opsin_model": row.cell.model,
        "backend": row.cell.backend,
        "threads": row.cell.threads,
        "device": row.cell.device,
        "infer_step_time_p95": round(row.p95 or 0, 3),
        "unstable": row.why or (trained.why if trained else ""),
    }


def timing(prefix: str, row: Row) -> dict[str, object]:
    return {
        f"{prefix}_samples_per_sec": round(row.images_per_second or 0, 2),
        f"{prefix}_step_time": round(row.p50 or 0, 3),
        f"{prefix}_batch_size": row.cell.batch,
        f"{prefix}_img_size": row.cell.size,
    }
