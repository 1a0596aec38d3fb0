"""What can run a network on this machine: eager PyTorch, in two layouts and compiled, ONNX Runtime, OpenVINO.

Each makes a function from images to logits. `channels_last` and `compile` change the layout of the network's weights.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from opsin.device import place, place_images
from opsin.errors import OpsinError, unknown
from opsin.runtime import signal_stack
from opsin.runtime.graphs import INPUT, to_onnx

Runner = Callable[[Tensor], Tensor]
"""Any number of images [N, C, H, W], normalised, float32 -> logits [N, classes]."""


def eager(net: nn.Module, images: Tensor, threads: int) -> Runner:
    return on_threads(net, threads)


def channels_last(net: nn.Module, images: Tensor, threads: int) -> Runner:
    placed = place(net, images.device)
    return on_threads(lambda x: placed(place_images(x)), threads)


def compiled(net: nn.Module, images: Tensor, threads: int) -> Runner:
    on_cpu = images.device.type == "cpu"
    fast = torch.compile(place(net, images.device), dynamic=False, options={"freezing": on_cpu})  # weights as constants
    return on_threads(filled(lambda x: fast(place_images(x)), len(images)), threads)


def onnxruntime(graph: Path, threads: int, at_once: int | None = None, workers: int = 1) -> Runner:
    """For any number of images; may be called by so many workers at a time, who share the threads."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads // workers
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # the time between batches is for decoding
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {INPUT: images.contiguous().numpy()})[0])


def openvino(graph: Path, threads: int, at_once: int | None = None, workers: int = 1) -> Runner:
    """Compiled for `at_once` images, which is quicker, else for any number; for so many workers at a time."""
    import openvino as ov

    core = ov.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16, where the processor has it
        "ENABLE_CPU_PINNING": False,  # else two processes share the same few cores
    } | ({"NUM_STREAMS": workers} if workers > 1 else {})
    model = core.read_model(graph)
    if at_once is not None:
        model.reshape([at_once, *(side.get_length() for side in list(model.input(0).partial_shape)[1:])])
    with signal_stack.kept():
        network = core.compile_model(model, "CPU", options)
    free: SimpleQueue[ov.InferRequest] = SimpleQueue()
    for _ in range(workers):
        free.put(network.create_infer_request())

    def run(images: Tensor) -> Tensor:
        request = free.get()
        try:
            return torch.from_numpy(request.infer([images.contiguous().numpy()], share_inputs=True)[0].copy())
        finally:
            free.put(request)

    return run if at_once is None else filled(run, at_once)


def filled(run: Runner, n: int) -> Runner:
    """Any number of images by `run`, which takes just `n`: in parts, the last one filled up with black images."""

    def by_parts(images: Tensor) -> Tensor:
        short = -len(images) % n
        full = torch.cat([images, images.new_zeros(short, *images.shape[1:])]) if short else images
        return torch.cat([run(part) for part in full.split(n)])[: len(images)]

    return by_parts


OF_NETWORKS: dict[str, Callable[[nn.Module, Tensor, int], Runner]] = {
    "eager": eager,
    "channels_last": channels_last,
    "compile": compiled,
}
OF_GRAPHS: dict[str, Callable[[Path, int, int | None, int], Runner]] = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}
BACKENDS = (*OF_NETWORKS, *OF_GRAPHS)
FIXED = ("openvino",)
"""Backends of graphs that are made for one number of images; the others are as quick with any."""

NEEDS = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
EXTRA = {"onnxruntime": "export", "openvino": "openvino"}
MOST_THREADS = 1024
"""Beyond it the runtimes make threads for minutes, on whatever machine."""
COMPILERS = ("c++", "g++", "clang++", "cl")


def check_backend(name: str) -> None:
    """Raises OpsinError for a backend that there is not, is not installed, or cannot be imported (with the mend)."""
    check_installed(name)
    if name in NEEDS:
        try:
            import_module(name)
        except Exception as error:  # whatever its import raises
            why = " ".join(str(error).split())[:150]
            raise OpsinError(f"{name} is installed and cannot be imported ({why}): install it anew") from None


def check_installed(name: str) -> None:
    """Raises OpsinError for a backend that there is not, or whose packages are not there; imports none."""
    if name not in BACKENDS:
        raise unknown("backend", name, BACKENDS)
    if absent := [package for package in NEEDS.get(name, ()) if find_spec(package) is None]:
        raise OpsinError(f"backend {name} needs {', '.join(absent)}: pip install 'opsin[{EXTRA[name]}]'")
    if name == "compile" and not any(map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))):
        raise OpsinError("backend compile needs a C++ compiler: install g++ or clang++, or name one in CXX")


def check_place(name: str, device: str) -> None:
    """Raises OpsinError for a backend that does not run on such a device."""
    if name in OF_GRAPHS and device != "cpu":
        raise OpsinError(f"{name} runs on the CPU here: add --device cpu, or take another backend")


def installed(names: tuple[str, ...] = BACKENDS) -> list[str]:
    """Those of `names` that `check_installed` lets pass."""

    def passes(name: str) -> bool:
        try:
            return check_installed(name) is None
        except OpsinError:
            return False

    return [name for name in names if passes(name)]


def build(
    name: str, net: nn.Module, images: Tensor, threads: int, graph: Path | None = None, workers: int = 1
) -> Runner:
    """What runs `net` (in evaluation mode) on images of the size of `images`, with `threads` threads.

    Args:
        images: the batch to be expected; others may be smaller or larger, and be slower.
            The backends of graphs run on the CPU alone.
        graph: the network as an ONNX file where there is one; else a backend that needs it writes its own.
        workers: how many will call it at a time, of a backend of graphs.

    Raises:
        OpsinError: the backend is not known, not installed, or cannot run the network.
    """
    check_backend(name)
    net.eval()
    if name in OF_NETWORKS:
        return OF_NETWORKS[name](net, images, threads)
    if graph is not None:
        return OF_GRAPHS[name](graph, threads, len(images), workers)
    with TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        to_onnx(net, two(images), graph)
        return OF_GRAPHS[name](graph, threads, len(images), workers)


def two(images: Tensor) -> Tensor:
    """At least two images: of a batch of one an exporter takes the number for a constant."""
    return images if len(images) > 1 else torch.cat([images, images])


def on_threads(net: Callable[[Tensor], Tensor], threads: int) -> Runner:
    """Without gradients, and with so many of PyTorch's threads."""

    @torch.inference_mode()
    def run(images: Tensor) -> Tensor:
        with torch_threads(threads):
            return net(images)

    return run


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """PyTorch computes with so many threads inside it."""
    before = torch.get_num_threads()
    if threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if threads != before:
            torch.set_num_threads(before)
