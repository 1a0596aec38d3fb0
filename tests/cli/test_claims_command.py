"""`opsin claims`: the list, one claim in full, runs that go on, and what is refused in one line."""

import html
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsin.claims import catalogue
from opsin.claims import run as work
from opsin.claims.catalogue import CLAIMS
from opsin.claims.plan import NOTHING, command, definition
from opsin.claims.record import read_all

DOCS = Path(__file__).parents[2] / "docs" / "claims"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, and no records in the docs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("opsin.cli.claims.IN_DOCS", tmp_path / "none")
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def tested(monkeypatch):
    """The ids of the claims whose tests are run."""
    ran = []
    before_each(monkeypatch, lambda claim: ran.append(claim.id))
    return ran


def before_each(monkeypatch, do):
    """Does this before a claim is put to its test."""
    bench = work.bench

    @contextmanager
    def told():
        with bench() as test:
            yield lambda claim: (do(claim), test(claim))[1]

    monkeypatch.setattr(work, "bench", told)


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_all_claims_in_80_columns(opsin, here, arguments):
    code, out, err = opsin("claims", *arguments)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    rows = out.partition("\n\n")[0].splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(CLAIMS)
    for row, claim in zip(rows, CLAIMS.values(), strict=True):
        assert row.split()[1:4] == [str(claim.year), claim.kind, "–"]
        assert row.rstrip().endswith(claim.title), "no title is cut"


def test_the_list_by_kind_as_json(opsin, here):
    _, out, _ = opsin("claims", "list", "--kind", "cost", "--json")
    rows = json.loads(out)
    assert {row["id"] for row in rows} == {"X06", "X14", "X24", "X25", "X30", "X31"}
    assert {row["verdict"] for row in rows} == {None} and all(row["tested"] for row in rows)


@pytest.mark.parametrize("id", ["X04", "T19", "x30", "T51"])
def test_one_claim_in_full(opsin, here, id):
    claim = CLAIMS[id.upper()]
    code, out, _ = opsin("claims", "show", id)
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    told = " ".join(line[10:].strip() for line in out.splitlines())
    for text in (claim.statement, claim.measured, claim.rule, claim.errs, claim.paper.title, claim.full):
        assert text in told
    assert ("opsin claims run" in told) == claim.tested
    assert "no verdict yet" in out
    _, out, _ = opsin("claims", "show", id, "--json")
    assert json.loads(out)["record"] is None


def test_two_are_run_and_not_twice(opsin, here, tested):
    code, out, err = opsin("claims", "run", "X04", "x09", "X04")
    assert (code, tested) == (0, ["X04", "X09"])
    assert "2 claims to run" in err and "X04: holds partly" in err
    assert "Records: opsin-claims" in out and "partly" in out
    before = {path: path.read_text(encoding="utf-8") for path in (here / "opsin-claims").glob("*.json")}
    assert {path.stem for path in before} == {"X04", "X09"}
    code, out, err = opsin("claims", "run", "X04", "X09")
    assert (code, tested) == (0, ["X04", "X09"])
    assert "nothing is run twice" in err and "partly" in out
    assert before == {path: path.read_text(encoding="utf-8") for path in (here / "opsin-claims").glob("*.json")}
    _, out, _ = opsin("claims", "list", "--kind", "exact")
    assert next(row for row in out.splitlines() if row.startswith("X04")).split()[3] == "partly"
    _, out, _ = opsin("claims", "show", "X04")
    assert "holds partly" in out and "no   almost ten times less: 8.47 times" in out


def test_json_is_the_records(opsin, here):
    code, out, _ = opsin("claims", "run", "X05", "T05", "--out", "there", "--json")
    (record,) = json.loads(out)
    assert code == 0 and record == json.loads((here / "there" / "X05.json").read_text(encoding="utf-8"))
    assert record["machine"]["threads"] >= 1 and record["versions"]["opsin"]
    _, out, _ = opsin("claims", "show", "X05", "--out", "there", "--json")
    assert json.loads(out)["record"] == record
    _, out, _ = opsin("claims", "list", "--out", "there", "--json")
    assert {row["id"]: row["verdict"] for row in json.loads(out)}["X05"] == "holds partly"


def test_a_record_of_another_tier_shows_the_command_that_made_it(opsin, here):
    assert "run       opsin claims run T20  (about" in opsin("claims", "show", "T20")[1]
    quick = json.loads((DOCS / "T20.json").read_text(encoding="utf-8"))
    wanted = "opsin claims run T20 --tier standard"
    (here / "opsin-claims").mkdir()
    made = quick | {"tier": "standard", "data": "cifar10", "command": wanted}
    (here / "opsin-claims" / "T20.json").write_text(json.dumps(made), encoding="utf-8")
    assert f"run       {wanted}\n" in opsin("claims", "show", "T20")[1]
    opsin("claims", "page")
    assert f"<code>{wanted}</code>" in (here / "opsin-claims" / "claims.html").read_text(encoding="utf-8")


