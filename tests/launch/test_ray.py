"""A pool on a cluster, over a Ray on paper: what is lost, refused, sent, and not done twice."""

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paper_ray import Actor, Method, PaperRay
from tasks import Copy

import opsin
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.errors import OpsinError
from opsin.launch import ray as module
from opsin.launch.cluster import Cluster, check_address, connect
from opsin.launch.local import Task
from opsin.launch.node import Runner, Travels, fetch
from opsin.launch.ray import ClusterPool, verdict
from opsin.recipes import MODERN
from opsin.training.entry import Entry
from opsin.training.job import Job

IMPORTABLE = os.pathsep.join(map(str, (Path(__file__).parent, Path(opsin.__file__).parents[1])))
GONE = RuntimeError("the actor died")


@pytest.fixture(autouse=True)
def head(monkeypatch):
    monkeypatch.setattr(module, "answers", lambda address, seconds=3.0: True)
    monkeypatch.setattr(ClusterPool, "_tidy", lambda pool: None)


def pool_on(ray, folder, **options):
    return ClusterPool(Cluster(ray, "head:6379", ours=False), folder, **options)


def kinds(pool):
    return [(event.key, event.kind) for event in pool.events()]


@pytest.mark.parametrize("address", ["auto", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_an_address(address):
    check_address(address)


@pytest.mark.parametrize("address", ["", "head", "local", "http://head:80", "head:", "head:6379/x", "ray://head:10001"])
def test_no_address(address):
    with pytest.raises(OpsinError, match="--cluster"):
        check_address(address)


def test_nothing_answers_and_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", PaperRay())
    with pytest.raises(OpsinError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: start one"):
        connect("127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OpsinError, match=r"pip install 'opsin\[cluster\]'"):
        connect("127.0.0.1:1")


def test_a_cluster_without_room(tmp_path):
    with pytest.raises(OpsinError, match="has no CPU for a worker"):
        pool_on(PaperRay(rooms=(0, 0)), tmp_path)


@pytest.mark.parametrize(("name", "says"), [("torch", "has torch 1.0, "), ("source", "has source of opsin 1.0, ")])
def test_a_node_of_other_versions_is_named(tmp_path, name, says):
    with pool_on(PaperRay(**{name: "1.0"}), tmp_path) as pool:
        pool.submit(Task("a", "x:y", None))
        with pytest.raises(OpsinError, match=f"node paper {says}") as error:
            list(pool.events())
    assert "\n" not in str(error.value)


def test_a_node_without_opsin(tmp_path):
    text = "The actor died because of an error raised in its creation task, ray::Runner.__init__() (pid=7, ip=10.0.0.7)"
    assert verdict(RuntimeError(f"{text}\nModuleNotFoundError: No module named 'opsin'")) == (
        "broken",
        "10.0.0.7: ModuleNotFoundError: No module named 'opsin'",
    )

    class Bare(Actor):
        def __init__(self, *arguments):
            self.hello = Method(lambda: iter([("broken", "10.0.0.7: no opsin")]))

    with pool_on(PaperRay(make=Bare), tmp_path) as pool:
        pool.submit(Task("a", "x:y", None))
        with pytest.raises(OpsinError, match=r"a node cannot run Opsin \(10\.0\.0\.7: no opsin\)"):
            list(pool.events())


def test_a_lost_task_is_begun_again_and_counts_once(tmp_path):
    ray = PaperRay((1,), [[("news", 1), GONE], [("lost", "killed")], [("news", 1), ("done", (42, None))]])
    with pool_on(ray, tmp_path) as pool:
        pool.submit(Task("a", "x:y", None))
        events = list(pool.events())
        late = pool.news
        late.put((object(), ("done", (42, None))))  # of a worker that has been given up
        ray.script = [[("done", (7, None))]]
        pool.submit(Task("b", "x:y", None))
        assert kinds(pool) == [("b", "started"), ("b", "done")]
    assert [event.kind for event in events] == ["started", "news", "lost", "started", "lost", "started", "news", "done"]
    assert events[2].value == "its worker is gone (RuntimeError)"
    assert events[-1].value == 42
    assert len(ray.hired) == len(ray.killed) == 3


def test_a_task_that_is_always_lost_is_given_up(tmp_path):
    with pool_on(PaperRay((1,), [[GONE]] * 3), tmp_path) as pool:
        pool.submit(Task("a", "x:y", None))
        *_, last = pool.events()
    assert (last.kind, last.value["type"]) == ("failed", "Died")
    assert last.value["message"] == "its worker is gone (RuntimeError); it was begun 3 times"


def test_the_head_lost(tmp_path, monkeypatch):
    ray = PaperRay()
    with pool_on(ray, tmp_path) as pool:
        monkeypatch.setattr(module, "answers", lambda address: False)
        monkeypatch.setattr(module, "SILENCE", -1.0)
        pool.looked = 0.0
        asked = ray.asked
        pool.submit(Task("a", "x:y", None))
        with pytest.raises(OpsinError, match="at head:6379 does not answer any more; what has"):
            list(pool.events())
    assert ray.asked == asked  # every call would wait


def test_nobody_starts(tmp_path, monkeypatch):
    class Waiting(Actor):
        def __init__(self, *arguments):
            self.hello = Method(lambda: iter([]))

    monkeypatch.setattr(module, "PATIENCE", 0.01)
    with pool_on(PaperRay(make=Waiting), tmp_path) as pool:
        pool.submit(Task("a", "x:y", None))
        with pytest.raises(OpsinError, match="no worker could start"):
            list(pool.events())


def test_room_follows_the_nodes(tmp_path):
    ray = PaperRay((2, 1), [[("done", (0, None))]] * 9)
    with pool_on(ray, tmp_path) as pool, pool_on(ray, tmp_path, most=2) as capped:
        assert (pool.size, capped.size) == (3, 2)
        ray.rooms = [2, 1, 4, 0]
        pool.looked = capped.looked = 0.0
        for each in (pool, capped):
            for i in range(9):
                each.submit(Task(str(i), "x:y", None))
            next(each.events())
        assert (pool.size, capped.size) == (7, 2)
        assert (len(pool.actors), len(capped.actors)) == (7, 2)


def test_a_folder_of_weights_travels(tmp_path, monkeypatch):
    ray = PaperRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(module, "PIECE", 3)
    weights = tmp_path / "weights"
    (weights / "inner").mkdir(parents=True)
    contents = {"config.json": b"{}", "inner/model.safetensors": b"0123456789", "empty": b""}
    for name, content in contents.items():
        (weights / name).write_bytes(content)
    with pool_on(ray, tmp_path) as pool:
        digest, pieces = pool._put(weights)
        assert pool._put(weights)[1] is pieces
    for _ in range(2):  # the second one finds it there
        fetch(tmp_path / digest, pieces)
    there = {name: (tmp_path / digest / name).read_bytes() for name in contents}
    assert there == contents


def test_a_run_elsewhere(tmp_path):
    entry = Entry("lenet5", "finetune", file="/here/weights")
    preprocess = Preprocess(size=16, channels=1)
    how = {"arguments": {}, "recipe": MODERN, "seed": 0, "classes": ("a",), "preprocess": preprocess, "device": "cpu"}
    job = Job(Path("/here/run"), entry, images=Path("/here/i.npy"), table=Path("/here/t.npz"), final=True, **how)
    assert isinstance(job, Travels) and job.writes == Path("/here/run") and job.ended() is None
    moved = job.elsewhere({path: Path("/there", path.name) for path in job.reads()}, Path("/there/run"))
    assert "/here" not in repr(moved)
    assert moved.facts() == job.facts()


def test_images_in_files_stay_where_all_nodes_see_them(tmp_path):
    """A node that sees them can be given the run; only for another one it is refused."""
    files = Source("photos", None, ("a",), np.zeros(1, np.int64), ("a/1.png",), folder=tmp_path)
    how = {"arguments": {}, "recipe": MODERN, "seed": 0, "classes": ("a",), "preprocess": Preprocess(16, 1)}
    where = {"device": "cpu", "final": True, "images": tmp_path / "i.npy", "table": tmp_path / "t.npz"}
    job = Job(tmp_path / "run", Entry("lenet5"), **how, **where, source=files)
    assert isinstance(job, Travels)
    with pytest.raises(OpsinError, match="have to lie where all nodes"):
        job.reads()
    arrays = replace(files, path=tmp_path / "a.npz", folder=None)
    assert replace(job, source=arrays).reads() == (tmp_path / "i.npy", tmp_path / "t.npz")


class RealActor(Runner):
    """The actor itself, with its process, on a node that does not see the folder."""

    shared = False

    def __init__(self, threads, mark):
        super().__init__(threads, mark if self.shared else replace(mark, path=Path("/nowhere")))
        hello, run = self.hello, self.run
        self.hello, self.run = Method(hello), Method(run)


def test_files_travel_once_and_come_back_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", IMPORTABLE)
    monkeypatch.setattr(module, "TRIES", 1)  # a new worker would import PyTorch anew
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(module, "PIECE", 1000)
    (tmp_path / "node").mkdir()
    ray = PaperRay((1,), make=RealActor)
    monkeypatch.setitem(sys.modules, "ray", ray)
    here = tmp_path / "here"
    here.mkdir()
    source, content = here / "images.npy", np.random.default_rng(0).bytes(4321)
    source.write_bytes(content)
    (here / "run").mkdir()
    (here / "run" / "old").touch()
    (here / "ended.txt").touch()
    with pool_on(ray, here) as pool:
        secret = pool.mark.secret
        pool.submit(Task("folder", "tasks:copy", Copy(source, here / "run"), 3))
        pool.submit(Task("file", "tasks:copy", Copy(source, here / "file.txt"), 2))
        pool.submit(Task("ended", "tasks:copy", Copy(source, here / "ended.txt", once=True), 1))
        pool.submit(Task("full", "tasks:fill_the_disk", Copy(source, here / "no")))
        events = {(event.key, event.kind): event.value for event in pool.events()}
        for actor in ray.hired:
            actor.worker.kill()
    home = tmp_path / "node" / f"opsin-{secret}"
    assert events["ended", "done"] == "ended before" and ("ended", "started") not in events
    assert events["folder", "done"] == events["file", "done"]  # one copy on the node
    assert Path(events["file", "done"]).parent.parent == home and Path(events["file", "done"]).name == source.name
    assert events["folder", "news"].startswith(str(home))
    assert (here / "run" / "inner" / "file").read_bytes() == (here / "file.txt").read_bytes() == content
    assert sorted(path.name for path in here.rglob("*")) == sorted(
        ["images.npy", "run", "inner", "file", "empty", "file.txt", "ended.txt"]
    )
    assert events["full", "failed"]["message"].startswith("the disk of ")
    assert "No space left on device; it was begun" in events["full", "failed"]["message"]
    assert not list(home.glob("run-*"))
    assert threading.active_count() < 20
