"""The pool: results, news, failures, workers that die, and no orphans."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsin.launch.local import Pool, Task

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def outcomes(pool):
    return {event.key: (event.kind, event.value) for event in pool.events() if event.kind in ("done", "failed")}


def test_tasks_news_failures_and_deaths():
    with Pool(2) as pool:
        for i in range(3):
            pool.submit(Task(f"double {i}", "tasks:double", i))
        pool.submit(Task("fail", "tasks:fail", "this"))
        pool.submit(Task("die", "tasks:die", None))
        pool.submit(Task("none", "tasks:nothing", None))
        events = list(pool.events())
        found = {event.key: (event.kind, event.value) for event in events if event.kind in ("done", "failed")}
        assert [found[f"double {i}"] for i in range(3)] == [("done", 0), ("done", 2), ("done", 4)]
        kind, facts = found["fail"]
        assert (kind, facts["type"], facts["message"]) == ("failed", "ValueError", "cannot work with this")
        assert "in fail" in facts["traceback"]
        assert found["die"][1]["message"] == "its process ended with exit code 7"
        assert found["none"][1]["type"] == "AttributeError"
        news = [event.value for event in events if event.kind == "news"]
        assert sorted(news) == ["doubling 0", "doubling 1", "doubling 2"]
        pool.submit(Task("again", "tasks:double", 21))
        assert outcomes(pool) == {"again": ("done", 42)}


class Unreadable:
    """It can be sent, and fails where it is read."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_task_that_cannot_be_read_fails_and_the_next_one_runs():
    with Pool(1) as pool:
        pool.submit(Task("unreadable", "tasks:double", Unreadable(), 2.0))
        pool.submit(Task("next", "tasks:double", 2, 1.0))
        found = outcomes(pool)
    assert found["unreadable"][1]["message"] == "its process ended with exit code 1" and found["next"] == ("done", 4)


def test_the_dearest_task_goes_first():
    with Pool(1) as pool:
        for cost in (1.0, 3.0, 2.0):
            pool.submit(Task(f"{cost}", "tasks:double", 0, cost))
        started = [event.key for event in pool.events() if event.kind == "started"]
    assert started == ["3.0", "2.0", "1.0"]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_workers_end_with_a_parent_that_is_killed():
    program = (
        "from opsin.launch.local import Pool, Task\n"
        "with Pool(1) as pool:\n"
        "    pool.submit(Task('sleep', 'tasks:sleep', 60))\n"
        "    for event in pool.events():\n"
        "        if event.kind == 'news': print(event.value, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)
