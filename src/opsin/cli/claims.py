"""`opsin claims`: what the history says about its networks, put to the test."""

import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opsin.cli.recipes import indented
from opsin.errors import OpsinError, unknown
from opsin.words import many, printable

if TYPE_CHECKING:
    from rich.console import Console

    from opsin.claims.claim import Claim
    from opsin.claims.plan import Asked, Plan
    from opsin.claims.record import Record

app = typer.Typer(help="What the history says about its networks, put to the test.", rich_markup_mode=None)
FOLDER = Path("opsin-claims")
IN_DOCS = Path(__file__).parents[3] / "docs" / "claims"
"""Where a copy of the repository has records of its own."""
KINDS, TIERS = ("exact", "cost", "training"), ("quick", "standard", "full")
SHORT = {"holds partly": "partly", "does not hold here": "not here"}
STYLES = {"holds": "green", "holds partly": "yellow", "does not hold here": "red"}
WAYS = {"exact": "arithmetic", "cost": "measured on this machine"}
SURE = {
    "paper": "compared with the paper",
    "arithmetic": "worked out here",
    "memory": "written down from memory, not compared with the paper",
}
TAKES = {
    "--tier": "tiers",
    "--data": "data",
    "--seeds": "seeds",
    "--workers": "work for several processes",
    "--cluster": "work for a cluster",
    "--root": "images to look for",
}
MARKS = {True: "yes", False: "no", "open": "open", None: ""}
ID = typer.Argument(help="A claim's id, such as X04.")
KIND = typer.Option(None, "--kind", help="exact (arithmetic and structure), cost (measured here) or training.")
OUT = typer.Option(None, "--out", help="The folder of the records. [default: opsin-claims]")
SHOWN = typer.Option(None, "--out", help="The folder of the records, before docs/claims. [default: opsin-claims]")
PAGED = typer.Option(None, "--out", help="The folder of records and page. [default: opsin-claims, else docs/claims]")
AS_JSON = typer.Option(False, "--json", help="Print JSON, with all fields.")


@app.callback(invoke_without_command=True)
def claims(context: typer.Context) -> None:
    """What the history says about its networks, put to the test: `list` is what is done without a command."""
    if context.invoked_subcommand is None:
        print_list(None, None, False)


@app.command("list")
def list_claims(kind: str = KIND, out: Path = SHOWN, as_json: bool = AS_JSON) -> None:
    """List the claims by the year of their papers, with the verdicts that are there."""
    print_list(kind, out, as_json)


def print_list(kind: str | None, out: Path | None, as_json: bool) -> None:
    """The claims of a kind, or all, as a table or as JSON."""
    from rich.console import Console

    from opsin.claims.record import of_claim

    chosen, records = of_kind(kind), found(out)
    if as_json:
        rows = [
            of_claim(c) | {"minutes": known(c), "tested": c.tested, "verdict": verdict(records, c.id)} for c in chosen
        ]
        print(json.dumps(rows))
        return
    console = Console(highlight=False)
    print_table(console, chosen, records)
    told = f"\n{many(len(chosen), 'claim')}, {sum(c.tested for c in chosen)} with a test"
    console.print(
        f"{told}; the verdicts are of {told_of(out)}. `opsin claims show ID` has one in full, `opsin claims run ID` "
        "puts it to the test, and `opsin claims run --data DATA modules` tells what matters on your images."
    )


@app.command("show")
def show(id: str = ID, out: Path = SHOWN, as_json: bool = AS_JSON) -> None:
    """Show a claim in full: what is said and where, what its paper measured, the rule, and what came out."""
    from rich.console import Console

    from opsin.claims.catalogue import claim
    from opsin.claims.record import of_claim, typed

    chosen = claim(id)
    own = found(out).get(chosen.id)
    if as_json:
        print(json.dumps(of_claim(chosen) | {"minutes": known(chosen), "record": own}))
        return
    print_claim(Console(highlight=False), chosen, typed(own, out or FOLDER) if own else None)