def test_the_records_of_the_docs_are_of_these_claims(monkeypatch):
    found = read_all(DOCS)
    assert found.keys() == {"modules", *(claim.id for claim in CLAIMS.values() if claim.tested)}
    for own, record in ((catalogue.claim(id), record) for id, record in found.items()):
        monkeypatch.setattr("opsin.claims.plan.__version__", record["versions"]["opsin"])
        assert record["command"] == command(own, NOTHING)
        if not own.timed:  # the definition of one that is has the machine in it
            assert record["definition"] == definition(own, NOTHING), f"{own.id} is to be run again"


def test_a_dry_run_writes_nothing(opsin, here, tested):
    code, out, _ = opsin("claims", "run", "--kind", "exact", "--dry-run")
    todo = [id for id, claim in CLAIMS.items() if claim.kind == "exact"]
    assert code == 0 and f"{len(todo)} claims to run, about" in out
    assert {line[:3] for line in out.splitlines() if line[:1] in "XT"} == set(todo)
    _, out, _ = opsin("claims", "run", "X04", "T05", "--dry-run", "--json")
    told = json.loads(out)
    assert (told["todo"][0]["id"], told["there"], told["waiting"]) == ("X04", [], ["T05"])
    assert tested == [] and list(here.iterdir()) == []


@pytest.mark.parametrize(("seeds", "said"), [("5", True), ("6", False)])
def test_too_few_seeds_are_said_before_they_are_run(opsin, here, seeds, said):
    _, out, _ = opsin("claims", "run", "T20", "--seeds", seeds, "--dry-run")
    assert ("by fewer than 6 seeds most rules for training cannot find that a claim holds" in out) is said


def test_ctrl_c_leaves_what_is_done(opsin, here, monkeypatch):
    from opsin.cli.main import Stopped

    def stop(claim):
        if claim.id == "X05":
            raise Stopped

    before_each(monkeypatch, stop)
    code, _, err = opsin("claims", "run", "X04", "X05")
    assert code == 130 and "goes on from here" in err
    assert [path.name for path in (here / "opsin-claims").glob("*.json")] == ["X04.json"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "X99"), "unknown claim 'X99'; did you mean"),
        (("run", "X99"), "unknown claim 'X99'; did you mean"),
        (("run",), "name claims such as X04, or all of a --kind"),
        (("run", "X04", "--kind", "exact"), "not both"),
        (("run", "--kind", "exakt"), "did you mean exact"),
        (("list", "--kind", "none"), "unknown kind"),
        (("run", "X04", "--seeds", "3"), "X04 is arithmetic: it has no seeds"),
        (("run", "X06", "--data", "digits"), "X06 is measured on this machine: it has no data"),
        (("run", "X04", "--tier", "full"), "it has no tiers"),
        (("run", "X04", "X05", "--workers", "2"), "it has no work for several processes"),
        (("run", "T01", "--tier", "fast"), "unknown tier 'fast'"),
        (("run", "T01", "--tier", "full"), "the tier full trains on a GPU, and there is none here: take standard"),
        (("run", "T05"), "T05 cannot be run: no test yet"),
        (("run", "T05", "--seeds", "3"), "T05 cannot be run: no test yet"),
        (("run", "moduls"), "did you mean modules"),
        (("list", "--out", "nowhere"), "there is no folder nowhere"),
        (("list", "--out", __file__), "is a file, not a folder"),
        (("run", "X04", "--out", __file__, "--dry-run"), "is a file, not a folder"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(opsin, here, tested, arguments, told, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = opsin("claims", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert told in err and tested == [] and list(here.iterdir()) == []


def test_a_folder_that_cannot_be_written(opsin, here, tested):
    (here / "file").write_text("", encoding="utf-8")
    code, out, err = opsin("claims", "run", "X04", "--out", "file/there")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "is no folder; name another with --out" in err
    if os.name == "posix" and os.geteuid() != 0:
        (here / "shut").mkdir(mode=0o500)
        code, _, err = opsin("claims", "run", "X04", "--out", "shut")
        assert (code, err.count("\n")) == (1, 1) and "cannot write" in err
    assert tested == []


def test_a_damaged_record_names_the_mend(opsin, here):
    (here / "opsin-claims").mkdir()
    (here / "opsin-claims" / "X04.json").write_text("{", encoding="utf-8")
    for arguments in (("list",), ("run", "X04")):
        code, _, err = opsin("claims", *arguments)
        assert (code, err.count("\n")) == (1, 1) and "cannot read opsin-claims/X04.json" in err and "remove it" in err


def test_the_page_has_what_was_run_and_what_was_not(opsin, here, tested):
    opsin("claims", "run", "X09", "--out", "there")
    code, out, _ = opsin("claims", "page", "--out", "there")
    assert (code, Path(out.strip())) == (0, Path("there/claims.html"))
    text = (here / "there" / "claims.html").read_text(encoding="utf-8")
    assert all(f'id="{id}"' in text for id in CLAIMS)
    assert text.count("opsin claims run X09") == 1 and CLAIMS["T54"].waits in html.unescape(text)


def test_a_page_of_nothing_is_refused(opsin, here):
    code, _, err = opsin("claims", "page", "--out", "there")
    assert (code, err.count("\n")) == (1, 1) and "no records of claims in there" in err


def test_help_imports_no_torch():
    code = (
        "import sys; from opsin.cli import main, claims; print('torch' in sys.modules, 'opsin.claims' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
