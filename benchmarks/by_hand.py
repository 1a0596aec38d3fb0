"""A network's graph as someone would run it who tries the options of ONNX Runtime and OpenVINO by hand.

What Opsin's own choice of a backend is held against in fast_path.py; nothing here uses that choice but its clock.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import openvino as ov
import torch
from torch import Tensor

from opsin.runtime import fast
from opsin.runtime.backends import Runner
from opsin.runtime.graphs import INPUT


def ort_ways(graph: Path, batch: int, threads: int) -> dict[str, Runner]:
    """Spinning or not; a batch whole, in parts of 4 or 1, or shared out to sessions of one thread."""

    def session(inner: int, spins: bool) -> Runner:
        options = ort.SessionOptions()
        options.intra_op_num_threads = inner
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
        made = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        return lambda x: torch.from_numpy(made.run(None, {INPUT: x.numpy()})[0])

    ways: dict[str, Runner] = {}
    for spins in (True, False):
        run = session(threads, spins)
        for n in sorted({1, min(4, batch), batch}):
            ways[f"{'spinning' if spins else 'waiting'}, {n} at once"] = fast.in_parts(run, n)
    if batch > 1 and threads > 1:
        alone, pool = session(1, False), ThreadPoolExecutor(threads)
        for n in (1, 4):
            ways[f"{threads} workers, {n} at once"] = lambda x, n=n: torch.cat(list(pool.map(alone, x.split(n))))
    return ways


def openvino_ways(graph: Path, batch: int, threads: int) -> dict[str, Runner]:
    """One stream with a fixed or a free number of images; a batch whole, in parts, or shared out to streams."""
    core = ov.Core()
    given = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}

    def compiled(images: int | None, **options: Any) -> Any:
        model = core.read_model(graph)
        if images:
            shape = model.input(0).partial_shape
            model.reshape([images, *[side.get_length() for side in list(shape)[1:]]])
        return core.compile_model(model, "CPU", given | options)

    def logits_of(request: Any) -> np.ndarray:
        return request.get_output_tensor(0).data.copy()

    def one(images: int | None) -> Runner:
        request = compiled(images, PERFORMANCE_HINT="LATENCY").create_infer_request()
        return lambda x: torch.from_numpy(request.infer([x.numpy()], share_inputs=True)[0].copy())

    def streams(n: int) -> Runner:
        queue = ov.AsyncInferQueue(compiled(n, NUM_STREAMS=threads), threads)

        def run(x: Tensor) -> Tensor:
            out: dict[int, Tensor] = {}
            queue.set_callback(lambda request, at: out.update({at: torch.from_numpy(logits_of(request))}))
            parts = x.split(n)
            for at, part in enumerate(parts):
                queue.start_async([part.numpy()], at, share_inputs=True)
            queue.wait_all()
            return torch.cat([out[at] for at in range(len(parts))])

        return run

    ways = {f"fixed, {n} at once": fast.in_parts(one(n), n) for n in sorted({1, min(4, batch), batch})}
    ways["free"] = one(None)
    if batch > 1 and threads > 1:
        ways |= {f"{threads} streams, {n} at once": streams(n) for n in (1, 4) if batch % n == 0}
    return ways


def best(ways: dict[str, Runner], images: Tensor, expected: Tensor | None = None) -> tuple[str, Runner]:
    """The quickest, all of which give the logits that are expected: 8 bits give others."""
    for name, run in ways.items():
        logits = run(images)
        assert expected is None or fast.difference(logits, expected) < 1e-3, name
    seconds = fast.race(ways, images)
    name = min(seconds, key=lambda way: seconds[way])
    return name, ways[name]
