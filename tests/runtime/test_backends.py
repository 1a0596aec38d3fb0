"""Every backend gives eager's logits for any number of images, and what is missing is said."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from opsin.errors import OpsinError
from opsin.runtime import backends
from opsin.runtime.backends import build, check_backend, installed, torch_threads


def small() -> nn.Module:
    """A network with a batch norm whose statistics are not the initial ones."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten())
    net.append(nn.Linear(8 * 4, 5))
    net(torch.randn(64, 3, 8, 8) * 3 + 1)
    return net.eval()


@pytest.mark.parametrize("name", ["eager", "channels_last", "onnxruntime", "openvino"])
@pytest.mark.parametrize("built_for", [1, 4])
def test_any_number_of_images(name, built_for):
    if not installed((name,)):
        pytest.skip(f"{name} is not installed")
    net = small()
    run = build(name, net, torch.randn(built_for, 3, 8, 8), threads=1)
    for n in (1, 3, 4, 9):
        images = torch.randn(n, 3, 8, 8)
        with torch.no_grad():
            expected = net(images)
        for layout in (images, images.contiguous(memory_format=torch.channels_last)):
            torch.testing.assert_close(run(layout), expected, rtol=1e-4, atol=1e-5)


def test_results_do_not_share_memory():
    images = torch.randn(2, 2, 3, 8, 8)
    for name in installed(("eager", "onnxruntime", "openvino")):
        run = build(name, small(), images[0], threads=1)
        first = run(images[0])
        before = first.clone()
        run(images[1])
        assert torch.equal(first, before)


@pytest.mark.slow
def test_compiled_for_one_number_of_images():
    if not installed(("compile",)):
        pytest.skip("no compiler")
    net, images = small(), torch.randn(9, 3, 8, 8)
    with torch.no_grad():
        expected = net(images)
    run = build("compile", net, images[:4], threads=1)
    for n in (4, 1, 9):
        torch.testing.assert_close(run(images[:n]), expected[:n], rtol=1e-4, atol=1e-5)


def test_threads_are_those_asked_for_and_go_back():
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return x.mean((2, 3))

    before = torch.get_num_threads()
    run = build("eager", Look(), torch.zeros(1, 3, 8, 8), threads=before + 1)
    run(torch.zeros(1, 3, 8, 8))
    assert (seen, torch.get_num_threads()) == ([before + 1], before)
    with pytest.raises(ZeroDivisionError), torch_threads(before + 2):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_what_is_missing_is_said(monkeypatch):
    with pytest.raises(OpsinError, match="did you mean openvino"):
        check_backend("openvinno")
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    with pytest.raises(OpsinError, match=r"needs onnxruntime: pip install 'opsin\[export\]'"):
        check_backend("onnxruntime")
    monkeypatch.setattr(backends.shutil, "which", lambda name: None)
    with pytest.raises(OpsinError, match="needs a C"):
        check_backend("compile")
    assert {"eager", "channels_last"} <= set(installed()) <= {"eager", "channels_last", "openvino"}


@pytest.mark.skipif(not installed(("onnxruntime", "openvino")), reason="no runtime is installed")
def test_what_is_installed_and_broken_is_said(monkeypatch, tmp_path):
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libodd.so.1: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(backends, "NEEDS", {"onnxruntime": ("onnxruntime",)})
    with pytest.raises(OpsinError, match=r"onnxruntime is installed and cannot be imported \(libodd"):
        check_backend("onnxruntime")


def test_no_runtime_writes_into_the_home(tmp_path):
    code = (
        "import opsin.runtime\nfor name in ('onnxruntime', 'openvino'):\n try: __import__(name)\n except ImportError: 0"
    )
    told = ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")
    environment = {key: value for key, value in os.environ.items() if key not in told} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_openvino_leaves_the_stack_of_signals_as_it_was():
    """It puts one of its own in place and frees it later; the next signal that is caught then ends the process."""
    pytest.importorskip("openvino")
    code = """
import ctypes, torch
from opsin.runtime import backends, signal_stack
def address():
    stack = signal_stack.SignalStack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack.address, stack.size
before = address()
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
backends.build("openvino", net, torch.zeros(1, 1, 2, 2), 1)
print(before, address(), sep="|")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    before, after = ended.stdout.splitlines()[-1].split("|")
    assert before == after
