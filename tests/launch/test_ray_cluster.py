"""A real Ray cluster of two nodes on this machine: a comparison that loses one of them equals the local one."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

import opsin
from opsin.claims import run as claims
from opsin.claims.catalogue import CLAIMS
from opsin.claims.claim import Part, weigh
from opsin.claims.plan import Work, plan
from opsin.claims.trials.experiment import Arm, Experiment, recipe
from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.launch import ray as module
from opsin.launch.node import Mark, home
from opsin.launch.ray import ClusterPool
from opsin.watch import Watch

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc and /dev/shm")]

OPTIONS = {"models": ("lenet1989", "ciresan_mlp1"), "epochs": 2, "seeds": 2, "tune": False}
MEASURED = ("latency_ms_p50", "latency_ms_p95", "train_seconds", "pareto_latency", "peak_memory_mb")
IMPORTABLE = os.pathsep.join(map(str, (Path(__file__).parent, Path(opsin.__file__).parents[1])))
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def children(pid):
    """All processes below one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, front = set(), {pid}
    while front:
        front = {each for each, parent in parents.items() if parent in front}
        found |= front
    return found


def of_cluster(folder):
    """Processes that belong to the Ray whose temporary folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (process / "environ").read_bytes():  # that of a zombie is empty
                found.append(int(process.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one CPU; afterwards no process is left, and nothing in /dev/shm."""
    from ray.cluster_utils import Cluster

    before = set(Path("/dev/shm").iterdir())
    folder = tempfile.mkdtemp(prefix="ray")  # short: the paths of sockets may have 107 bytes
    (Path(folder) / "ray").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", IMPORTABLE)
        cluster = Cluster(head_node_args={**NODE, "temp_dir": folder, "include_dashboard": False}, initialize_head=True)
        try:
            yield cluster
        finally:
            cluster.shutdown()
            for pid in of_cluster(folder):
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)
    assert set(Path("/dev/shm").iterdir()) <= before


@pytest.fixture
def second(cluster):
    node = cluster.add_node(**NODE)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


def kill(cluster, node):
    """kill -9 of all processes of a node, as when its machine fails."""
    for process in list(children(node.all_processes["raylet"][0].process.pid)):
        os.kill(process, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


class Told(Watch):
    def __init__(self):
        self.ends = []

    def ended(self, run, status):
        self.ends.append((run, status))


def figures(found):
    """results.json's rows without what is timed, and the SHA-256 of all weights."""
    rows = [{key: value for key, value in row.items() if key not in MEASURED} for row in found.results["rows"]]
    weights = found.folder.glob("runs/*/seed-*/bundle/*.safetensors")
    hashes = {str(path.relative_to(found.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in weights}
    return rows, hashes


def test_a_comparison_that_loses_a_node_equals_the_local_one(cluster, second, tmp_path, monkeypatch):
    local = run_comparison(Request("digits", out=tmp_path / "local", **OPTIONS))
    apart = Mark(Path("/nowhere/mark"), "apart")
    monkeypatch.setattr(module, "leave_mark", lambda folder: apart)  # as if the nodes had disks of their own
    hear, lost = ClusterPool._hear, []

    def kill_at_first_news(pool, worker, kind, value):
        if kind == "news" and not lost and worker.ready.node == second.node_id:
            lost.append(worker.task.key)
            assert list(home("apart").glob("run-*"))
            kill(cluster, second)
        yield from hear(pool, worker, kind, value)

    monkeypatch.setattr(ClusterPool, "_hear", kill_at_first_news)
    told = Told()
    found = run_comparison(Request("digits", out=tmp_path / "far", cluster=cluster.address, **OPTIONS), told)
    assert figures(found) == figures(local)
    assert len(figures(found)[1]) == 4
    [run] = [run for run, status in told.ends if status.startswith("lost (")]
    assert [run] == lost
    assert sorted(run for run, status in told.ends if status == "ok") == sorted(
        f"{name} seed-{seed}" for name in OPTIONS["models"] for seed in (0, 1)
    )
    assert not home("apart").exists()
    assert not (found.folder / ".cluster").exists()


def test_a_claim_on_a_cluster_has_the_record_of_this_machine(cluster, tmp_path):
    arms = tuple(Arm(f"{units} units", "mlp", {"hidden": (units,)}, rate=0.05) for units in (2, 8))

    def told(results):
        return weigh(*(Part(arm.name, str(results.wrong(arm.name)[0].sum(1)), True) for arm in arms))

    claim = replace(CLAIMS["T01"], experiment=Experiment(arms, recipe(1), (0.25, 0.5), told, seeds=2), test=None)
    records = []
    for work in (Work(workers=1), Work(workers=1, cluster=cluster.address)):
        folder = tmp_path / ("far" if work.cluster else "near")
        folder.mkdir()
        found = claims.run(plan([claim], folder, work=work), folder, work=work)
        records.append(found["T01"] | {"minutes": 0})
    assert records[0] == records[1] and len(list((tmp_path / "far" / "trials").glob("*.json"))) == 4


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_ends_leaves_no_worker(cluster, tmp_path, which):
    """Here the nodes see the folder, and work in it."""
    raylet = cluster.head_node.all_processes["raylet"][0].process.pid
    command = [
        "compare",
        "digits",
        "--models",
        "lenet5",
        "--epochs",
        "500",
        "--no-tune",
        "--out",
        str(tmp_path / "out"),
    ]
    options = ["--cluster", cluster.address, "--workers", "1"]
    program = [sys.executable, "-c", "from opsin.cli.main import main; main()", *command, *options]
    driver = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    assert driver.stderr is not None
    wait_for(lambda: (tmp_path / "out" / "runs" / "lenet5" / "seed-0").exists(), 300)
    assert workers(raylet)
    assert (tmp_path / "out" / ".cluster").exists()
    driver.send_signal(which)
    lines = driver.stderr.read().splitlines()
    assert driver.wait() == (130 if which == signal.SIGINT else -which)
    wait_for(lambda: not workers(raylet), 10)
    assert "1 network, 2 seeds, 500 epochs" in lines[0]
    if which == signal.SIGINT:
        assert lines[1:] == ["opsin: stopped; the same command again goes on from here"]
        assert not (tmp_path / "out" / ".cluster").exists()


def workers(raylet):
    found = []
    for pid in children(raylet):
        with contextlib.suppress(OSError):
            if b"opsin.launch" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def wait_for(what, seconds):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)
