"""Records of claims: all of a finding comes back, and no number that JSON does not have."""

import dataclasses
import itertools
import json
import math
import os
import statistics
from contextlib import contextmanager, nullcontext

import pytest

from opsin.claims import plan as plans
from opsin.claims import record, run
from opsin.claims.chart import Bars, Dots, Grid, Lines, Ranges, Table
from opsin.claims.claim import ARTICLES, Effect, Finding, Part, Verdict, weigh
from opsin.claims.topics import images
from opsin.claims.topics.lenet import CLAIMS
from opsin.errors import OpsinError
from opsin.launch.local import Event

CHARTS = (
    Bars("bars", "MACs", (("", "a", 1.0), ("g", "b", 2.5)), said=(("three", 3.0),), log=True, stacked=True),
    Lines("lines", "x", "y", {"a": ((1.0, 2.0), (2.0, 3.0))}, {"a": ((1.0, 1.5, 2.5),)}, "xy", (("two", 2.0),)),
    Lines("no bands", "x", "y", {"a": ((1.0, 2.0),)}),
    Grid("grid", "times", ("r", "s"), ("c",), ((1.0,), (None,))),
    Dots("dots", "x", "y", (("a", 1.0, 2.0, 3.0),), "x"),
    Ranges("ranges", "points", (("a", 1.0, 0.5, 1.5),), none=1.0, log=True),
    Table("table", ("a", "b"), (("1", "2"),)),
)
FINDING = Finding(
    Verdict.PARTLY,
    (Part("says", "found", True), Part("says", "found", False), Part("told", "beside")),
    CHARTS,
    ("a note",),
    Effect("error", "points", 1.5, 0.5, None, 3, 0.25, (1.0, None, 2.0), 12),
)
RAN = record.Circumstances(
    0.5, {"cpu": "c", "threads": 1}, {"opsin": "0", "torch": "2"}, "abc", "opsin claims run X", "full", "digits", 10
)
CLAIM = CLAIMS[0]
CLAIMS_THAT_TRAIN = {claim.id: claim for claim in images.CLAIMS}


def test_all_of_it_comes_back(tmp_path):
    written = record.to_dict(CLAIM, FINDING, RAN)
    path = record.write(tmp_path, written)
    assert path == tmp_path / "X01.json"
    read = record.read(path)
    assert read == written == json.loads(path.read_text(encoding="utf-8"))
    known = record.typed(read, path)
    assert all(getattr(known, field.name) == getattr(FINDING, field.name) for field in dataclasses.fields(FINDING))
    assert all(getattr(known, field.name) == getattr(RAN, field.name) for field in dataclasses.fields(RAN))
    assert record.read_all(tmp_path) == {"X01": read}
    assert record.read_all(tmp_path / "none") == {}


def test_threads_are_those_of_a_training(tmp_path):
    """What the notes of claims about time say of their own timings, the machine's threads do not say again."""
    known = record.typed(record.to_dict(CLAIM, FINDING, RAN), tmp_path / "X01.json")
    assert known.threads == 1
    assert dataclasses.replace(known, data=None).threads is None
    assert dataclasses.replace(known, machine=None).threads is None


def test_the_format():
    written = record.to_dict(CLAIM, FINDING, RAN)
    assert list(written) == [
        *("schema", "id", "title", "statement", "quote", "articles", "year", "paper", "measured", "checked", "kind"),
        *("rule", "errs", "waits", "full", "verdict", "parts", "notes", "effect", "charts"),
        *("minutes", "machine", "versions", "definition", "command", "tier", "data", "seeds", "images"),
    ]  # fmt: skip
    assert (written["schema"], written["verdict"], written["seeds"]) == (1, "holds partly", 10)
    assert written["articles"] == [{"letter": "E", "title": ARTICLES["E"]}]
    assert written["paper"].keys() == {"title", "authors", "year", "venue", "url"}
    assert [chart["kind"] for chart in written["charts"]] == [
        "bars", "lines", "lines", "grid", "dots", "ranges", "table",
    ]  # fmt: skip
    assert set(written["effect"]) == {field.name for field in dataclasses.fields(Effect)}


