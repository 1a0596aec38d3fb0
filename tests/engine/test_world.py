"""Several processes that train one network: each takes its share, and together they are as one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from world_run import KILLS, losses

from opsin import errors
from opsin.data.preprocess import Preprocess
from opsin.data.store import Stored
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.evaluate import predict, predict_together
from opsin.engine.train import Keeper, State
from opsin.engine.world import World, agreed, synchronised, tried
from opsin.errors import OpsinError
from opsin.zoo import build_model

SCRIPT = Path(__file__).with_name("world_run.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}


def command(folder: Path, what: str, restarts: int = 0) -> list[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--monitor-interval", "0.1"]
    return [sys.executable, *torchrun, "--max-restarts", str(restarts), str(SCRIPT), str(folder), what]


def together(folder: Path, what: str, restarts: int = 0) -> tuple[object, str]:
    """What two processes find, and what they say."""
    asked = command(folder, what, restarts)
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert ran.returncode == 0, ran.stderr
    line = next(line for line in ran.stdout.splitlines() if line.startswith("found "))
    return json.loads(line.removeprefix("found ")), ran.stderr


@given(st.integers(1, 9), st.integers(0, 300))
def test_shares_are_all_images_once_in_order_and_in_pairs(size, n):
    shares = [World(rank, size).share(n) for rank in range(size)]
    assert [i for share in shares for i in range(n)[share]] == list(range(n))
    assert all(share.start % 2 == 0 for share in shares if share.start < n)
    lengths = [len(range(n)[share]) for share in shares]
    assert max(lengths) - min(lengths) <= 3
    assert n < 2 * size or min(lengths) > 0


def test_a_process_alone_agrees_with_itself():
    alone, logits = World(), torch.arange(6.0).view(3, 2)
    assert alone.sum(1.5, 2) == [1.5, 2]
    assert alone.told("a") == "a"
    assert torch.equal(alone.gathered(logits, 3), logits)
    assert alone.batch_norm is None and World(0, 2).batch_norm == "each process has its own"


@given(st.integers(1, 9), st.integers(0, 300), st.integers(1, 40))
def test_shares_are_whole_batches(size, n, batch):
    shares = [range(n)[World(rank, size).share(n, batch)] for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(n))
    assert all(share.start % batch == 0 for share in shares if share)
    assert max(len(share) for share in shares) <= n / size + batch


def test_an_error_of_one_is_raised_by_all_and_said_by_the_first(monkeypatch):
    def fails():
        error = OpsinError("no such file")
        error.code = 3
        raise error

    assert agreed([tried(lambda: 5), tried(lambda: None)]) == [5, None]
    with pytest.raises(OpsinError, match="no such file") as raised, World(0, 2).one_voice():
        agreed([tried(lambda: 5), tried(fails)])
    assert raised.value.code == 3
    monkeypatch.setattr(errors, "FIRST", 0)
    with pytest.raises(SystemExit) as ended, World(1, 2).one_voice():
        fails()
    assert ended.value.code == 3
    assert World().first(lambda: 5) == 5 and World().each(lambda: 5) == [5]


def test_a_step_too_small_to_share():
    World(0, 1).check_batch(1)
    with pytest.raises(OpsinError, match="3 images a step are too few for 2 processes"):
        World(0, 2).check_batch(3)


def test_few_images_leave_some_processes_without_one(monkeypatch):
    """The parts of eight processes, of which some are empty, are the logits of one."""
    net, images = (
        nn.Sequential(nn.Flatten(), nn.Linear(48, 3)),
        Stored(np.arange(480, dtype=np.uint8).reshape(10, 3, 4, 4)),
    )
    rows, preprocess = np.arange(10)[::-1].copy(), Preprocess(4, 3)
    whole, parts = predict(net, images, rows, preprocess, torch.device("cpu")), []
    monkeypatch.setattr(World, "gathered", lambda world, part, n: part)
    for rank in range(8):
        parts.append(predict_together(net, images, rows, preprocess, World(rank, 8)))
    assert min(map(len, parts)) == 0
    torch.testing.assert_close(torch.cat(parts), whole)


def test_the_first_process_alone_knows_when_a_save_is_due(tmp_path):
    asked, net = [], nn.Linear(1, 1)

    class Two(World):
        def most(self, *values):
            asked.append(values)
            return list(values)

    keep = Keeper(State(net, torch.optim.SGD(net.parameters())), Two(1, 2), Checkpoints(tmp_path, seconds=0.0), None)
    keep()
    assert asked == [(False, 0)] and not list(tmp_path.iterdir())


def test_batch_norms_of_their_own_kind_are_not_synchronised():
    """FractalNet's take a second argument, which PyTorch's would refuse."""
    net = synchronised(build_model("resnet20_cifar"))
    kinds = {type(module) for module in net.modules()}
    assert nn.SyncBatchNorm in kinds and nn.BatchNorm2d not in kinds
    fractal = build_model("fractalnet_32", num_classes=3)
    before = [type(module) for module in fractal.modules()]
    assert [type(module) for module in synchronised(fractal).modules()] == before


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_processes_take_the_steps_of_one(tmp_path, dtype):
    """With uneven shares, mixed images, an average and accumulation: in float64 all losses, in float32 the first."""
    found, _ = together(tmp_path, dtype)
    n = None if dtype == "float64" else 1
    np.testing.assert_allclose(found[:n], losses(getattr(torch, dtype))[:n], rtol=1e-6)


@pytest.mark.slow
def test_a_process_killed_five_times_changes_nothing(tmp_path):
    expected, _ = together(tmp_path / "unbroken", "killed")
    found, said = together(tmp_path / "run", "killed", restarts=KILLS)
    assert found == expected
    assert said.count("exitcode: -9") >= KILLS


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it(tmp_path):
    shared = Path("/dev/shm")
    before = set(shared.glob("torch_*"))
    torchrun = subprocess.Popen(command(tmp_path, "endless"), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert torchrun.stdout is not None
    pids = [int(torchrun.stdout.readline().split()[1]) for _ in range(2)]
    torchrun.kill()
    torchrun.wait()
    for _ in range(100):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.1)
    assert not [pid for pid in pids if alive(pid)]
    assert set(shared.glob("torch_*")) <= before


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
