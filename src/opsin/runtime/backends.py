"""What can run a network on this machine: eager PyTorch, in two layouts and compiled, ONNX Runtime, OpenVINO.

Each takes a network, and gives a function from images to logits that is right for one size of images and, where a
runtime compiles for it, one number of them.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from opsin.device import place, place_images
from opsin.errors import OpsinError
from opsin.runtime.graphs import INPUT, OUTPUT, to_onnx

Runner = Callable[[Tensor], Tensor]
"""Images [N, C, H, W], normalised, float32 on the CPU -> logits [N, classes]."""


def eager(net: nn.Module, images: Tensor, threads: int) -> Runner:
    return torch.inference_mode()(net)


def channels_last(net: nn.Module, images: Tensor, threads: int) -> Runner:
    placed = place(net, images.device)
    return torch.inference_mode()(lambda x: placed(place_images(x)))


def compiled(net: nn.Module, images: Tensor, threads: int) -> Runner:
    fast = torch.compile(place(net, images.device), dynamic=False)
    return torch.inference_mode()(lambda x: fast(place_images(x)))


def onnxruntime(net: nn.Module, images: Tensor, threads: int) -> Runner:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        to_onnx(net, two(images), path)
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run([OUTPUT], {INPUT: x.contiguous().numpy()})[0])


def openvino(net: nn.Module, images: Tensor, threads: int) -> Runner:
    import openvino as ov

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        to_onnx(net, two(images), path)
        core = ov.Core()
        model = core.read_model(path)
        model.reshape(list(images.shape))
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda x: torch.from_numpy(request.infer([x.contiguous().numpy()], share_inputs=True)[0].copy())


BACKENDS: dict[str, Callable[[nn.Module, Tensor, int], Runner]] = {
    "eager": eager,
    "channels_last": channels_last,
    "compile": compiled,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}
NEEDS = {"onnxruntime": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("onnx", "onnxscript", "openvino")}
EXTRA = {"onnxruntime": "export", "openvino": "openvino"}


def check_backend(name: str) -> None:
    """Raises OpsinError for a backend that there is not, or that is not installed (with the command that mends it)."""
    if name not in BACKENDS:
        raise OpsinError(f"unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    if absent := [package for package in NEEDS.get(name, ()) if find_spec(package) is None]:
        raise OpsinError(f"{name} needs {', '.join(absent)}: pip install 'opsin[{EXTRA[name]}]'")


def two(images: Tensor) -> Tensor:
    """At least two images: of a batch of one the exporter takes the number for a constant."""
    return images if len(images) > 1 else torch.cat([images, images])


def build(name: str, net: nn.Module, images: Tensor, threads: int) -> Runner:
    """What runs `net` (in evaluation mode, on the CPU) on batches of the shape of `images`, with `threads` threads.

    Raises:
        OpsinError: the backend is not known, not installed, or cannot run the network.
    """
    check_backend(name)
    return BACKENDS[name](net.eval(), images, threads)