def test_numbers_that_are_none_do_not_reach_json():
    nan, inf = math.nan, math.inf
    charts = (
        Bars("", "", (("", "a", nan), ("", "b", 1.0))),
        Lines("", "", "", {"a": ((1.0, inf), (2.0, 3.0))}, {"a": ((1.0, -inf, 2.0),)}),
        Grid("", "", ("r",), ("c", "d"), ((nan, 1.0),)),
        Dots("", "", "", (("a", 1.0, nan, 3.0),)),
        Ranges("", "", (("a", 1.0, 0.5, inf), ("b", nan, 0.0, 1.0))),
    )
    effect = Effect("", "times", nan, -inf, inf, 2, values=(inf, 1.0))
    written = record.to_dict(CLAIM, Finding(Verdict.UNDECIDED, (), charts, effect=effect), RAN)
    json.dumps(written, allow_nan=False)
    bars, lines, grid, dots, ranges = written["charts"]
    assert bars["rows"] == [["", "b", 1.0]]
    assert (lines["lines"], lines["bands"]) == ({"a": [[2.0, 3.0]]}, {"a": []})
    assert grid["cells"] == [[None, 1.0]] and dots["dots"] == []
    assert ranges["rows"] == [["a", 1.0, 0.5, None]]
    assert [written["effect"][key] for key in ("mean", "low", "high", "values")] == [None, None, None, [None, 1.0]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot read .*X01.json: .*remove it"),
        ("[]", "is no record of a claim: move it out"),
        ("{}", "is no record of a claim: move it out"),
        ('{"schema": 1}', "X01.json has no id; remove it"),
        ('{"schema": 9}', "schema 9, here 1; remove it"),
    ],
)
def test_what_is_no_record_is_said(tmp_path, text, told):
    path = tmp_path / "X01.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OpsinError, match=told):
        record.read(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": "10"}, "seeds: Input should be a valid integer"),
        ({"minutes": "3"}, "minutes: Input should be a valid number"),
        ({"parts": [{"says": "a", "found": "b", "holds": "yes"}]}, "parts.0.holds"),
        ({"parts": [{"says": "a", "holds": True}]}, "has no parts.0.found"),
        ({"machine": {"others": "many"}}, "machine.others must be a number, not 'many'"),
    ],
)
def test_values_of_another_kind_are_said(tmp_path, change, told):
    path = record.write(tmp_path, record.to_dict(CLAIM, FINDING, RAN) | change)
    with pytest.raises(OpsinError, match=f"X01.json.*{told}.*remove it"):
        record.read(path)


@pytest.mark.parametrize("name", ["notes", "charts", "machine", "versions", "definition", "command", "images"])
def test_what_a_record_lacks_is_said(tmp_path, name):
    written = record.to_dict(CLAIM, FINDING, RAN)
    del written[name]
    path = record.write(tmp_path, written)
    with pytest.raises(OpsinError, match=f"X01.json has no {name}; remove it"):
        record.read(path)


def tried(id, minutes=1.0, kind="exact", verdict=Verdict.HOLDS):
    ran = []

    def test():
        ran.append(id)
        return Finding(verdict, (Part("says", "found", True),))

    return dataclasses.replace(CLAIM, id=id, kind=kind, minutes=minutes, test=test), ran


@pytest.fixture
def in_this_process(monkeypatch):
    """Tests that are functions within functions cannot be sent to another."""
    monkeypatch.setattr(run, "bench", lambda: nullcontext(lambda claim: run.tried(claim.test)))


def test_what_is_there_is_not_run_again(tmp_path):
    claim, ran = tried("X01")
    for _ in range(2):
        records = run.run(plans.plan([claim], tmp_path), tmp_path)
        assert records["X01"]["verdict"] == "holds" and ran == ["X01"]
    assert plans.plan([claim], tmp_path).there.keys() == {"X01"}


@pytest.mark.parametrize("change", ["rule", "version", "machine", "not run"])
@pytest.mark.usefixtures("in_this_process")
def test_what_changed_is_run_again(tmp_path, monkeypatch, change):
    kind = "cost" if change == "machine" else "exact"
    monkeypatch.setattr(plans, "BUSY", 1e9)
    claim, ran = tried("X01", kind=kind, verdict=Verdict.NOT_RUN if change == "not run" else Verdict.HOLDS)
    run.run(plans.plan([claim], tmp_path), tmp_path)
    if change == "rule":
        claim = dataclasses.replace(claim, rule="another")
    elif change == "version":
        monkeypatch.setattr(plans, "__version__", "9")
    elif change == "machine":
        monkeypatch.setattr(plans, "at_work", lambda: {"cpu": "another", "threads": 1})
    run.run(plans.plan([claim], tmp_path), tmp_path)
    assert ran == ["X01", "X01"] and record.read(tmp_path / "X01.json")["seeds"] is None


