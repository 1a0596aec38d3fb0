"""The record of a run: a folder with run.json, metrics.jsonl, checkpoints/ and bundle/.

`run.json` is written last, and whole: a folder that has one is a run that has ended.
"""

import json
import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsin import __version__
from opsin.files import flush, whole, write_json

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1


def versions() -> dict[str, str]:
    """Of all that can change a number."""
    import numpy
    import torch

    return {
        "opsin": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def commit() -> str | None:
    """The commit of the checkout that this package runs from; None where it is installed."""
    git = Path(__file__).parents[3] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        return (git / head[5:]).read_text(encoding="utf-8").strip() if head.startswith("ref: ") else head
    except OSError:
        return None


class Record:
    """The folder of one run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.bundle = folder / "bundle"
        self.predictions = folder / "predictions.npz"
        self.metrics = folder / "metrics.jsonl"

    def ended(self, facts: dict[str, Any], files: tuple[Path, ...]) -> dict[str, Any] | None:
        """run.json of a run of these facts that has ended and, if it ended well, left these files; else None."""
        try:
            run = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            same = run["schema"] == SCHEMA and all(run[key] == value for key, value in facts.items())
            whole = run["status"] != "ok" or all(path.exists() for path in files)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return run if same and whole else None

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """metrics.jsonl, one line an epoch."""
        text = "".join(json.dumps(epoch) + "\n" for epoch in history)
        part = self.folder / f".metrics.{os.getpid()}"
        part.write_text(text, encoding="utf-8")
        part.replace(self.metrics)

    def write_predictions(self, logits: "dict[str, np.ndarray]") -> None:
        """predictions.npz: the logits of each part, on the disk before run.json says that the run has ended."""
        from numpy import savez

        with whole(self.predictions) as part:
            savez(part, **logits)  # pyright: ignore[reportArgumentType]
            flush(part)

    def read_metrics(self) -> list[dict[str, Any]]:
        """The epochs that have ended; none where there is no file, or one that is damaged."""
        try:
            return [json.loads(line) for line in self.metrics.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError):
            return []

    def end(self, run: dict[str, Any]) -> dict[str, Any]:
        """Writes run.json: the run has ended, and its checkpoints are not needed any more."""
        run = {"schema": SCHEMA} | run | {"versions": versions(), "commit": commit()}
        write_json(self.folder / "run.json", run)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return run
