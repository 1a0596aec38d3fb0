"""Networks as graphs of other runtimes: ONNX, by PyTorch's exporters."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from opsin.errors import OpsinError
from opsin.models.layers import LocalResponseNorm

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
    """By following one pass of `images`. It does not see what an autograd.Function writes in place."""
    any_number = {INPUT: {0: "n"}, OUTPUT: {0: "n"}}
    with response_norms_as_one_operator(net):
        torch.onnx.export(net, (images,), str(path), dynamic_axes=any_number, dynamo=False, **names)


def exported(net: nn.Module, images: Tensor, path: Path, names: dict[str, Any]) -> None:
    """By torch.export."""
    any_number = ({0: torch.export.Dim("n", min=1)},)
    program = torch.onnx.export(net, (images,), dynamic_shapes=any_number, dynamo=True, verbose=False, **names)
    assert program is not None
    program.save(str(path))


class ResponseNorm(torch.autograd.Function):
    """LocalResponseNorm as ONNX's operator of this name, which divides alpha by the size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, n: int, k: float, alpha: float) -> Tensor:
        return LocalResponseNorm(n, k, alpha)(x)

    @staticmethod
    def symbolic(g: Any, x: Any, n: int, k: float, alpha: float) -> Any:
        return g.op("LRN", x, alpha_f=alpha * n, beta_f=0.75, bias_f=k, size_i=n).setType(x.type())


@contextmanager
def response_norms_as_one_operator(net: nn.Module) -> Iterator[None]:
    """While it lasts, the local response norms of a network leave one node each in a trace."""
    norms = [module for module in net.modules() if isinstance(module, LocalResponseNorm)]
    for norm in norms:
        norm.forward = lambda x, norm=norm: ResponseNorm.apply(x, norm.n, norm.k, norm.alpha)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward
