"""Every network of the zoo as ONNX, in ONNX Runtime and in OpenVINO, against eager PyTorch: one line each.

python benchmarks/export_zoo.py RESULTS.jsonl [PATTERN]     networks that RESULTS has are not run again

Weights are random and nothing hides behind a 0 or 1: every bias, gain and layer scale is drawn, and the batch norms
track the statistics of random images. Each network is run at its card's own size, on 1 and
on 7 images. `onnxruntime` and `openvino` are the largest difference of a logit from eager's, over the largest logit;
`eager` is that of eager PyTorch in float32 from itself in float64, which no runtime can be asked to undercut (looked
at where a runtime's is above 1e-5); `spread` is how much the logits of one class differ between images, over the
largest: were it 0, nothing would have been compared.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from opsin import zoo
from opsin.errors import OpsinError
from opsin.export.verify import BATCHES, onnxruntime, openvino
from opsin.runtime.fast import difference
from opsin.runtime.graphs import to_onnx

RUNNERS = {"onnxruntime": onnxruntime, "openvino": openvino}
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@torch.no_grad()
def perturb(net: nn.Module, images: Tensor) -> None:
    """Draws all that is learned, and has the batch norms track the statistics of `images`."""
    for name, parameter in net.named_parameters():
        if parameter.ndim < 2:
            parameter.normal_(0.0 if name.endswith("bias") else 1.0, 0.1)
        else:
            parameter.normal_(std=(2 / parameter[0].numel()) ** 0.5)
    norms = [module for module in net.modules() if isinstance(module, NORMS)]
    if norms:
        for norm in norms:
            norm.momentum = 0.9
        net.train()(images)
    net.eval()


def check(name: str) -> dict[str, Any]:
    """What became of one network: its differences, seconds and bytes, or why it does not export."""
    torch.manual_seed(0)
    inputs = zoo.card(name).inputs
    net = zoo.build_model(name)
    images = torch.rand(max(BATCHES), inputs.channels, inputs.size, inputs.size) * 2 - 1
    images += torch.randn(len(images), inputs.channels, 1, 1) / 2
    perturb(net, images)
    facts: dict[str, Any] = {"model": name, "params": zoo.card(name).params}
    with TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "model.onnx"
        began = time.monotonic()
        try:
            to_onnx(net, images[:2], path)
        except OpsinError as error:
            return facts | {"error": str(error)}
        facts |= {"export_seconds": round(time.monotonic() - began, 2)}
        facts |= {"megabytes": round(sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6, 2)}
        expected = {n: net(images[:n]) for n in BATCHES}
        logits = expected[max(BATCHES)]
        facts["spread"] = float(logits.std(0).max() / logits.abs().max())
        for runtime, load in RUNNERS.items():
            try:
                run = load(path)
                facts[runtime] = max(difference(run(images[:n]), expected[n]) for n in BATCHES)
            except Exception as error:  # a runtime raises what it likes
                facts[runtime] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if any(not isinstance(facts[runtime], float) or not facts[runtime] < 1e-5 for runtime in RUNNERS):
            net.double()
            exact = {n: net(images[:n].double()).float() for n in BATCHES}
            facts["eager"] = max(difference(expected[n], exact[n]) for n in BATCHES)
    return facts | {"seconds": round(time.monotonic() - began, 1)}


def main(results: Path, pattern: str = "*") -> None:
    done = {json.loads(line)["model"] for line in results.read_text().splitlines()} if results.exists() else set()
    names = [name for name in zoo.list_models(pattern) if name not in done]
    for name in sorted(names, key=lambda name: zoo.card(name).macs):
        facts = check(name)
        with results.open("a") as file:
            file.write(json.dumps(facts) + "\n")
        print(*(f"{key} {value:.2g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
