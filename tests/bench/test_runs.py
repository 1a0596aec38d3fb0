"""Turns, when a row is done, what is kept on the disk: with visits that are made up."""

import json

import pytest

from opsin.bench import runs, session
from opsin.bench.cell import Cell, Options, Row
from opsin.bench.job import Visit
from opsin.bench.kept import Kept
from opsin.costs.measure import TimedBlock
from opsin.errors import OpsinError
from opsin.watch import Watch

CELLS = [Cell("lenet5", batch, 32) for batch in (1, 2, 4)]


class Quick(runs.Estimate):
    """Every cell takes a second."""

    def __init__(self, *device):
        self.macs = 1.0

    def expected(self, cell):
        return 1.0


@pytest.fixture
def machine(monkeypatch):
    """Replaces the worker: `answers` gives the blocks of a cell's k-th visit; returns the order of the visits."""
    order = []

    def made(answers):
        def visit(pool, own, options):
            order.append(own.cell.batch)
            answer = answers(own.cell, len(own.visits))
            if isinstance(answer, str):
                own.failure = answer
            else:
                own.visits.append(Visit(answer, 0.5, memory=1000))

        monkeypatch.setattr(runs, "visit", visit)
        monkeypatch.setattr(session, "Estimate", Quick)
        return order

    return made


def calm(ms):
    return [TimedBlock((ms,) * 5, 0.0), TimedBlock((ms * 1.01,) * 5, 0.0)]


def test_cells_take_turns_and_end_when_they_agree(machine):
    order = machine(lambda cell, k: calm(10.0 if cell.batch != 2 else 10.0 * 0.9**k if k < 4 else 6.6))
    rows = list(runs.bench(CELLS, Options(), Watch(), Quick()))
    assert order == [1, 2, 4, 1, 2, 4, 1, 2, 4, 2, 2, 2][: len(order)]
    assert order.count(1) == order.count(4) == 3
    assert order.count(2) > 3
    assert [(row.cell.batch, row.status) for row in rows] == [(1, "ok"), (4, "ok"), (2, "ok")]  # as they stand
    assert rows[0].p50 == pytest.approx(10.0)
    assert rows[0].images_per_second == pytest.approx(100.0)


def test_beside_a_hog_every_row_is_unstable_and_soon_given_up(machine):
    order = machine(lambda cell, k: [TimedBlock((10.0,) * 5, 0.97, disturbed=True)] * 2)
    rows = list(runs.bench(CELLS, Options(), Watch(), Quick()))
    assert {row.status for row in rows} == {"unstable"}
    assert all("other work took 1.0 cores" in row.why for row in rows)
    assert len(order) == 9


def test_what_never_settles_ends(machine):
    order = machine(lambda cell, k: calm(10.0 / (k + 1)))
    rows = list(runs.bench(CELLS[:1], Options(), Watch(), Quick()))
    assert (rows[0].status, len(order)) == ("unstable", runs.MOST)


def test_a_failure_is_a_row(machine):
    machine(lambda cell, k: "no such operator" if cell.batch == 2 else calm(3.0))
    rows = list(runs.bench(CELLS, Options(), Watch(), Quick()))
    assert [(row.cell.batch, row.status) for row in rows] == [(2, "failed"), (1, "ok"), (4, "ok")]
    assert rows[0].why == "no such operator"


def test_failures_are_told_in_one_line():
    assert "smaller batch" in runs.why_failed(
        CELLS[0], {"type": "Died", "message": "its process ended with exit code -9"}
    )
    assert "smaller batch" in runs.why_failed(CELLS[0], {"type": "OutOfMemoryError", "message": "CUDA out of memory."})
    assert runs.why_failed(CELLS[0], {"type": "OpsinError", "message": "lenet5 x1 cannot"}) == "cannot"


