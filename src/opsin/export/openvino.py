"""A network as OpenVINO's own files, by way of ONNX."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import Tensor, nn

from opsin.export import verify
from opsin.export.about import as_text, path_in_python
from opsin.export.onnx import graph

FILE = "model.xml"
RUNS_WITH = "openvino"
NEEDS, EXTRA = ("onnx", "openvino"), "openvino"
load = verify.openvino


def write(net: nn.Module, images: Tensor, file: Path, facts: dict[str, Any], calibration: np.ndarray | None) -> None:
    """Writes `file` and, beside it, the weights (.bin), in 32-bit floats or 8-bit integers; the facts are its rt_info.

    Args:
        images: two or more inputs, as the network takes them.
    """
    import openvino

    with TemporaryDirectory() as folder:
        model = openvino.Core().read_model(graph(net, images, Path(folder), calibration))
        for name, text in as_text(facts).items():
            model.set_rt_info(text, ["opsin", name])
        openvino.save_model(model, file, compress_to_fp16=False)


def how_to_run(file: Path) -> list[str]:
    """Lines of Python from an input `x` to the name of its class; RUNS_WITH is what they import."""
    return [
        f"model = openvino.Core().read_model({path_in_python(file)})",
        'logits = openvino.compile_model(model, "CPU")(x)[0]',
        'print(json.loads(model.get_rt_info(["opsin", "classes"]).astype(str))[logits[0].argmax()])',
    ]
