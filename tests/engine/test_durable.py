"""Runs that are killed, stopped and damaged end with the bits of the run that nothing happened to."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from durable_run import EPOCHS, STEPS, data, digest, network

from opsin import files, zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.data.sources import Source
from opsin.data.sources.arrays import Stacked
from opsin.data.store import Decoded
from opsin.engine import train as engine
from opsin.engine.average import EMA
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.mix import Mix
from opsin.engine.optim import make_optimizer
from opsin.engine.optimizers import SGD, AdamW, DiagonalLM, RMSProp
from opsin.engine.recipe import Recipe
from opsin.engine.stop import Asked, Stopped
from opsin.errors import OpsinError
from opsin.files import MANIFEST
from opsin.models.layers import DropPath
from opsin.tasks.classify import Classify

SCRIPT = Path(__file__).with_name("durable_run.py")
RECIPE = Recipe("durable", epochs=EPOCHS, batch_size=16)
CPU = torch.device("cpu")


class Server:
    """Starts runs, one at a time (see durable_run.py)."""

    def __init__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, str(SCRIPT)], text=True, env=environment, **pipes)
        self.said = self.process.stdout
        assert self.said.readline() == "ready\n"

    def start(self, folder: Path, slow: float = 0.0) -> None:
        self.process.stdin.write(f"{folder} {slow}\n")
        self.process.stdin.flush()
        self.lines = []
        self.pid = int(self.until("pid").split()[1])

    def until(self, word: str, n: int = 1) -> str:
        """The n-th line from here that begins with `word`, or the last one of the run."""
        while True:
            self.lines.append(self.said.readline().strip())
            n -= self.lines[-1].startswith(word)
            if n == 0 or self.lines[-1].startswith("exit"):
                return self.lines[-1]

    def end(self) -> int:
        """The exit code, when the run has ended."""
        last = self.lines[-1] if self.lines[-1].startswith("exit") else self.until("exit")
        return int(last.split()[1])


@pytest.fixture(scope="module")
def server():
    serving = Server()
    yield serving
    serving.process.kill()
    serving.process.wait()


def fit(net=None, recipe=RECIPE, **arguments):
    net = net or network()
    history = engine.train(net, data(), recipe, Classify(0.1), seed=1, device=CPU, **arguments)
    return digest(net), history


@pytest.fixture(scope="module")
def unbroken():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield fit()[0]
    torch.set_num_threads(before)


@pytest.mark.slow
def test_killed_at_thirty_moments_it_ends_with_the_same_bits(tmp_path, unbroken, server):
    """Twenty at any moment of a step, ten inside a save that is made slow: three runs of ten kills each."""
    draw = random.Random(0)
    for run in range(3):
        folder, slow = tmp_path / str(run), 0.1 if run == 2 else 0.0
        for _ in range(10):
            server.start(folder, slow)
            server.until("step", draw.randint(1, 3))
            time.sleep(draw.uniform(0, 0.3 if slow else 0.03))
            os.kill(server.pid, signal.SIGKILL)
            assert server.end() == -signal.SIGKILL
        assert list(folder.glob("epoch-*"))
        server.start(folder)
        assert server.end() == 0
        assert server.lines[-2] == f"done {unbroken}"
        assert server.lines.count("step") < EPOCHS * STEPS  # it went on, and did not begin anew


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_ten_signals_end_a_run_after_its_step_and_a_save(tmp_path, unbroken, server, signum):
    draw = random.Random(int(signum))
    for _ in range(10):
        server.start(tmp_path)
        server.until("step", draw.randint(1, 3))
        time.sleep(draw.uniform(0, 0.02))
        os.kill(server.pid, signum)
        assert server.end() == 128 + signum
        after = server.lines[server.lines.index("signal") :]
        assert after.count("step") <= 1  # that which it was about to begin
        assert len(list(tmp_path.glob("epoch-*"))) <= 2
    server.start(tmp_path)
    assert server.end() == 0
    assert server.lines[-2] == f"done {unbroken}"


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path, server):
    server.start(tmp_path, 5.0)
    server.until("step")
    for _ in range(2):
        time.sleep(0.2)
        os.kill(server.pid, signal.SIGTERM)
    assert server.end() == 143
    assert not list(tmp_path.glob("epoch-*"))  # it was in the middle of its first save


@pytest.mark.parametrize("at", [1, STEPS - 1, STEPS, STEPS + 1, 3 * STEPS])
def test_a_run_that_is_asked_to_stop_goes_on_from_its_very_step(tmp_path, unbroken, at, monkeypatch):
    flag, step, taken = Asked(), engine.train_step, []

    def counted(*arguments):
        taken.append(0)
        if len(taken) == at:
            flag(signal.SIGTERM, None)
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", counted)
    with pytest.raises(Stopped) as stopped:
        fit(checkpoints=Checkpoints(tmp_path), asked=flag)
    assert (stopped.value.code, len(taken)) == (143, at)
    found, history = fit(checkpoints=Checkpoints(tmp_path))
    assert found == unbroken
    assert len(taken) == EPOCHS * STEPS
    assert len(history) == EPOCHS


def test_a_signal_at_the_very_end_leaves_nothing_to_train(tmp_path, unbroken, monkeypatch):
    flag = Asked()

    def ask(metrics):
        if metrics["epoch"] == EPOCHS:
            flag(signal.SIGTERM, None)

    with pytest.raises(Stopped):
        fit(checkpoints=Checkpoints(tmp_path), asked=flag, on_epoch=ask)
    monkeypatch.setattr(engine, "train_step", None)
    assert fit(checkpoints=Checkpoints(tmp_path))[0] == unbroken


def test_a_signal_in_the_validation_stops_it_there(tmp_path, unbroken, monkeypatch):
    flag, predict = Asked(), engine.predict_together

    def told(*arguments):
        flag(signal.SIGINT, None)
        return predict(*arguments)

    monkeypatch.setattr(engine, "predict_together", told)
    with pytest.raises(Stopped) as stopped:
        fit(checkpoints=Checkpoints(tmp_path, steps=1), asked=flag)
    assert stopped.value.code == 130
    monkeypatch.setattr(engine, "predict_together", predict)
    assert fit(checkpoints=Checkpoints(tmp_path))[0] == unbroken


def test_what_is_saved_beside_damaged_checkpoints_stays(tmp_path, unbroken):
    """They are of later steps, so that by their names the new ones would be the older."""
    fit(checkpoints=Checkpoints(tmp_path, steps=1))
    for one in tmp_path.glob("epoch-*"):
        (one / MANIFEST).write_text("damaged")
    (tmp_path / ".epoch-00001-step-000000002.99999").mkdir()  # of a process that was killed in a save
    flag = Asked()
    flag.signum = signal.SIGTERM
    with pytest.raises(Stopped):
        fit(checkpoints=Checkpoints(tmp_path, steps=1), asked=flag)
    assert [one.name for one in tmp_path.iterdir()] == ["epoch-00000-step-000000001"]
    keeper = Checkpoints(tmp_path)
    assert fit(checkpoints=keeper)[0] == unbroken and not keeper.skipped


@pytest.mark.parametrize("what", ["loss", "gradient", "metric"])
def test_no_number_stops_the_run_at_that_step(tmp_path, what, monkeypatch):
    """Twenty steps each, a run going on from the one before: nothing of that step is saved, no weight of it changed.

    Metrics are those of epochs, of one step here, which is saved before them.
    """
    recipe = replace(RECIPE, epochs=20, batch_size=16 * STEPS) if what == "metric" else RECIPE

    class Task(Classify):
        def loss(self, output, labels):
            value = super().loss(output, labels)
            steps.append(0)
            if len(steps) != at - before:
                return value
            if what == "loss":
                return value * torch.nan
            if what == "gradient":
                value.register_hook(lambda gradient: gradient * torch.inf)
            return value

        def metrics(self, logits, labels):
            found = super().metrics(logits, labels)
            return found | {"top1": float("nan")} if what == "metric" and len(steps) == at - before else found

    before = 0
    for at in range(1, 21):
        steps, net, keeper = [], network(), Checkpoints(tmp_path, steps=1)
        word = {
            "loss": "the loss became nan",
            "gradient": "the gradient's norm became",
            "metric": "val_top1 became nan",
        }
        with pytest.raises(engine.Diverged, match=word[what]):
            engine.train(net, data(), recipe, Task(0.1), seed=1, device=CPU, checkpoints=keeper)
        assert len(steps) == at - before
        before = at if what == "metric" else at - 1
        saved = [json.loads((one / MANIFEST).read_text())["step"] for one in tmp_path.glob("epoch-*")]
        assert max(saved, default=0) == before
        if saved:
            fresh = network()
            state = engine.State(fresh, make_optimizer(fresh, RECIPE))
            keeper.resume(state)
            assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), net.parameters(), strict=True))
            assert all(value.isfinite().all() for value in fresh.state_dict().values())


DAMAGE = ("flip", "zero", "cut", "swap", "gone")


def damage(folder: Path, how: str, draw: random.Random) -> None:
    """Damages one file of a checkpoint."""
    file = draw.choice(sorted(folder.iterdir()))
    content = bytearray(file.read_bytes())
    at = draw.randrange(len(content))
    if how == "flip":
        content[at] ^= 1 << draw.randrange(8)
    elif how == "zero":
        block = slice(at, at + draw.choice((1, 64, 4096)))
        if not any(content[block]):
            return damage(folder, how, draw)
        content[block] = bytes(len(content[block]))
    elif how == "cut":
        del content[at:]
    elif how == "swap":
        first, second = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
        content, file = bytearray(first.read_bytes()), second
    else:
        file.unlink()
        return None
    file.write_bytes(content)
    return None


@pytest.mark.slow
def test_of_three_hundred_damaged_checkpoints_none_is_loaded(tmp_path):
    """Resuming passes over each of them, says so, and takes the one before."""
    fit(checkpoints=Checkpoints(tmp_path / "good", steps=1))
    newest, older = sorted((tmp_path / "good").glob("epoch-*"), reverse=True)
    steps = json.loads((older / MANIFEST).read_text())["step"]
    draw = random.Random(0)
    for k in range(300):
        folder = tmp_path / "bad"
        shutil.copytree(tmp_path / "good", folder)
        damage(folder / newest.name, DAMAGE[k % len(DAMAGE)], draw)
        keeper, net = Checkpoints(folder), network()
        state = engine.State(net, make_optimizer(net, RECIPE))
        keeper.resume(state)
        assert (state.step, len(keeper.skipped)) == (steps, 1), DAMAGE[k % len(DAMAGE)]
        assert "\n" not in keeper.skipped[0]
        shutil.rmtree(folder)


@pytest.mark.slow
def test_of_two_hundred_damaged_bundles_none_is_loaded(tmp_path):
    net = zoo.build_model("lenet1989")
    of = ("lenet1989", {"num_classes": 10}, tuple("0123456789"), Preprocess(16, 1), {}, {})
    Bundle(net, *of).write(tmp_path / "good")
    draw = random.Random(1)
    kinds = [how for how in DAMAGE if how != "swap"]  # it has one file of tensors
    for k in range(200):
        shutil.copytree(tmp_path / "good", tmp_path / "bad")
        damage(tmp_path / "bad", kinds[k % len(kinds)], draw)
        with pytest.raises(OpsinError) as error:
            Bundle.read(tmp_path / "bad")
        assert "\n" not in str(error.value)
        shutil.rmtree(tmp_path / "bad")


def test_ten_saves_into_a_full_disk_leave_the_last_good_one(tmp_path, monkeypatch):
    """The disk is full at the first, second, ... file that a save flushes."""
    net = network()
    state = engine.State(net, make_optimizer(net, RECIPE), step=1)
    keeper, flush = Checkpoints(tmp_path), files.flush
    keeper.save(state)
    good = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for k in range(10):
        room = k % 3

        def full(path: Path) -> None:
            nonlocal room
            room -= 1
            if room < 0:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            flush(path)

        state.step += 1
        with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
            patched.setattr(files, "flush", full)
            keeper.save(state)
        assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == good
    fresh = engine.State(network(), make_optimizer(net, RECIPE))
    keeper.resume(fresh)
    assert fresh.step == 1 and not keeper.skipped


def test_what_the_system_says_of_a_file_that_cannot_grow_is_an_oserror(tmp_path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError) as error:
            files.write_folder(tmp_path / "saved", {"model": {"weight": torch.zeros(1000)}}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(tmp_path / "saved"))
    assert not list(tmp_path.iterdir())


WAYS = {
    "mixup": {"mix": Mix()},
    "drop-path": {},
    "accumulation": {"accumulate": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [SGD(), AdamW(), RMSProp(momentum=0.9), DiagonalLM()], ids=lambda o: o.kind)
@pytest.mark.parametrize("average", [None, EMA()], ids=["last", "ema"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("workers", [0, 2])
def test_every_recipe_goes_on_to_the_same_bits(tmp_path, optimizer, average, precision, way, workers, monkeypatch):
    """Broken in the middle of an epoch, at its end, and at the first step of another one."""
    recipe = Recipe(
        "all", epochs=3, batch_size=16, optimizer=optimizer, average=average, precision=precision, **WAYS[way]
    )
    of = decoded(workers)

    def net():
        built = network()
        if way == "drop-path":
            built.insert(5, DropPath(0.3))
        return built

    def train(**arguments):
        trained = net()
        history = engine.train(trained, of, recipe, Classify(0.1), seed=1, device=CPU, **arguments)
        return digest(trained), [{**epoch, "seconds": 0} for epoch in history]

    whole, flag, taken, step = train(), Asked(), [], engine.train_step

    def counted(*arguments):
        taken.append(0)
        if len(taken) in (3, 4, 9):
            flag(signal.SIGTERM, None)
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", counted)
    for _ in range(3):
        with pytest.raises(Stopped):
            train(checkpoints=Checkpoints(tmp_path), asked=flag)
        flag.signum = 0
    assert train(checkpoints=Checkpoints(tmp_path)) == whole
    assert len(taken) == 3 * 4


def decoded(workers: int) -> engine.Data:
    """Four steps of 16 images an epoch, decoded in their turn, with crops of their own."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (80, 18, 20), dtype=np.uint8), rng.integers(0, 4, 80)
    source = Source("noise", None, tuple("abcd"), labels, tuple(map(str, range(80))), opener=Stacked([pixels]))
    preprocess = Preprocess(16, 3)
    images = Decoded(source, preprocess, workers)
    return engine.Data(images, labels, np.arange(64), np.arange(64, 80), preprocess, source, workers)
