"""The page of the claims, one self-contained file: timeline, what articles got wrong, each claim with its charts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsin import __version__
from opsin.claims.chart import Bars, Chart, Grid, Table
from opsin.claims.claim import Effect, Verdict
from opsin.claims.record import Record, read_all, typed
from opsin.errors import OpsinError
from opsin.report import html, words
from opsin.report.claims import figures, stories, timeline
from opsin.report.claims.axes import figure
from opsin.report.claims.bars import strip
from opsin.report.claims.plate import NARROW, WIDE, Plate, spec

STRETCH = 1.25
"""A drawing is shown at most so many times as large as it was laid out."""
TRANSFER = "modules"
"""The record of the modules, which is of no statement: it tells how far small experiments agree with a large one."""
SIZES = {"wide": WIDE, "narrow": NARROW}


def write_claims(folder: Path, out: Path, claims: Sequence[dict[str, Any]] = ()) -> Path:
    """Writes the page of the records in `folder` to `out`, whole or not at all, and returns its path.

    Those of `claims` (see `read_records`) that have no record are on it as not run.
    """
    return html.write(out, render(read_records(folder, claims)))


def read_records(folder: Path, claims: Sequence[dict[str, Any]] = ()) -> list[Record]:
    """The records of a folder, oldest paper first, and those of `claims` that have none there, as not run.

    `claims` has what a record says of the claim itself. Raises OpsinError where there are no records, or one cannot be
    read.
    """
    found = read_all(folder)
    if not found:
        raise OpsinError(f"no records of claims in {folder}: `opsin claims run` writes them")
    for values in claims:
        found.setdefault(values["id"], values | {"verdict": Verdict.NOT_RUN})
    return sorted((typed(values, folder) for values in found.values()), key=lambda record: (record.year, record.id))


def render(records: Sequence[Record]) -> str:
    """The page as text."""
    drawings = Drawings()
    beside = [told(record, drawings) for record in records if record.id == TRANSFER]
    records = [record for record in records if record.id != TRANSFER]
    claims = [told(record, drawings) for record in records]
    return html.render(
        "claims.html",
        {"specs": {"plate": spec()}, "data": drawings.data, "views": drawings.views},
        ("charts.js", "claims.js"),
        ("style.css", "claims.css"),
        version=__version__,
        first=records[0].year,
        last=records[-1].year,
        standfirst=stories.standfirst(records),
        verdicts=[(verdict, timeline.SLUGS[verdict]) for verdict in Verdict],
        slugs=timeline.SLUGS,
        drawing=timeline.drawing(records),
        piles=timeline.by_year(records),
        counts=stories.counts(records),
        kinds=stories.KINDS,
        marks=stories.MARKS,
        wrong=[record for record in records if record.errs],
        errors_title=stories.errors_title(records),
        transfer=beside[0] if beside else None,
        effects=stories.effects(records),
        years=by_year(claims),
        articles=sorted({(each.letter, each.title) for record in records for each in record.articles}),
        machines=stories.machines(records),
    )


class Drawings:
    """The charts of the page: what its script draws, each under a name, in one specification."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.views: dict[str, Any] = {}

    def add(self, name: str, plates: dict[str, Plate]) -> list[dict[str, Any]]:
        """Takes the drawings of a chart, by size; what the template sets in their places."""
        places = []
        for size, plate in plates.items():
            key = f"{name}-{size}"
            sets = plate.sets()
            self.data |= {f"{key}-{own}": values for own, values in sets.items()}
            self.views[key] = {"spec": "plate", "data": {own: f"{key}-{own}" for own in sets}, "frame": plate.frame()}
            places.append(
                {
                    "key": key,
                    "size": size if len(plates) > 1 else "",
                    "width": plate.paper.width * STRETCH,
                    "ratio": f"{plate.paper.width:.0f} / {plate.height:.0f}",
                }
            )
        return places


def told(record: Record, drawings: Drawings) -> dict[str, Any]:
    """What the page tells of a claim beside its record."""
    shown: list[dict[str, Any]] = []
    charts = [chart for chart in record.charts if isinstance(chart, Table) or figures.drawn(chart, NARROW) is not None]
    for k, (chart, full) in enumerate(zip(charts, figures.widths(charts), strict=True)):
        shown.append(figure_of(f"{record.id}-{k}", chart, drawings, full=full))
    if record.effect is not None:
        shown.append(effect_of(record.id, record.effect, drawings))
    found = [part.found for part in record.parts if part.holds is not None] or [part.found for part in record.parts]
    return {
        "record": record,
        "slug": timeline.SLUGS[record.verdict],
        "figures": shown,
        "ours": stories.effect(record.effect) if record.effect and record.kind == "training" else "",
        "basis": stories.basis(record.effect) if record.effect else "",
        "found": found[:3],
        "checked": stories.CHECKED[record.checked],
        "ran": stories.ran(record),
        "url": record.paper.url if record.paper.url.startswith(("https://", "http://")) else None,
    }


def figure_of(name: str, chart: Chart, drawings: Drawings, *, full: bool) -> dict[str, Any]:
    """A chart as the page shows it: over the whole width in two sizes, or beside another in the small one."""
    found = {
        "title": chart.title,
        "unit": chart.unit if isinstance(chart, Bars | Grid) else "",
        "full": full,
        "alt": figures.in_words(chart),
        "table": figures.table(chart),
        "plain": isinstance(chart, Table),
    }
    sizes = SIZES if full else {"narrow": NARROW}
    plates = {size: plate for size, paper in sizes.items() if (plate := figures.drawn(chart, paper)) is not None}
    return found | {"views": drawings.add(name, plates)}


def effect_of(id: str, effect: Effect, drawings: Drawings) -> dict[str, Any]:
    """The effect that a verdict was read off, with the dots of its seeds."""
    seeds = [(f"seed {k}", figure(v) if v is not None else words.NONE) for k, v in enumerate(effect.values, 1)]
    return {
        "title": words.sentence(effect.what) + (": over all seeds, and in each" if effect.values else ""),
        "unit": effect.unit,
        "full": True,
        "alt": f"{effect.what}: {stories.effect(effect)}, {stories.basis(effect)}.",
        "table": (("", effect.unit or "Value"), [("all (95 % interval)", stories.effect(effect)), *seeds]),
        "plain": False,
        "views": drawings.add(f"{id}-effect", {size: strip(effect, paper) for size, paper in SIZES.items()}),
    }


def by_year(claims: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for claim in claims:
        found.setdefault(claim["record"].year, []).append(claim)
    return found
