"""Networks as graphs of other runtimes: ONNX, by PyTorch's exporters."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError

INPUT, OUTPUT = "images", "logits"
OPSET = 20


def to_onnx(net: nn.Module, images: Tensor, path: Path) -> None:
    """Writes a network, with its weights, as an ONNX file for any number of images of one size.

    PyTorch's tracing exporter is tried first: it takes a tenth of the other's time for graphs that run as fast, and
    has attention in windows. Its successor follows, for what it refuses and for a PyTorch without it.

    Args:
        net: in evaluation mode, on the CPU: [N, C, H, W] -> [N, classes].
        images: two or more images of the size that the graph is to take.

    Raises:
        OpsinError: neither exporter can write it.
    """
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": [OUTPUT], "opset_version": OPSET}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    why = ""
    for export in (traced, exported):
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                return export(net.eval(), images, path, names)
        except OSError:
            raise
        except Exception as error:  # an exporter raises what its stages raise
            why = why or " ".join(str(error).split())[:200]
    raise OpsinError(f"{type(net).__name__} cannot be written as ONNX: {why}")


def traced(net: nn.Module, images: Tensor, path: Path, names: dict[str, Any]) -> None:
    """By following one pass of `images`."""
    any_number = {INPUT: {0: "n"}, OUTPUT: {0: "n"}}
    torch.onnx.export(net, (images,), str(path), dynamic_axes=any_number, dynamo=False, **names)


def exported(net: nn.Module, images: Tensor, path: Path, names: dict[str, Any]) -> None:
    """By torch.export."""
    any_number = ({0: torch.export.Dim("n", min=1)},)
    program = torch.onnx.export(net, (images,), dynamic_shapes=any_number, dynamo=True, verbose=False, **names)
    assert program is not None
    program.save(str(path))