@app.command("run")
def run(
    ids: list[str] = typer.Argument(None, metavar="ID...", help="Claims; or all of a --kind."),
    kind: str = KIND,
    tier: str = typer.Option(None, "--tier", help="Of training: quick, standard or full. [default: quick]"),
    data: str = typer.Option(None, "--data", help="Of training: other images. [default: each claim's own]"),
    seeds: int = typer.Option(None, "--seeds", min=1, help="Of training: runs of each arm. [default: each claim's]"),
    workers: int = typer.Option(None, "--workers", min=1, help="Of training: processes. [default: one for each core]"),
    cluster: str = typer.Option(None, "--cluster", help="Of training: HOST:PORT of a Ray cluster's head, or auto."),
    root: Path = typer.Option(None, "--root", help="Where copies of named sets lie."),
    out: Path = OUT,
    as_json: bool = AS_JSON,
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be run and its time, and stop."),
) -> None:
    """Put claims to the test. What is there already is not run twice; it can be stopped, and goes on."""
    from rich.console import Console

    from opsin.claims.plan import Asked, Work
    from opsin.claims.plan import plan as planned
    from opsin.claims.record import typed
    from opsin.claims.run import run as run_claims
    from opsin.cli.progress import Terminal
    from opsin.files import check_writable

    given = {"--tier": tier, "--data": data, "--seeds": seeds}
    given |= {"--workers": workers, "--cluster": cluster, "--root": root}
    chosen = named(ids, kind)
    check_options(chosen, [option for option, value in given.items() if value is not None])
    if tier is not None and tier not in TIERS:
        raise unknown("tier", tier, TIERS)
    asked = Asked(tier or "quick", data, seeds)
    folder = out or FOLDER
    check_folder(folder)
    how = Work(workers, cluster, root)
    plan = planned(chosen, folder, asked, how)
    if not plan.todo and not plan.there:
        raise OpsinError("; ".join(claim.without_test for claim in plan.waiting[:3]))
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    if dry_run:
        print_plan(console, plan, folder, asked, as_json)
        return
    check_writable(folder / "claim.json")
    with Terminal(errors) as terminal:
        terminal.say(told(plan, folder, asked))
        records = run_claims(
            plan, folder, asked, terminal, work=how, told=lambda r: terminal.say(f"{r['id']}: {r['verdict']}")
        )
    if as_json:
        print(json.dumps([records[claim.id] for claim in chosen if claim.id in records]))
        return
    if len(chosen) == 1:
        print_finding(console, typed(records[chosen[0].id], folder))
    else:
        print_table(console, [claim for claim in chosen if claim.id in records], records)
    console.print(f"\nRecords: {folder}", soft_wrap=True, markup=False)


@app.command("page")
def page(out: Path = PAGED) -> None:
    """Write the page of all claims, with the verdicts and charts of the folder's records alone."""
    from opsin.claims.catalogue import CLAIMS
    from opsin.claims.record import of_claim
    from opsin.report.claims.page import write_claims

    folder = out or (FOLDER if FOLDER.is_dir() else IN_DOCS)
    print(write_claims(folder, folder / "claims.html", [of_claim(claim) for claim in CLAIMS.values()]))


def of_kind(kind: str | None) -> list["Claim"]:
    """The claims of a kind, or all."""
    from opsin.claims.catalogue import CLAIMS

    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    return [claim for claim in CLAIMS.values() if kind in (None, claim.kind)]


def named(ids: Sequence[str] | None, kind: str | None) -> list["Claim"]:
    """The claims of these ids, each once, or all of a kind. Raises OpsinError for neither and for both."""
    from opsin.claims.catalogue import claim

    if bool(ids) == (kind is not None):
        raise OpsinError("name claims such as X04, or all of a --kind (exact, cost or training); not both")
    chosen = {own.id: own for own in map(claim, ids)} if ids else {own.id: own for own in of_kind(kind)}
    return list(chosen.values())


def check_options(chosen: Sequence["Claim"], given: Sequence[str]) -> None:
    """Raises OpsinError for options of training where no claim trains."""
    first = next((claim for claim in chosen if claim.kind in WAYS), None)
    if first and given and not any(claim.experiment for claim in chosen):
        raise OpsinError(
            f"{first.id} is {WAYS[first.kind]}: it has no {TAKES[given[0]]}; leave {given[0]} out, which is for claims "
            "that train"
        )


def found(out: Path | None) -> dict[str, dict[str, Any]]:
    """The records that are there: those of the folder, and where it has none, those of the repository's docs."""
    from opsin.claims.record import read_all

    check_folder(out or FOLDER)
    if out is not None and not out.is_dir():
        raise OpsinError(f"there is no folder {out}: `opsin claims run --out {out}` makes it")
    return read_all(IN_DOCS) | read_all(out or FOLDER)


def check_folder(folder: Path) -> None:
    """Raises OpsinError where a file stands in its place."""
    if folder.exists() and not folder.is_dir():
        raise OpsinError(f"{folder} is a file, not a folder: give --out the folder of the records")


def told_of(out: Path | None) -> str:
    """Where the records that are shown lie, in words."""
    folder = out or FOLDER
    own = [str(folder)] if any(folder.glob("*.json")) else []
    docs = ["docs/claims"] if IN_DOCS.is_dir() and IN_DOCS.resolve() != folder.resolve() else []
    return ", and for what it lacks ".join([*own, *docs]) or "no record yet"


def verdict(records: dict[str, dict[str, Any]], id: str) -> str | None:
    return records[id]["verdict"] if id in records else None