def test_a_bench_that_is_stopped_goes_on(machine, tmp_path):
    def stopped(cell, k):
        if cell.batch == 4:
            raise KeyboardInterrupt
        return calm(10.0)

    machine(stopped)
    monkey_group = runs.GROUP
    try:
        runs.GROUP = 1
        with pytest.raises(KeyboardInterrupt):
            session.measure(CELLS, Options(), folder=tmp_path)
        order = machine(lambda cell, k: calm(20.0))
        order.clear()
        found = session.measure(CELLS, Options(), folder=tmp_path)
    finally:
        runs.GROUP = monkey_group
    assert set(order) == {4}
    assert [row.p50 for row in found.rows] == pytest.approx([10.0, 10.0, 20.0])
    assert len(list(tmp_path.iterdir())) == 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_half_a_line_is_no_row(tmp_path):
    kept = Kept(tmp_path, {"cpu": "x"}, Options())
    kept.add(Row(CELLS[0], "ok", 1, 2, 3, p50=1.0))
    with kept.file.open("a") as file:
        file.write('{"cell": {"model": "len')
    assert set(kept.rows(CELLS)) == {CELLS[0]}
    kept.add(Row(CELLS[1], "ok", 1, 2, 3, p50=2.0))
    assert [row.p50 for row in kept.rows(CELLS).values()] == [1.0, 2.0]
    assert Kept(tmp_path, {"cpu": "y"}, Options()).rows(CELLS) == {}
    assert Kept(tmp_path, {"cpu": "x"}, Options(precision=0.05)).rows(CELLS) == {}


def test_rows_are_kept_where_that_can_be(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(OpsinError, match=r"cannot write .*file.* is no folder; name another with --keep"):
            Kept(folder, {}, Options())
    kept = Kept(tmp_path / "rows", {}, Options())
    kept.file.write_bytes(b"\xff\xfe\n")
    assert kept.rows(CELLS) == {}


def test_rows_without_energy_are_measured_again_when_it_can_be_read(machine, tmp_path, monkeypatch):
    order = machine(lambda cell, k: calm(10.0))
    for reason, visits in (("they want root", 9), ("they want root", 0), ("", 9)):
        order.clear()
        monkeypatch.setattr(session, "no_power", lambda device, reason=reason: reason)
        assert session.measure(CELLS, Options(power=True), folder=tmp_path).power == reason
        assert len(order) == visits


def test_watts_are_of_the_time_between_the_readings():
    own = runs.Open(CELLS[1])
    own.visits = [Visit([TimedBlock((10.0,) * 5, joules=3.0, seconds=0.1)] * 2, 0.5)] * 3
    row = runs.row_of(own, Options(), None)
    assert (row.watts, row.joules) == pytest.approx((30.0, 3.0 / 5 / 2))


def test_what_does_not_fit_is_refused_or_left_out(machine, monkeypatch):
    machine(lambda cell, k: calm(1.0))
    monkeypatch.setattr(session, "free_memory", lambda device: 10**9)
    large = Cell("lenet5", 10**6, 32)
    with pytest.raises(OpsinError, match="take --batch"):
        session.measure([large, *CELLS], Options())
    found = session.measure([large, *CELLS], Options(), skip=True)
    assert len(found.rows) == 3
    assert "take --batch" in found.skipped[0]


def test_what_was_unstable_is_measured_again(tmp_path):
    kept = Kept(tmp_path, {"cpu": "x"}, Options())
    kept.add(Row(CELLS[0], "unstable", 1, 2, 3, why="other work took 1.0 cores meanwhile", p50=1.0))
    kept.add(Row(CELLS[1], "failed", 1, 2, 3, why="no memory"))
    assert kept.rows(CELLS) == {}
    kept.add(Row(CELLS[0], "ok", 1, 2, 3, p50=1.0))
    assert set(kept.rows(CELLS)) == {CELLS[0]}


def test_groups_take_half_of_the_memory_at_most(monkeypatch):
    monkeypatch.setattr(runs.fits, "predicted", lambda cell: 4)
    cells = [CELLS[0]] * 5
    assert [len(group) for group in runs.groups_of(cells, 16)] == [2, 2, 1]
    assert [len(group) for group in runs.groups_of(cells, 4)] == [1] * 5
    assert [len(group) for group in runs.groups_of(cells * 3, None)] == [10, 5]
