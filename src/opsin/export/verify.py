"""A file that was written, run as its user will run it, against the network that it was written from."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError

BATCHES = (1, 7)
"""How many images at once a file is run on."""
TOLERANCE = 1e-4
"""The largest difference of a logit that is allowed, as a part of the largest logit of the batch."""
STEADY = 0.05
"""The same between an image alone and among others, for a file in 8-bit integers."""

Runner = Callable[[Tensor], Tensor]
"""Images [N, C, H, W] on the CPU -> logits [N, classes]."""


def onnxruntime(path: Path) -> Runner:
    """Of a .onnx file, which must be one that we wrote: ONNX may name other files."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.contiguous().numpy()})[0])


def openvino(path: Path) -> Runner:
    """Of an .xml file with its .bin, or a .onnx file."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = openvino.Core().compile_model(path, "CPU", options)
    return lambda images: torch.from_numpy(model(images.contiguous().numpy())[0].copy())


def pt2(path: Path) -> Runner:
    """Of a .pt2 file."""
    return torch.inference_mode()(torch.export.load(path).module())


RUNNERS: dict[str, Callable[[Path], Runner]] = {"onnxruntime": onnxruntime, "openvino": openvino}


def relative_difference(expected: Tensor, found: Tensor) -> float:
    """The largest difference of two batches of logits, over the largest logit; nan where either is not finite.

    Raises OpsinError where their shapes differ.
    """
    if expected.shape != found.shape:
        raise OpsinError(f"logits of shape {list(found.shape)} instead of {list(expected.shape)}")
    return float((found - expected).abs().max() / expected.abs().max())


@torch.inference_mode()
def verify(path: Path, run: Runner, net: nn.Module, batches: list[Tensor]) -> float:
    """The largest relative difference over `batches` between what a file and its network say.

    Raises:
        OpsinError: it is above TOLERANCE, or not a number; the line names the file and the batch.
    """
    worst = 0.0
    for images in batches:
        difference = relative_difference(net(images.float()), run(images))
        if not difference <= TOLERANCE:
            raise OpsinError(
                f"{path.name} differs from the network by {difference:.1e} of its largest logit on {len(images)} "
                f"image(s), more than {TOLERANCE:.0e}: nothing was written"
            )
        worst = max(worst, difference)
    return worst


def check_steady(path: Path, run: Runner, images: Tensor) -> None:
    """Raises OpsinError where a file in integers says other things of an image alone than among others."""
    difference = relative_difference(run(images)[:1], run(images[:1]))
    if not difference <= STEADY:
        raise OpsinError(
            f"{path.name} in integers gives other logits for an image alone than among {len(images)} (by "
            f"{difference:.0%} of the largest): nothing was written; --to onnx may do better"
        )
