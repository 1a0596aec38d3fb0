"""What has been counted and measured on this machine before, in the user's cache folder.

A file holds what one machine, as one version of everything saw it, has told. One that cannot be read, or is another
machine's, is as good as none.
"""

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from opsin.files import cache_folder, write_json

SCHEMA = 1
Value = TypeVar("Value")


def digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


class Remembered:
    """Answers by question, both frozen dataclasses of numbers, texts, lists and dicts."""

    def __init__(self, machine: dict[str, Any], folder: Path | None = None):
        self.machine = machine
        self.path = (folder or cache_folder()) / f"forecast-{digest(machine)}.json"
        self.entries: dict[str, dict[str, Any]] = {}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["schema"] == SCHEMA and content["machine"] == machine:
                self.entries = dict(content["entries"])
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def get(self, question: Any, kind: type[Value]) -> Value | None:
        """The answer to a question; None where it is not known, or is no `kind` of positive finite numbers."""
        values = self.entries.get(self.key(question))
        try:
            answer = kind(**values) if values is not None else None
            sound = all(isinstance(x, int | float) and math.isfinite(x) and x >= 0 for x in (values or {}).values())
        except TypeError:
            return None
        return answer if sound else None

    def put(self, question: Any, answer: Any) -> None:
        self.entries[self.key(question)] = asdict(answer)

    @staticmethod
    def key(question: Any) -> str:
        return f"{question.model} {digest([type(question).__name__, asdict(question)])}"

    def write(self) -> None:
        """Keeps the file, where that can be done."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"schema": SCHEMA, "machine": self.machine, "entries": self.entries})
        except (OSError, ValueError):
            pass
