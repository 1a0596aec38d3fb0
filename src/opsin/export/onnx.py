"""A network as an ONNX file, for ONNX Runtime and others."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import Tensor, nn

from opsin.export import verify
from opsin.export.about import as_text, path_in_python
from opsin.export.int8 import quantise
from opsin.runtime.graphs import INPUT, to_onnx

FILE = "model.onnx"
RUNS_WITH = "onnxruntime"
NEEDS, EXTRA = ("onnx", "onnxruntime"), "export"
load = verify.onnxruntime


def write(net: nn.Module, images: Tensor, file: Path, facts: dict[str, Any], calibration: np.ndarray | None) -> None:
    """Writes one file: the network in 32-bit floats, or in 8-bit integers by the inputs `calibration`; and the facts.

    Args:
        images: two or more inputs, as the network takes them.
    """
    import onnx

    with TemporaryDirectory() as folder:
        model = onnx.load(graph(net, images, Path(folder), calibration))
    onnx.helper.set_model_props(model, as_text(facts))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, file)


def graph(net: nn.Module, images: Tensor, folder: Path, calibration: np.ndarray | None) -> Path:
    """The graph alone, in a file below `folder`."""
    path = folder / "floats.onnx"
    to_onnx(net, images, path)
    if calibration is None:
        return path
    quantise(path, calibration, folder / "int8.onnx")
    return folder / "int8.onnx"


def how_to_run(file: Path) -> list[str]:
    """Lines of Python from an input `x` to the name of its class; RUNS_WITH is what they import."""
    return [
        f"session = onnxruntime.InferenceSession({path_in_python(file)})",
        f'logits = session.run(None, {{"{INPUT}": x}})[0]',
        'print(json.loads(session.get_modelmeta().custom_metadata_map["classes"])[logits[0].argmax()])',
    ]
