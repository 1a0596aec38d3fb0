"""Runs that are killed, stopped and damaged end with the bits of the run that nothing happened to."""

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

import pytest
import torch
from durable_run import EPOCHS, STEPS, data, digest, network

from opsin.engine import train as engine
from opsin.engine.average import EMA, Polyak
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.optim import make_optimizer
from opsin.engine.optimizers import SGD, AdamW, DiagonalLM, RMSProp
from opsin.engine.recipe import Recipe
from opsin.engine.stop import Asked, Stopped
from opsin.files import MANIFEST
from opsin.tasks.classify import Classify

SCRIPT = Path(__file__).with_name("durable_run.py")
RECIPE = Recipe("durable", epochs=EPOCHS, batch_size=16)
CPU = torch.device("cpu")


def start(folder: Path, slow: float = 0.0) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(folder), str(slow)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


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


def wait_for_step(process: subprocess.Popen, n: int) -> None:
    assert process.stdout is not None
    for _ in range(n):
        process.stdout.readline()


@pytest.mark.slow
def test_killed_at_thirty_moments_it_ends_with_the_same_bits(tmp_path, unbroken):
    """Twenty at any moment of a step, ten inside a save that is made slow: three runs of ten kills each."""
    draw = random.Random(0)
    for run in range(3):
        folder, slow = tmp_path / str(run), 0.3 if run == 2 else 0.0
        for _ in range(10):
            process = start(folder, slow)
            wait_for_step(process, draw.randint(1, 3))
            time.sleep(draw.uniform(0, 0.9 if slow else 0.03))
            process.kill()
            process.wait()
        assert list(folder.glob("epoch-*"))
        end = start(folder).communicate(timeout=100)[0].split()
        assert end[-2:] == ["done", unbroken]
        assert end.count("step") < EPOCHS * STEPS  # it went on, and did not begin anew


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_ten_signals_end_a_run_after_its_step_and_a_save(tmp_path, unbroken, signum):
    draw = random.Random(int(signum))
    for k in range(10):
        process = start(tmp_path)
        wait_for_step(process, draw.randint(1, 3))
        time.sleep(draw.uniform(0, 0.02))
        process.send_signal(signum)
        rest = process.communicate(timeout=60)[0]
        assert process.returncode == 128 + signum
        assert rest.count("step") <= 2  # at most the steps between the last line read and the signal
        assert len(list(tmp_path.glob("epoch-*"))) <= 2, k
    assert start(tmp_path).communicate(timeout=60)[0].split()[-1] == unbroken


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path):
    process = start(tmp_path, 5.0)
    wait_for_step(process, 1)
    time.sleep(0.5)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    assert process.wait(timeout=2) == 143


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


def test_a_signal_in_the_validation_stops_it_there(tmp_path, unbroken, monkeypatch):
    flag, predict = Asked(), engine.predict

    def told(*arguments):
        flag(signal.SIGINT, None)
        return predict(*arguments)

    monkeypatch.setattr(engine, "predict", told)
    with pytest.raises(Stopped) as stopped:
        fit(checkpoints=Checkpoints(tmp_path, steps=1), asked=flag)
    assert stopped.value.code == 130
    monkeypatch.setattr(engine, "predict", predict)
    assert fit(checkpoints=Checkpoints(tmp_path))[0] == unbroken


@pytest.mark.parametrize("what", ["loss", "gradient", "metric"])
def test_no_number_stops_the_run_at_that_step(tmp_path, what, monkeypatch):
    """Twenty steps each: nothing of that step is saved, and no weight of it is changed."""

    class Task(Classify):
        def loss(self, output, labels):
            value = super().loss(output, labels)
            steps.append(0)
            if len(steps) != at:
                return value
            if what == "loss":
                return value * torch.nan
            if what == "gradient":
                value.register_hook(lambda gradient: gradient * torch.inf)
            return value

        def metrics(self, logits, labels):
            found = super().metrics(logits, labels)
            return found | {"top1": float("nan")} if what == "metric" else found

    for at in range(1, 21):
        steps, folder = [], tmp_path / str(at)
        net, keeper = network(), Checkpoints(folder, steps=1)
        word = {
            "loss": "the loss became nan",
            "gradient": "the gradient's norm became",
            "metric": "val_top1 became nan",
        }
        with pytest.raises(engine.Diverged, match=word[what]):
            engine.train(net, data(), RECIPE, Task(0.1), seed=1, device=CPU, checkpoints=keeper)
        good = STEPS if what == "metric" else at - 1
        assert len(steps) == (STEPS if what == "metric" else at)
        saved = [json.loads((one / MANIFEST).read_text())["step"] for one in folder.glob("epoch-*")]
        assert max(saved, default=0) == good
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
def test_five_hundred_damaged_checkpoints_none_is_loaded(tmp_path):
    fit(checkpoints=Checkpoints(tmp_path / "good", steps=1))
    newest, older = sorted((tmp_path / "good").glob("epoch-*"), reverse=True)
    steps = json.loads((older / MANIFEST).read_text())["step"]
    draw = random.Random(0)
    manifest = (newest / MANIFEST).read_bytes()
    for k in range(500):
        folder = tmp_path / "bad"
        shutil.copytree(tmp_path / "good", folder)
        damage(folder / newest.name, DAMAGE[k % len(DAMAGE)], draw)
        keeper = Checkpoints(folder)
        state = engine.State(network(), make_optimizer(network(), RECIPE))
        state = engine.State(state.net, make_optimizer(state.net, RECIPE))
        keeper.resume(state)
        same = (folder / newest.name / MANIFEST).read_bytes() if (folder / newest.name / MANIFEST).exists() else b""
        assert (state.step, len(keeper.skipped)) == (steps, 1), (DAMAGE[k % 5], same == manifest)
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [SGD(), AdamW(), RMSProp(momentum=0.9), DiagonalLM()], ids=lambda o: o.kind)
@pytest.mark.parametrize("average", [None, EMA(), Polyak(0.5)], ids=lambda a: a.kind if a else "last")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_recipe_goes_on_to_the_same_bits(tmp_path, optimizer, average, precision, accumulate, monkeypatch):
    recipe = replace(
        RECIPE, optimizer=optimizer, average=average, precision=precision, accumulate=accumulate, learning_rate=1e-3
    )
    whole, history = fit(recipe=recipe)
    step, flag, taken = engine.train_step, Asked(), []

    def counted(*arguments):
        taken.append(0)
        if len(taken) in (5, STEPS, 2 * STEPS + 1):
            flag(signal.SIGTERM, None)
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", counted)
    for _ in range(3):
        with pytest.raises(Stopped):
            fit(recipe=recipe, checkpoints=Checkpoints(tmp_path), asked=flag)
        flag.signum = 0
    found, rest = fit(recipe=recipe, checkpoints=Checkpoints(tmp_path))
    assert found == whole
    assert [{**epoch, "seconds": 0} for epoch in rest] == [{**epoch, "seconds": 0} for epoch in history]
    assert len(taken) == EPOCHS * STEPS
