"""Static quantisation: an ONNX file whose convolutions and products work on 8-bit integers."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from opsin.runtime.graphs import INPUT

BATCH = 16
OPERATORS = ("Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool")
"""What works on integers: products, and what stands between them. Additions stay in floats: the masks of Swin are -inf,
and OpenVINO refuses some sums of integers."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the libraries say of their own steps."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def quantise(source: Path, images: np.ndarray, out: Path) -> None:
    """Writes an ONNX file in 8-bit integers: weights with a scale for each channel, activations one for each map.

    The scales of the activations come from `images`, which should be of the training part: 100 to 300 suffice.

    Args:
        source: an ONNX file of `to_onnx`.
        images: normalised, float32 [n, C, H, W].
        out: the file to write.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    class Batches(CalibrationDataReader):
        """Images by the names that the runtime's calibration asks for."""

        def __init__(self) -> None:
            self.left: Iterator[np.ndarray] = (images[at : at + BATCH] for at in range(0, len(images), BATCH))

        def get_next(self) -> Any:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: np.ascontiguousarray(batch)}

    with TemporaryDirectory() as folder, quiet():
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded),
            str(out),
            Batches(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
