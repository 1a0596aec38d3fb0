"""When the backends are tried: not for a few images, and what was found is used where it wins its start back."""

import json

import pytest
import torch
from test_backends import small

from opsin.errors import OpsinError
from opsin.runtime import backends, fast, forward, kept
from opsin.runtime.forward import Forward


@pytest.fixture
def choose(monkeypatch):
    """Stands for the trial: it finds twice the logits."""
    calls = []

    def found(net, channels, size, batch, threads, keep=None, say=None):
        calls.append((channels, size, batch, threads, keep))
        seconds = {f"eager/{batch}": 0.04, "twice/1": 0.01}
        return fast.Choice(fast.Way("twice", 1), lambda x: 2 * net(x), seconds, {"bad": "it fails"})

    monkeypatch.setattr(fast, "choose", found)
    return calls


def run(ahead, n, batch=4):
    images = torch.randn(n, 3, 8, 8)
    with torch.inference_mode():
        logits = torch.cat([ahead(part) for part in images.split(batch)])
        return logits / ahead.net(images)


def test_few_images_are_left_to_pytorch(choose):
    said = []
    ahead = Forward(small(), 3, 8, images=40, batch=4, say=said.append)
    torch.testing.assert_close(run(ahead, 40), torch.ones(40, 5), rtol=1e-3, atol=1e-3)
    assert (choose, ahead.used, said) == ([], ["eager"], [])


def test_many_are_worth_a_trial_after_two_batches(choose, tmp_path):
    said = []
    ahead = Forward(small(), 3, 8, images=10**9, batch=4, threads=1, keep=tmp_path / "none", say=said.append)
    ratio = run(ahead, 12)
    torch.testing.assert_close(ratio[:8], torch.ones(8, 5), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ratio[8:], 2 * torch.ones(4, 5), rtol=1e-3, atol=1e-3)
    assert choose == [(3, 8, 4, 1, tmp_path / "none")]
    assert ahead.used == ["eager", "twice/1"]
    assert said == ["bad is not used: it fails", "twice, 1 at once: 2.5 ms an image; eager PyTorch 10.0"]


def test_the_limit_is_the_time_of_the_images_left(choose, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(forward.time, "perf_counter", lambda: now[0])
    limit = int(forward.WORTH + forward.PROBE)  # batches of a second

    class Second(torch.nn.Module):
        def forward(self, x):
            now[0] += 1.0
            return x.mean((2, 3))

    for batches, tried in ((limit + 2, 0), (limit + 3, 1)):
        ahead = Forward(Second(), 3, 8, images=4 * batches, batch=4)
        for _ in range(5):
            ahead(torch.zeros(4, 3, 8, 8))
        assert len(choose) == tried


def test_best_tries_at_once(choose):
    ahead = Forward(small(), 3, 8, images=1, batch=4, backend="best")
    torch.testing.assert_close(run(ahead, 1), 2 * torch.ones(1, 5), rtol=1e-3, atol=1e-3)
    assert ahead.used == ["twice/1"]


@pytest.fixture
def remembered(tmp_path):
    """A network, and a folder where channels_last was found 10 ms a batch quicker, and is ready in 0.1 s."""
    net, keep = small(), tmp_path / "keep"
    way = {"backend": "channels_last", "at_once": 4, "workers": 1}
    choice = {"way": way, "aside": {}, "load": 0.1, "weights": kept.fingerprint(net)}
    choice["seconds"] = {"eager/4": 0.03, "channels_last/4": 0.02}
    kept.remember(keep, kept.Asked.of(net, 3, 8, 4, 1), choice, None)
    return net, keep


@pytest.mark.parametrize(("images", "used"), [(30, "eager"), (50, "channels_last/4")])
def test_what_was_found_is_used_where_it_wins_its_start_back(remembered, choose, images, used):
    net, keep = remembered
    ahead = Forward(net, 3, 8, images=images, batch=4, threads=1, keep=keep)
    torch.testing.assert_close(run(ahead, images), torch.ones(images, 5), rtol=1e-3, atol=1e-3)
    assert (ahead.used, choose) == ([used], [])


def test_a_damaged_memory_is_left_alone(remembered, choose):
    net, keep = remembered
    (record,) = keep.glob("*.json")
    values = json.loads(record.read_text())
    values["choice"]["way"]["backend"] = "no_such"
    record.write_text(json.dumps(values))
    ahead = Forward(net, 3, 8, images=50, batch=4, threads=1, keep=keep)
    assert ahead.used == ["eager"]


def test_a_backend_by_its_name_is_verified(monkeypatch):
    for name in backends.installed(("eager", "channels_last", "onnxruntime", "openvino")):
        ahead = Forward(small(), 3, 8, images=9, batch=4, backend=name)
        torch.testing.assert_close(run(ahead, 9), torch.ones(9, 5), rtol=1e-3, atol=1e-3)
        assert ahead.used == [name]
    wrong = {"eager": backends.eager, "channels_last": lambda net, images, threads: lambda x: net(x) + 1}
    monkeypatch.setattr(backends, "OF_NETWORKS", wrong)
    with pytest.raises(OpsinError, match=r"backend channels_last cannot run this network \(differs from eager PyTorch"):
        Forward(small(), 3, 8, images=9, batch=4, backend="channels_last")


def test_what_is_asked_wrongly():
    with pytest.raises(OpsinError, match="unknown backend 'bets'; did you mean best"):
        Forward(small(), 3, 8, images=9, batch=4, backend="bets")
    with pytest.raises(OpsinError, match="--threads must be at least 1, not 0"):
        Forward(small(), 3, 8, images=9, batch=4, threads=0)
    with pytest.raises(OpsinError, match="--threads must be at most 1,024, not 99999"):
        Forward(small(), 3, 8, images=9, batch=4, threads=99_999)
