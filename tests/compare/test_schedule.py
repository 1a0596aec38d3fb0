"""The runs of a comparison on a pool that only pretends: what is chosen, counted and told when runs fail."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from opsin.compare.plan import Plan, read_plan, write_plan
from opsin.compare.schedule import Schedule, best_rate
from opsin.errors import OpsinError
from opsin.launch.local import Event
from opsin.recipes import MODERN
from opsin.training.entry import scratch
from opsin.watch import Watch

PLAN = Plan(scratch(("lenet1989", "lenet5")), 16, (0, 1), replace(MODERN, epochs=10, batch_size=32), tune=True)


class Pretend:
    """A pool that answers each task at once with `outcome(key)`: a run.json, or the facts of a failure."""

    def __init__(self, outcome):
        self.outcome, self.tasks, self.done = outcome, [], []

    def submit(self, task):
        self.tasks.append(task)

    def events(self):
        while self.tasks:
            task = self.tasks.pop(0)
            self.done.append(task.key)
            answer = self.outcome(task.key)
            yield Event(task.key, "started")
            yield Event(task.key, "failed" if "type" in answer else "done", answer)


class Count(Watch):
    def __init__(self):
        self.total = self.done = 0.0

    def stage(self, title, total=None):
        self.total = total

    def advance(self, done):
        self.done += done


def run(outcome, tmp_path, plan=PLAN):
    pool, watch = Pretend(outcome), Count()
    cost = dict.fromkeys(plan.names, 3.0)

    def make_job(entry, recipe, seed, final, folder):
        return SimpleNamespace(recipe=recipe, final=final, folder=folder)

    trained = Schedule(plan, tmp_path, make_job, cost, watch).run(pool)
    assert watch.done == pytest.approx(watch.total)  # whatever failed, and though nothing told of its epochs
    return trained, pool.done


def good(loss):
    return {"status": "ok", "figures": {"val_loss": loss}}


def test_probes_choose_the_rate_of_all_seeds(tmp_path):
    losses = {"lr-0.001": 0.5, "lr-0.003": 0.3, "lr-0.009": 0.4}
    trained, done = run(lambda key: good(losses.get(key.split()[1], 0.1)), tmp_path)
    assert trained["lenet5"].rate == 0.003
    assert trained["lenet5"].seeds() == [0, 1]
    assert len(done) == 2 * (3 + 2)


def test_a_network_that_no_rate_trains(tmp_path):
    def outcome(key):
        return {"status": "failed: the loss became nan"} if key.startswith("lenet5") else good(1.0)

    trained, done = run(outcome, tmp_path)
    assert trained["lenet5"].failure == "failed: the loss became nan"
    assert trained["lenet1989"].seeds() == [0, 1]
    assert len(done) == 3 + 3 + 2


def test_a_run_that_raises_keeps_its_traceback(tmp_path):
    facts = {"type": "RuntimeError", "message": "out of memory", "errno": None, "traceback": "Traceback …"}
    trained, _ = run(lambda key: facts if key == "lenet5 seed-1" else good(1.0), tmp_path)
    assert trained["lenet5"].seeds() == [0]
    assert trained["lenet5"].runs[1]["status"] == "failed: RuntimeError: out of memory"
    assert (tmp_path / "runs" / "lenet5" / "seed-1" / "error.txt").read_text() == "Traceback …"


def test_a_run_that_was_lost_is_told_and_counted_anew(tmp_path, monkeypatch):
    def events(pool):
        while pool.tasks:
            key = pool.tasks.pop(0).key
            lost = [("started", None), ("news", {"epoch": 4}), ("lost", "its worker is gone")] if key[-1] == "0" else []
            for kind, value in (*lost, ("started", None), ("news", {"epoch": 2}), ("done", good(1.0))):
                yield Event(key, kind, value)

    monkeypatch.setattr(Pretend, "events", events)
    ends = []
    monkeypatch.setattr(Count, "ended", lambda watch, key, status: ends.append((key, status)))
    trained, _ = run(None, tmp_path, replace(PLAN, tune=False))
    assert trained["lenet5"].seeds() == [0, 1]
    assert ends.count(("lenet5 seed-0", "lost (its worker is gone), and begun again")) == 1
    assert [key for key, status in ends if status == "ok"] == [
        f"{name} seed-{i}" for name in PLAN.names for i in (0, 1)
    ]


def test_a_full_disk_ends_it_all(tmp_path):
    facts = {"type": "SafetensorError", "message": "No space left on device", "errno": None, "traceback": ""}
    with pytest.raises(OpsinError, match="the disk is full"):
        run(lambda key: facts, tmp_path)


def test_equal_rates_are_one(tmp_path):
    plan = replace(PLAN, recipe=replace(PLAN.recipe, rates=(1.0, 1.0)))
    assert plan.rates(plan.entries[0]) == (0.003,)
    trained, _ = run(lambda key: good(1.0), tmp_path, plan)
    assert trained["lenet5"].seeds() == [0, 1]


def test_the_best_rate():
    assert best_rate({0.1: good(0.5), 0.01: good(0.5), 1.0: {"status": "failed"}}) == 0.01
    assert best_rate({1.0: {"status": "failed"}}) is None


def test_a_plan_survives_its_file(tmp_path):
    plan = replace(PLAN, minutes=3.0, left_out=({"model": "vgg16", "why": "the dearest"},), notes=("one",))
    request = {"data": "x", "seeds": 2}
    assert read_plan(tmp_path, request) is None
    (tmp_path / ".plan.json.123").write_text("{")  # of a process that was killed as it wrote
    assert read_plan(tmp_path, request) is None
    write_plan(tmp_path, request, plan)
    assert read_plan(tmp_path, request) == plan
    with pytest.raises(OpsinError, match=r"belongs to another comparison \(other seeds\)"):
        read_plan(tmp_path, request | {"seeds": 3})


@pytest.mark.parametrize("content", ["", "[]", '{"request": []}', '{"schema": 1, "request": {"data": 1}, "plan": {}}'])
def test_a_damaged_plan_is_one_line(tmp_path, content):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(OpsinError, match=r"cannot read .*plan\.json.*choose another --out"):
        read_plan(tmp_path, {"data": 1})
