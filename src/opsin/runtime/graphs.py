"""Networks as graphs of other runtimes: ONNX, by PyTorch's exporter."""

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError

INPUT, OUTPUT = "images", "logits"


def to_onnx(net: nn.Module, images: Tensor, path: Path) -> None:
    """Writes a network, with its weights, as an ONNX file for any number of images of one size.

    Args:
        net: in evaluation mode, on the CPU: [N, C, H, W] -> [N, classes].
        images: two or more images of the size that the graph is to take.

    Raises:
        OpsinError: PyTorch's exporter has no such operator.
    """
    n = torch.export.Dim("n", min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                net.eval(),
                (images,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: n},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises what its stages raise
        why = " ".join(str(error).split())[:200]
        raise OpsinError(f"{type(net).__name__} cannot be written as ONNX: {why}") from None
    assert program is not None
    program.save(str(path))
