"""Rows on the disk as they are measured, so that a bench which is stopped goes on: a line of JSON for each."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opsin.bench.cell import Cell, Options, Row
from opsin.files import check_writable


class Kept:
    """The rows of one machine, its versions and the options, in a file of `folder` that is named by them all.

    Raises OpsinError, before anything is measured, where nothing can be written there.
    """

    def __init__(self, folder: Path, machine: dict[str, Any], options: Options):
        facts = {"machine": machine, "options": asdict(options)}
        text = json.dumps(facts, sort_keys=True)
        self.file = folder / f"rows-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"
        self.head = text + "\n"
        check_writable(self.file, "--keep")

    def rows(self, cells: Sequence[Cell]) -> dict[Cell, Row]:
        """What stands of `cells`: not what was unstable or failed, which is measured again; nor lines that are cut."""
        try:
            lines = self.file.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return {}
        found: dict[Cell, Row] = {}
        for line in lines[1:-1]:
            try:
                row = Row.from_dict(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if row.status == "ok":
                found[row.cell] = row
        return {cell: found[cell] for cell in cells if cell in found}

    def add(self, row: Row) -> None:
        """Writes a row behind the others, and has it on the disk."""
        with self.file.open("a+b") as file:
            if file.tell() == 0:
                file.write(self.head.encode())
            else:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # the last writer was cut off
                    file.write(b"\n")
            file.write((json.dumps(row.to_dict(), allow_nan=False) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