def print_table(console: "Console", chosen: Sequence["Claim"], records: dict[str, dict[str, Any]]) -> None:
    """A row a claim: id, year, kind, verdict and title."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("id", "year", "kind", "verdict"):
        table.add_column(heading, no_wrap=True)
    table.add_column("claim", no_wrap=True, overflow="ellipsis")
    for claim in chosen:
        said = verdict(records, claim.id)
        word = Text(SHORT.get(said, said), STYLES.get(said, "")) if said else Text("–", "dim")
        table.add_row(claim.id, str(claim.year), claim.kind, word, claim.title)
    console.print(table)


def print_claim(console: "Console", claim: "Claim", record: "Record | None") -> None:
    """A claim in full, and its record where there is one."""
    from rich.text import Text

    from opsin.claims.claim import ARTICLES

    console.print(Text(f"{claim.id}  {claim.title}", "bold"))
    paper = claim.paper
    for title, text in (
        ("says", claim.statement),
        ("quote", f"“{claim.quote}”" if claim.articles else ""),
        ("in", "; ".join(ARTICLES[letter] for letter in claim.articles)),
        ("paper", f"{paper.authors} ({paper.year}): {paper.title}. {paper.venue}. {paper.url}"),
        ("measured", f"{claim.measured} ({SURE[claim.checked]})"),
        ("rule", claim.rule),
        ("errs", claim.errs),
        ("waits", claim.waits),
        ("full", claim.full),
        ("run", way(claim, record)),
    ):
        if text:
            console.print(indented(console, title, text, 10))
    console.print()
    if record is None:
        console.print(Text("no verdict yet", "dim"))
    else:
        print_finding(console, record)


def way(claim: "Claim", record: "Record | None") -> str:
    """The command of the record, or the usual one with about its time; none for a claim without a test."""
    from opsin.claims.plan import NOTHING, command

    usual = command(claim, NOTHING)
    if record is not None and record.command != usual:
        return record.command
    return f"{usual}  (about {minutes(claim.takes)})" if claim.tested else ""


def print_finding(console: "Console", record: "Record") -> None:
    """What a record says: the verdict, what it was read off, and where it was tried."""
    from rich.text import Text

    console.print(Text(record.verdict, STYLES.get(record.verdict, "") + " bold"))
    for part in record.parts:
        console.print(indented(console, MARKS[part.holds], printable(f"{part.says}: {part.found}"), 5))
    for note in record.notes:
        console.print(Text(printable(note), "dim"))
    ran, versions = record.machine or {}, record.versions or {}
    took = "" if record.minutes is None else minutes(record.minutes)
    where = (
        record.data or "",
        many(record.seeds, "seed") if record.seeds else "",
        str(ran.get("cpu") or ""),
        many(record.threads, "thread") if record.threads else "",
        f"{took} of training, one core's" if took and record.data else took,
        f"Opsin {versions['opsin']}" if "opsin" in versions else "",
    )
    console.print(Text("\n" + printable(", ".join(filter(None, where))), "dim"))


def known(claim: "Claim") -> float | None:
    """The minutes that a claim takes, for JSON; None where it has no test, or they are not measured."""
    return claim.takes if claim.tested and not isnan(claim.takes) else None


def minutes(value: float) -> str:
    if isnan(value):
        return "not measured"
    return many(max(1, round(60 * value)), "second") if value < 2 else f"{value:.0f} minutes"


def told(plan: "Plan", folder: Path, asked: "Asked") -> str:
    """What there is to do, in a line."""
    from opsin.claims.verdict import LEAST

    time = "in a time not measured yet" if isnan(plan.minutes) else f"about {minutes(plan.minutes)}"
    lines = [f"{many(len(plan.todo), 'claim')} to run, {time}"] if plan.todo else []
    if plan.there:
        are = "is" if len(plan.there) == 1 else "are"
        lines.append(f"{many(len(plan.there), 'record')} {are} there already ({folder}): nothing is run twice")
    if plan.waiting:
        lines.append(f"left out: {many(len(plan.waiting), 'claim')} without a test")
    if asked.seeds and asked.seeds < LEAST and any(claim.experiment for claim in plan.todo):
        lines.append(f"by fewer than {LEAST} seeds most rules for training cannot find that a claim holds")
    return "; ".join(lines)


def print_plan(console: "Console", plan: "Plan", folder: Path, asked: "Asked", as_json: bool) -> None:
    """What would be run, with its time; writes nothing."""
    pairs = zip(plan.todo, plan.each, strict=True)
    rows = [{"id": claim.id, "title": claim.title, "minutes": round(each, 2)} for claim, each in pairs]
    if as_json:
        rows = [row | {"minutes": None if isnan(row["minutes"]) else row["minutes"]} for row in rows]
        print(json.dumps({"todo": rows, "there": list(plan.there), "waiting": [c.id for c in plan.waiting]}))
        return
    for row in rows:
        console.print(f"{row['id']}  {minutes(row['minutes']):>12}  {row['title']}", markup=False)
    console.print(told(plan, folder, asked), soft_wrap=True, markup=False)