def test_a_machine_that_is_not_known_is_no_reason_to_run_again(tmp_path):
    claim, ran = tried("X01")
    (written,) = run.run(plans.plan([claim], tmp_path), tmp_path).values()
    record.write(tmp_path, written | {"machine": None})
    assert not plans.plan([claim], tmp_path).todo and ran == ["X01"]


def test_a_record_of_more_seeds_that_came_meanwhile_stays(tmp_path):
    """Another process may have ended between the plan and the lock."""
    claim = CLAIMS_THAT_TRAIN["T01"]
    few = plans.Asked(seeds=5)
    plan = plans.plan([claim], tmp_path, few)
    others = dataclasses.replace(RAN, tier="quick")
    record.write(tmp_path, record.to_dict(claim, FINDING, others))
    with pytest.raises(OpsinError, match="has T01 with 10 seeds"):
        run.run(plan, tmp_path, few)
    assert record.read(tmp_path / "T01.json")["seeds"] == 10


def test_seeds_and_data_are_nothing_to_arithmetic(tmp_path):
    claim, ran = tried("X01")
    run.run(plans.plan([claim], tmp_path), tmp_path)
    assert not plans.plan([claim], tmp_path, plans.Asked("full", "mnist", 3)).todo and ran == ["X01"]


def test_the_quickest_is_run_first_and_what_nobody_has_timed_last(tmp_path):
    claims = [tried(id, minutes)[0] for id, minutes in (("X01", 3.0), ("X02", math.nan), ("X03", 1.0), ("X04", 2.0))]
    for order in itertools.permutations(claims):
        assert [claim.id for claim in plans.plan(order, tmp_path).todo] == ["X03", "X04", "X01", "X02"]


def test_what_claims_share_is_foretold_once(tmp_path):
    of = {"X01": (7.0, "a"), "X02": (2.0, ""), "X03": (4.0, "a"), "X04": (3.0, "b"), "X05": (2.5, "")}
    claims = [dataclasses.replace(tried(id)[0], minutes=own, shares=shares) for id, (own, shares) in of.items()]
    plan = plans.plan(claims, tmp_path)
    assert [claim.id for claim in plan.todo] == ["X02", "X05", "X04", "X03", "X01"]
    assert plan.each == (2.0, 2.5, 3.0, 4.0, 3.0) and plan.minutes == 14.5


