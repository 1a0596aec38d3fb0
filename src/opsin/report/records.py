"""The two files of a comparison's folder, read: results.json, and page.json with what the page alone shows."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opsin.errors import OpsinError
from opsin.report.scales import year_steps
from opsin.report.words import STARTS, display_names, known

Row = dict[str, Any]
SCHEMA = 1


@dataclass(frozen=True)
class Records:
    """A comparison as it stands in its files. `page` may lack any part."""

    results: dict[str, Any]
    page: dict[str, Any]

    @property
    def rows(self) -> list[Row]:
        """All entries that were run: the oldest network first, of one network by `STARTS`, then as recipes stand."""
        order, recipes = list(STARTS), [*self.results["plan"]["recipes"], None]
        return sorted(
            self.results["rows"],
            key=lambda row: (row["year"], row["model"], order.index(row["start"]), recipes.index(row["recipe"])),
        )

    @cached_property
    def ok(self) -> list[Row]:
        """The entries that finished."""
        return [row for row in self.rows if row["status"] == "ok" and known(row["top1_mean"])]

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """What the entries start from, in the order of `STARTS`."""
        found = {row["start"] for row in self.rows}
        return tuple(start for start in STARTS if start in found)

    @property
    def mixed(self) -> bool:
        """Whether the entries start from different things, so that each must say from what."""
        return len(self.starts) > 1

    @property
    def several(self) -> bool:
        """Whether networks are trained by more than one recipe, so that each entry must say by which."""
        return len(self.results["plan"]["recipes"]) > 1

    @property
    def fitted(self) -> dict[str, dict[str, Any]]:
        """What the recipe of each entry became, where entries have their own."""
        return self.results["fitted"]

    @cached_property
    def gains(self) -> list[dict[str, Any]]:
        """What training and architecture gained between recipes, where all that stands there ended well."""
        there = {(row["model"], row["recipe"]) for row in self.ok}
        return [
            gain
            for gain in self.results["gains"]
            if all((each["model"], gain[way]) in there for each in gain["networks"] for way in ("old", "new"))
        ]

    @property
    def public(self) -> bool:
        """Whether any entry starts from public weights."""
        return any(start != "scratch" for start in self.starts)

    @property
    def nouns(self) -> tuple[str, str]:
        """What rows stand for, one and many: networks, or where one may stand there more than once, entries."""
        return ("entry", "entries") if self.mixed or self.several else ("network", "networks")

    @cached_property
    def networks(self) -> dict[str, str]:
        """How the page calls each network: the model's name -> "ResNet-20"."""
        return display_names(list(dict.fromkeys((row["model"], row["family"]) for row in self.rows)))

    @cached_property
    def names(self) -> dict[str, str]:
        """How the page calls each entry: "ResNet-20", "ResNet-20 probed" where starts are mixed, "ResNet-20 (era)"."""

        def called(row: Row) -> str:
            said = f" {STARTS[row['start']]}" if self.mixed else f" ({row['recipe']})" if self.several else ""
            return self.networks[row["model"]] + said

        return {row["entry"]: called(row) for row in self.rows}

    @cached_property
    def steps(self) -> dict[int, int]:
        """The colour step of each year in which a finished network was published."""
        return year_steps(row["year"] for row in self.ok)

    def name(self, entry: str) -> str:
        return self.names.get(entry, entry)

    @property
    def best(self) -> Row | None:
        """The entry with the highest test accuracy."""
        return max(self.ok, key=lambda row: row["top1_mean"], default=None)

    @cached_property
    def picked(self) -> Row | None:
        """The pick's row; None where nothing was picked."""
        entry = (self.results.get("pick") or {}).get("entry")
        return next((row for row in self.ok if row["entry"] == entry), None)

    @property
    def pick(self) -> dict[str, Any]:
        """The pick as recorded; empty where nothing was picked."""
        return self.results["pick"] if self.picked else {}

    @property
    def n_images(self) -> int:
        data = self.results["data"]
        return data["n_train"] + data["n_val"] + data["n_test"]


def interval_of(row: Row) -> tuple[float, float]:
    """The interval of a finished entry's accuracy; the mean twice where none is known."""
    mean, ci = row["top1_mean"], row.get("top1_ci")
    if not ci or not all(known(end) for end in ci):
        return mean, mean
    return min(ci[0], mean), max(ci[1], mean)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OpsinError(f"cannot read {path}: {error.strerror}; run `opsin compare` first") from error
    except ValueError as error:
        raise OpsinError(f"{path} is not a JSON file ({error}); run the comparison again") from error
    if not isinstance(found, dict):
        raise OpsinError(f"{path} holds no JSON object; run the comparison again")
    return found


def read_records(folder: Path) -> Records:
    """Reads `folder`/results.json, and page.json where there is one.

    Raises OpsinError where results.json is absent, broken or of another schema, or page.json is broken.
    """
    results = _read(folder / "results.json")
    if results.get("schema") != SCHEMA:
        raise OpsinError(
            f"{folder / 'results.json'} has schema {results.get('schema')!r}, this page reads {SCHEMA}: "
            "run the comparison again with this version"
        )
    extra = folder / "page.json"
    page = _read(extra) if extra.exists() else {}
    _add_starts(results, page)
    return Records(results, page)


def _add_starts(results: dict[str, Any], page: dict[str, Any]) -> None:
    """Fills in what records lack that were written when every network started from scratch, under one recipe."""
    results["plan"].setdefault("recipes", [])
    results.setdefault("fitted", {})
    results.setdefault("gains", [])
    for row in results["rows"]:
        row.setdefault("entry", row["model"])
        row.setdefault("start", "scratch")
        row.setdefault("weights", None)
        row.setdefault("recipe", None)
    for named in (results.get("pick"), page.get("confusion")):
        if named:
            named.setdefault("entry", named["model"])
    results.setdefault("recipes", {"scratch": results["recipe"]})
