"""The sentences of the page, worked out from the records."""

from collections import Counter
from collections.abc import Sequence

from opsin.claims.claim import Effect, Verdict
from opsin.claims.record import Record
from opsin.report import words
from opsin.report.claims.axes import figure, with_unit

KINDS = {
    "exact": "arithmetic or structure",
    "cost": "measured on a machine",
    "training": "networks trained",
}
"""How a claim is put to the test, as the page says it."""
CHECKED = {
    "paper": "as the paper prints it",
    "arithmetic": "worked out here",
    "memory": "from memory, not checked",
}
MARKS = {
    True: ("yes", "✓", "holds"),
    False: ("no", "✕", "does not hold"),
    "open": ("open", "?", "not decided"),
    None: ("told", "·", "told beside"),
}
"""The part of a finding by its mark: a class, a sign, and what it is read as."""


def standfirst(records: Sequence[Record]) -> str:
    """How many claims there are and what came of them."""
    n, ran = Counter(record.verdict for record in records), [record for record in records if record.run]
    told = {
        Verdict.HOLDS: "{} hold{s}",
        Verdict.PARTLY: "{} hold{s} in part",
        Verdict.NOT_HERE: "{} do{es} not hold here",
        Verdict.UNDECIDED: "{} {is_} undecided",
    }
    parts = [
        text.format(n[v], s="s" if n[v] == 1 else "", es="es" if n[v] == 1 else "",
                    is_="is" if n[v] == 1 else "are")
        for v, text in told.items()
        if n[v]
    ]  # fmt: skip
    if not parts:
        return f"None of {words.plural(len(records), 'claim')} has been run yet."
    rest = f" {words.sentence(words.spelled(n[Verdict.NOT_RUN]))} more {waits(n[Verdict.NOT_RUN])}."
    told_of = f"Of {words.plural(len(ran), 'claim')} that {'were' if len(ran) > 1 else 'was'} put to the test "
    return told_of.rstrip() + ", " + words.listed(parts) + "." + (rest if n[Verdict.NOT_RUN] else "")


def waits(n: int) -> str:
    return "is listed and was not run" if n == 1 else "are listed and were not run"


def counts(records: Sequence[Record]) -> list[tuple[str, list[int]]]:
    """A row for each way of testing that occurs: how many claims have each verdict."""
    n = Counter((record.kind, record.verdict) for record in records)
    return [
        (told, [n[kind, verdict] for verdict in Verdict])
        for kind, told in KINDS.items()
        if any(record.kind == kind for record in records)
    ]


def effect(found: Effect) -> str:
    """ "−1.2 points (−2 to −0.4)"; an interval whose ends are not known is left out."""
    told = f"{found.bound} {with_unit(found.mean, found.unit)}".strip()
    if found.low is None and found.high is None:
        return told
    low, high = ("?" if end is None else figure(end) for end in (found.low, found.high))
    return f"{told} ({low} to {high})"


def basis(found: Effect) -> str:
    """What the effect rests on: "over 10 seeds, 95 % interval, p = 0.002"."""
    told = [words.plural(found.n, "seed")]
    if found.low is not None or found.high is not None:
        told.append(f"95 % interval over {found.over}")
    if found.p is not None:
        told.append(f"p{words.GAP}={words.GAP}{found.p:.2g}" if found.p >= 0.001 else f"p{words.GAP}<{words.GAP}0.001")
    more = f"; about {words.plural(found.decides, 'seed')} would decide" if found.decides else ""
    return ", ".join(told) + more


def ran(record: Record) -> str:
    """Where and how it was run, in a line; empty where it was not."""
    machine, told = record.machine or {}, []
    if not record.run:
        return ""
    if record.data:
        told.append(f"on {record.data}")
    if record.seeds:
        told.append(words.plural(record.seeds, "seed"))
    if record.tier and record.kind == "training":
        told.append(f"tier {record.tier}")
    if record.minutes is not None:
        took = words.duration(60 * record.minutes) if record.minutes > 1 / 60 else "less than a second"
        told.append(f"{took} of training, one core's" if record.data else took)
    if machine.get("cpu"):
        threads = f", {words.plural(record.threads, 'thread')}" if record.threads else ""
        told.append(words.plain(machine["cpu"]) + threads)
    if machine.get("gpu") and machine.get("device") != "cpu":
        told.append(words.plain(machine["gpu"]))
    return "; ".join(told)


def machines(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Machines and versions, and how many claims were run with each, whatever else the machine did meanwhile."""
    told = Counter(
        ", ".join(
            f"{key.replace('_', ' ')} {words.plain(value)}"
            for key, value in ((r.machine or {}) | (r.versions or {})).items()
            if value is not None and key != "others"
        )
        for r in records
        if r.run and (r.machine or r.versions)
    )
    return told.most_common()


def errors_title(records: Sequence[Record]) -> str:
    n = sum(bool(record.errs) for record in records)
    return f"{words.sentence(words.spelled(n))} {'statement' if n == 1 else 'statements'} as they stand, and what is"


def effects(records: Sequence[Record]) -> list[tuple[Record, str, str, str]]:
    """A row for each claim that its training decided by an effect: the record, the effect, its p and its q.

    q is p as Benjamini and Hochberg (1995) adjust it for all that the page shows: of those up to it, the share that
    chance would bring. It decides no verdict.
    """
    from scipy.stats import false_discovery_control

    found = [(record, record.effect) for record in records if record.effect is not None and record.kind == "training"]
    ps = {record.id: own.p for record, own in found if own.p is not None}
    qs = dict(zip(ps, false_discovery_control(list(ps.values())).tolist(), strict=True)) if ps else {}

    def told(of: dict[str, float], id: str) -> str:
        return f"{of[id]:.2g}" if id in of else words.NONE

    return [(record, effect(own), told(ps, record.id), told(qs, record.id)) for record, own in found]
