"""The choice of a backend: none is trusted that differs, fails or crashes; and what is remembered is not believed."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest
import torch
from test_backends import small

from opsin.runtime import backends, fast, kept
from opsin.runtime.backends import installed
from opsin.runtime.fast import Way

SHAPE = {"channels": 3, "size": 8, "batch": 4, "threads": 1}


@pytest.fixture
def fakes(monkeypatch):
    """Puts backends of the test in place: fakes(name=builder, ...), in the order in which they are tried."""

    def put(**builders):
        monkeypatch.setattr(backends, "BACKENDS", ("eager", *builders))
        monkeypatch.setattr(backends, "OF_NETWORKS", {"eager": backends.eager} | builders)
        monkeypatch.setattr(fast, "AMONG", tuple(builders))

    return put


def slowed(seconds=0.0, off=0.0):
    def builder(net, images, threads):
        run = backends.eager(net, images, threads)

        def later(x):
            time.sleep(seconds)
            return run(x) + off

        return later

    return builder


def with_run(run):
    return lambda net, images, threads: lambda x: run(net, x)


def raising(error):
    def builder(net, images, threads):
        raise error

    return builder


def test_only_the_right_ones_are_timed(fakes):
    fakes(
        wrong=slowed(off=1e-2),
        nan=slowed(off=float("nan")),
        missing=raising(ImportError("libfast.so.1: cannot open\nshared object file")),
        silent=raising(AssertionError()),
        fails=with_run(lambda net, x: net(x[0])),
        transposed=with_run(lambda net, x: net(x).T),
        first_batch_only=with_run(lambda net, x: net(x) if len(x) == 4 else net(x[:1]).expand(len(x), -1)),
        dark=with_run(lambda net, x: net(x.clamp(min=-1))),
        good=slowed(),
    )
    with torch.no_grad():
        choice = fast.choose(small(), **SHAPE)
    assert set(choice.seconds) == {"eager/4", "good/4"}
    assert choice.aside["missing"] == "libfast.so.1: cannot open shared object file"
    assert choice.aside["silent"] == "AssertionError"
    for name in ("wrong", "nan", "first_batch_only", "dark"):
        assert choice.aside[name].startswith("differs from eager PyTorch by")
    assert "instead of [4, 5]" in choice.aside["transposed"]
    assert set(choice.aside) >= {"fails"}


def test_the_quickest_is_taken(fakes):
    fakes(slow=slowed(0.03))
    choice = fast.choose(small(), **SHAPE)
    assert (choice.way, str(choice.way)) == (Way("eager", 4), "eager/4")
    seconds = fast.race({"a": lambda x: time.sleep(0.02), "b": lambda x: time.sleep(0.002)}, torch.zeros(1))
    assert 0.002 <= seconds["b"] < seconds["a"]


def test_slow_ways_drop_out():
    runs = []
    ways = {"slow": lambda x: (runs.append("slow"), time.sleep(0.05)), "a": lambda x: runs.append("a")}
    fast.race(ways, torch.zeros(1))
    assert runs.count("slow") == 1


def test_the_difference_by_hand():
    expected = torch.tensor([[1.0, -4.0], [0.0, 2.0]])
    assert fast.difference(expected, expected) == 0
    assert fast.difference(expected + torch.tensor([[0.0, 0.0], [0.0, 2e-3]]), expected) == pytest.approx(
        5e-4, rel=1e-3
    )
    assert fast.difference(torch.zeros(1, 2), torch.zeros(1, 2)) == 0
    assert fast.difference(torch.ones(1, 2), torch.zeros(1, 2)) > 1


def test_parts():
    seen = []
    run = fast.in_parts(lambda x: (seen.append(len(x)), 2 * x)[1], 4)
    for n in (1, 4, 9):
        images = torch.randn(n, 3)
        assert torch.equal(run(images), 2 * images)
    assert seen == [1, 4, 4, 4, 1]


def test_workers_share_a_batch_and_keep_its_order():
    seen = set()

    def run(x):
        seen.add((len(x), threading.get_ident()))
        time.sleep(0.01)
        return 2 * x

    shared = fast.in_parts(run, 2, workers=3)
    images = torch.randn(11, 3)
    assert torch.equal(shared(images), 2 * images)
    assert {n for n, _ in seen} == {1, 2}
    assert len({thread for _, thread in seen}) == 3


@pytest.mark.parametrize(
    ("backend", "batch", "threads", "heavy", "ways"),
    [
        ("channels_last", 16, 8, False, "channels_last/16"),
        ("openvino", 1, 8, False, "openvino/1"),
        ("openvino", 2, 2, False, "openvino/2 openvino/1x2"),
        ("openvino", 3, 1, False, "openvino/1 openvino/3"),
        ("onnxruntime", 16, 1, False, "onnxruntime/1 onnxruntime/4 onnxruntime/16"),
        ("onnxruntime", 16, 2, True, "onnxruntime/4 onnxruntime/16 onnxruntime/1x2 onnxruntime/4x2"),
        ("openvino", 16, 8, False, "openvino/4 openvino/16 openvino/1x8 openvino/4x4"),
        ("openvino", 16, 8, True, "openvino/16 openvino/4x4"),
        ("openvino", 5, 64, False, "openvino/4 openvino/5 openvino/1x5"),
    ],
)
def test_ways_that_are_tried(backend, batch, threads, heavy, ways):
    assert sorted(map(str, fast.ways_of(backend, batch, threads, heavy))) == sorted(ways.split())


@pytest.mark.parametrize("way", [Way("openvino", 2, 2), Way("openvino", 3), Way("onnxruntime", 1, 2)])
@pytest.mark.parametrize("n", [1, 4, 5])
def test_any_number_of_images_by_every_way(way, n, tmp_path):
    if way.backend not in installed():
        pytest.skip(f"{way.backend} is not installed")
    net, images = small().eval(), torch.randn(n, 3, 8, 8)
    fast.to_onnx(net, torch.randn(2, 3, 8, 8), tmp_path / "net.onnx")
    run = fast.start(way, net, images, 2, tmp_path / "net.onnx")
    run = fast.in_parts(run, way.at_once, way.workers)
    with torch.no_grad():
        torch.testing.assert_close(run(images), net(images), rtol=1e-4, atol=1e-5)


def test_images_are_those_of_the_seed_and_leave_the_generator_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    images = fast.like_images(3, 32)
    assert torch.equal(torch.get_rng_state(), state)
    assert images.shape == (3, 3, 32, 32)
    assert images[1].unique().tolist() == [pytest.approx(-2)]
    assert torch.equal(images, fast.like_images(3, 32))


@pytest.fixture
def remembered(tmp_path, monkeypatch):
    """A network, and the folder with its choice: a graph of a real runtime where there is one, which wins."""
    keep, net = tmp_path / "bundle.fast", small()
    graphs = installed(("onnxruntime", "openvino"))
    if graphs:
        monkeypatch.setattr(fast, "AMONG", tuple(graphs[:1]))
        monkeypatch.setattr(fast, "race", lambda ways, images: {way: 1.0 + (way.backend == "eager") for way in ways})
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    return net, keep


def test_it_is_remembered(remembered, monkeypatch):
    net, keep = remembered
    (record,) = keep.glob("*.json")
    assert not [path for path in keep.iterdir() if path.name.startswith(".")]
    first = json.loads(record.read_text())["choice"]
    monkeypatch.setattr(fast, "probe", lambda *args: pytest.fail("it was probed again"))
    choice = fast.choose(net, **SHAPE, keep=keep)
    assert choice.remembered
    assert asdict(choice.way) == first["way"]
    for name in ("seconds", "aside", "load"):
        assert getattr(choice, name) == first[name]
    images = torch.randn(7, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(choice.run(images), net(images), rtol=1e-4, atol=1e-5)


def test_another_question_is_probed(remembered, monkeypatch):
    net, keep = remembered
    assert fast.choose(net, **SHAPE, keep=keep).remembered
    assert not fast.choose(net, **SHAPE, keep=keep, again=True).remembered
    assert not fast.choose(net, **(SHAPE | {"batch": 2}), keep=keep).remembered
    assert not fast.choose(net, **(SHAPE | {"threads": 2}), keep=keep).remembered
    assert fast.choose(net, **SHAPE, keep=keep).remembered
    monkeypatch.setattr(kept, "cpu_name", lambda: "another")
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    monkeypatch.setattr(kept, "_version", lambda package: "0.0")
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    with torch.no_grad():
        next(net.parameters())[0] += 1e-3
    assert not fast.choose(net, **SHAPE, keep=keep).remembered


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"backend": "', '"backend": "no'),
        lambda text: text.replace('"at_once": ', '"at_once": -'),
        lambda text: text.replace('"workers": ', '"workers": 0'),
        lambda text: text.replace('"workers": ', '"minds": '),
        lambda text: text.replace('"seconds": {', '"seconds": {"x": "y",'),
        lambda text: text.replace('"schema": 1', '"schema": 2'),
    ],
)
def test_a_damaged_record_is_probed_anew(remembered, damage):
    net, keep = remembered
    (record,) = keep.glob("*.json")
    record.write_text(damage(record.read_text()))
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    assert fast.choose(net, **SHAPE, keep=keep).remembered


@pytest.mark.skipif(not installed(("onnxruntime", "openvino")), reason="no runtime is installed")
def test_a_graph_is_not_believed(remembered):
    net, keep = remembered
    (graph,), (record,) = keep.glob("*.onnx"), keep.glob("*.json")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    graph.unlink()
    assert not fast.choose(net, **SHAPE, keep=keep).remembered
    other = small()
    with torch.no_grad():
        next(other.parameters()).mul_(1.1)
    fast.to_onnx(other, torch.randn(2, 3, 8, 8), graph)
    values = json.loads(record.read_text())
    values["choice"]["graph"] = kept.sha256(graph)
    record.write_text(json.dumps(values))
    assert not fast.choose(net, **SHAPE, keep=keep).remembered, "the hash is right, the logits are not"
    assert fast.choose(net, **SHAPE, keep=keep).remembered


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    choice = fast.choose(small(), **SHAPE, keep=tmp_path / "file" / "bundle.fast")
    assert choice.run(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_network_stays_as_it_is():
    net = small()
    before = {name: (value.clone(), value.stride()) for name, value in net.state_dict().items()}
    fast.choose(net, **SHAPE)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name][0])
        assert value.stride() == before[name][1]


@pytest.mark.slow
def test_two_processes_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from test_backends import small\n"
        "from opsin.runtime import fast\n"
        "for _ in range(5): fast.choose(small(), 3, 8, 4, 1, Path(sys.argv[2]), again=True)"
    )
    command = [sys.executable, "-c", code, str(__file__).rpartition("/")[0], str(tmp_path / "keep")]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    fast.choose(small(), **SHAPE, keep=tmp_path / "keep")
    assert fast.choose(small(), **SHAPE, keep=tmp_path / "keep").remembered
    assert not [path for path in (tmp_path / "keep").iterdir() if path.name.startswith(".")]