def test_what_is_done_stays_when_it_is_stopped(tmp_path):
    first, ran = tried("X01", 1.0)
    last, _ = tried("X03", 3.0)

    def stopped():
        raise KeyboardInterrupt

    second = dataclasses.replace(tried("X02")[0], minutes=2.0, test=stopped)
    with pytest.raises(KeyboardInterrupt):
        run.run(plans.plan([last, second, first], tmp_path), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["X01.json"]
    second = dataclasses.replace(second, test=tried("X02")[0].test)
    plan = plans.plan([last, second, first], tmp_path)
    assert [claim.id for claim in plan.todo] == ["X02", "X03"] and plan.minutes == 5
    assert sorted(run.run(plan, tmp_path)) == ["X01", "X02", "X03"] and ran == ["X01"]


@pytest.mark.parametrize(
    ("kind", "cores", "verdict"),
    [
        ("clocked", 0.6, "undecided"),
        ("cost", 0.6, "undecided"),
        ("cost", 0.4, "holds"),
        ("cost", 0.5, "holds"),
        ("cost", None, "holds"),
        ("exact", 1.9, "holds"),
    ],
)
@pytest.mark.usefixtures("in_this_process")
def test_times_on_a_busy_machine_decide_nothing(tmp_path, monkeypatch, kind, cores, verdict):
    monkeypatch.setattr(run.Others, "cores", lambda self: cores)
    claim, _ = tried("X01", kind="exact" if kind == "clocked" else kind)
    claim = dataclasses.replace(claim, clocked=kind == "clocked")
    (written,) = run.run(plans.plan([claim], tmp_path), tmp_path).values()
    assert (written["verdict"], written["machine"]["others"]) == (verdict, cores)
    assert written["notes"] == ([run.DISTURBED.format(cores, "holds")] if verdict == "undecided" else [])
    assert len(plans.plan([claim], tmp_path).todo) == (verdict == "undecided"), "it is tried again"


@pytest.mark.usefixtures("in_this_process")
def test_what_calm_times_leave_undecided_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(run.Others, "cores", lambda self: 0.1)
    claim, ran = tried("X01", kind="cost")
    claim = dataclasses.replace(
        claim, test=lambda: (ran.append("X01"), weigh(Part("", "", True), Part("", "", "open")))[1]
    )
    (written,) = run.run(plans.plan([claim], tmp_path), tmp_path).values()
    assert (written["verdict"], written["notes"]) == ("undecided", [])
    assert not plans.plan([claim], tmp_path).todo


def test_a_bench_is_one_process_of_its_own(monkeypatch):
    claim = dataclasses.replace(CLAIM, kind="cost")
    where = dataclasses.replace(claim, test=os.getpid)
    with run.bench() as test, run.bench() as other:
        found, minutes, others = test(claim)
        assert found == claim.test() and 0 < minutes < 1 and (others is None or others >= 0)
        pids = [test(where)[0], test(where)[0], other(where)[0], os.getpid()]
        assert pids[0] == pids[1] and len(set(pids)) == 3
        monkeypatch.setattr(run.Others, "cores", lambda self: 7.0)
        assert test(claim)[2] != 7.0 == test(CLAIM)[2]


def test_a_bench_has_the_load_of_all_of_it(monkeypatch):
    claim = dataclasses.replace(CLAIM, kind="cost")
    loads = iter([0.1, 0.5, None, 0.2])
    monkeypatch.setattr(run.Pool, "submit", lambda self, task: None)
    monkeypatch.setattr(run.Pool, "events", lambda self: [Event("", "done", (FINDING, 1.0, next(loads)))])
    with run.bench() as test:
        assert [test(claim)[2] for _ in range(4)] == [0.1, 0.5, 0.5, 0.5]


def test_claims_that_share_what_they_measure_share_a_bench(tmp_path, monkeypatch):
    benches = []

    @contextmanager
    def bench():
        benches.append([])
        yield lambda claim: (benches[-1].append(claim.id), run.tried(claim.test))[1]

    monkeypatch.setattr(run, "bench", bench)
    shares = {"X01": "a", "X02": "", "X03": "b", "X04": "a", "X05": ""}
    claims = [dataclasses.replace(tried(id, kind="cost")[0], shares=own) for id, own in shares.items()]
    run.run(plans.plan(claims, tmp_path), tmp_path)
    assert benches == [["X02"], ["X05"], ["X01", "X04"], ["X03"]]


def test_a_measurement_that_dies_is_said_in_one_line(tmp_path, monkeypatch):
    claim = dataclasses.replace(tried("X01", kind="cost")[0], test=os.abort)
    with pytest.raises(OpsinError, match="X01 could not be measured: its process ended with exit code -6"):
        run.run(plans.plan([claim], tmp_path), tmp_path)
    with run.bench() as bench:
        monkeypatch.setattr(run, "bench", lambda: nullcontext(bench))  # one process for what follows
        for test, told in ((statistics.mean, "missing 1 required"), (lambda: FINDING, "No module named")):
            claim = dataclasses.replace(claim, test=test)
            with pytest.raises(OpsinError, match=f"X01 could not be measured: .*{told}"):
                run.run(plans.plan([claim], tmp_path), tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_random_numbers_begin_anew_for_each(tmp_path):
    import torch

    drawn = []
    claims = [
        dataclasses.replace(tried(id)[0], test=lambda: (drawn.append(torch.rand(1).item()), FINDING)[1])
        for id in ("X01", "X02")
    ]
    run.run(plans.plan(claims, tmp_path), tmp_path)
    assert drawn[0] == drawn[1]


def test_what_has_no_test_waits(tmp_path):
    claim = dataclasses.replace(CLAIM, test=None, waits="for search")
    plan = plans.plan([claim], tmp_path)
    assert (plan.todo, plan.waiting) == ((), (claim,))
    with pytest.raises(OpsinError, match="X01 cannot be run: for search"), run.bench() as test:
        test(claim)
