"""Prediction on a processor: Opsin's choice of a backend against eager PyTorch and against runtimes tuned by hand.

    python benchmarks/fast_path.py [--threads N] [--batches 1,16] [--repeats 9] [--quick] [--json FILE]
        [--bundle DIR --data DIR]  what 8 bits cost in accuracy: a trained bundle, images that it was not trained on
        [--photos DIR]             `opsin predict` with decoding, against the serial eager way, on a folder of JPEGs

Six networks of torchvision and timm, and Opsin's own of the same layers and sizes; weights are random (they cost the
same), images are decoded tensors. "ours" is what `opsin predict` runs. The runtimes by hand have the graph of
torchvision or timm and the best of the options in `ort_ways` and `openvino_ways`. "eager" is torchvision or timm in a
process of its own, as anyone's script has it; "kept" the same in this process, whose heap keeps its memory
(opsin.heap), as `opsin` does. All of a row run in turns: ratios are medians of the turns' ratios. The peak is of
a product of matrices, 2048 x 2048, float32, with as many threads: the best of 30, by torch.mm (MKL) or as a convolution
of 1 x 1 (oneDNN), which is twice as quick on an AMD processor.
"""

import argparse
import gc
import json
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":  # as the command does; the eager process has what any script has
    from opsin import waiting

    os.environ.update(waiting.settings())
import opsin.runtime  # noqa: F401  # isort: skip  # first: it asks the runtimes to report nothing

import numpy as np
import timm
import torch
import torchvision
from by_hand import best, openvino_ways, ort_ways
from PIL import Image
from torch import Tensor

from opsin import heap, waiting, zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.data.sources import load
from opsin.export.int8 import quantise
from opsin.predict import find_images, predict
from opsin.runtime import fast
from opsin.runtime.backends import Runner, build, onnxruntime, openvino, torch_threads
from opsin.runtime.graphs import to_onnx

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "resnet50_v1_5": lambda: torchvision.models.resnet50(),
    "vgg16": lambda: torchvision.models.vgg16(),
    "mobilenet_v2_100": lambda: torchvision.models.mobilenet_v2(),
    "densenet121": lambda: torchvision.models.densenet121(),
    "convnext_tiny": lambda: torchvision.models.convnext_tiny(),
    "vit_small_patch16_224": lambda: timm.create_model("vit_small_patch16_224"),
}
WITH_INT8 = ("resnet50_v1_5", "vgg16", "mobilenet_v2_100", "densenet121")


def serve(name: str, batch: int, threads: int, wire: Connection) -> None:
    """In a process of its own: a forward pass for each message."""
    torch.set_num_threads(threads)
    net, images = NETWORKS[name]().eval(), torch.randn(batch, 3, 224, 224)
    with torch.inference_mode():
        while wire.recv():
            net(images)
            wire.send(True)


@contextmanager
def apart(name: str, batch: int, threads: int) -> Iterator[Runner]:
    """Eager PyTorch in a process of its own, which sleeps between its turns."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(name, batch, threads, theirs), daemon=True)
    ours_too = {name: os.environ.pop(name) for name in waiting.SETTINGS if name in os.environ}
    process.start()
    os.environ.update(ours_too)

    def run(images: Tensor) -> Tensor:
        ours.send(True)
        ours.recv()
        return images

    yield run
    ours.send(False)
    process.join()


def in_turns(runs: dict[str, Runner], images: Tensor, repeats: int) -> dict[str, list[float]]:
    """Seconds of each, turn by turn; the first turn, and the first run after another's, warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            if len(images) == 1:
                run(images)
            at = time.perf_counter()
            run(images)
            if turn:
                times[name].append(time.perf_counter() - at)
    return times


def peak(threads: int) -> float:
    """Operations a second of a matrix product, 2 a multiplication and addition: by torch.mm or oneDNN's convolution."""
    a, b, least = torch.randn(2048, 2048), torch.randn(2048, 2048), math.inf
    column = torch.randn(1, 2048, 2048, 1).contiguous(memory_format=torch.channels_last)
    kernels = b[:, :, None, None]
    with torch_threads(threads), torch.inference_mode():
        for _ in range(30):
            for product in (lambda: torch.mm(a, b), lambda: torch.conv2d(column, kernels)):
                at = time.perf_counter()
                product()
                least = min(least, time.perf_counter() - at)
    return 2 * 2048**3 / least


def row(name: str, batch: int, threads: int, repeats: int, top: float, folder: Path) -> dict[str, Any]:
    with apart(name, batch, threads) as eager:
        return measure(name, batch, threads, repeats, top, folder, eager)


def measure(
    name: str, batch: int, threads: int, repeats: int, top: float, folder: Path, eager: Runner
) -> dict[str, Any]:
    torch.manual_seed(0)
    card = zoo.card(name)
    theirs, net = NETWORKS[name]().eval(), zoo.build_model(name).eval()
    for parameter in net.parameters():
        if not parameter.any():  # ViT's last layer: of logits that are all 0 nothing can be told
            torch.nn.init.normal_(parameter, std=0.02)
    size = card.inputs.size
    images = torch.randn(batch, 3, size, size)
    graph = folder / f"{name}.onnx"
    if not graph.exists():
        to_onnx(theirs, torch.randn(2, 3, size, size), graph)
    runs = {"eager": eager, "kept": build("eager", theirs, images, threads)}
    expected = runs["kept"](images)
    copy = NETWORKS[name]().eval()
    runs["channels_last"] = build("channels_last", copy, images, threads)
    ours = fast.choose(net, 3, size, batch, threads, keep=folder / "kept")
    runs["ours"] = ours.run
    by_hand = {}
    for runtime, ways in (("ort", ort_ways), ("openvino", openvino_ways)):
        by_hand[runtime], runs[runtime] = best(ways(graph, batch, threads), images, expected)
    if name in WITH_INT8:
        small = folder / f"{name}-int8.onnx"
        if not small.exists():
            quantise(graph, torch.randn(32, 3, size, size).numpy(), small)
        loaded = {"onnxruntime": onnxruntime(small, threads), "openvino": openvino(small, threads)}
        made = {f"{each}/{n}": fast.in_parts(run, n) for each, run in loaded.items() for n in sorted({1, batch})}
        by_hand["int8"], runs["int8"] = best(made, images)
    times = in_turns(runs, images, repeats)
    mid = {column: statistics.median(values) for column, values in times.items()}

    def ratio(over: str, under: str) -> float:
        return statistics.median(a / b for a, b in zip(times[over], times[under], strict=True))

    hand = min(("ort", "openvino"), key=lambda column: mid[column])
    return {
        "network": name,
        "batch": batch,
        "ms": {column: 1e3 * value for column, value in mid.items()},
        "ours": str(ours.way),
        "by hand": by_hand,
        "aside": ours.aside,
        "over eager": ratio("eager", "ours"),
        "over kept": ratio("kept", "ours"),
        "over channels_last": ratio("channels_last", "ours"),
        "of the best by hand": ratio("ours", hand),
        "int8 over eager": ratio("eager", "int8") if "int8" in runs else None,
        "share of peak": 2 * card.macs * batch / mid["ours"] / top,
    }


def show(found: dict[str, Any]) -> None:
    ms, by_hand = found["ms"], found["by hand"]
    small = f"{ms['int8']:8.1f} {found['int8 over eager']:5.2f}" if "int8" in ms else f"{'-':>8} {'-':>5}"
    print(
        f"{found['network']:22} {found['batch']:>3} {ms['eager']:8.1f} {ms['kept']:8.1f} "
        f"{ms['channels_last']:8.1f} {ms['ours']:8.1f} "
        f"{ms['ort']:8.1f} {ms['openvino']:8.1f} {found['over eager']:6.2f} {found['over kept']:6.2f} "
        f"{found['over channels_last']:6.2f} "
        f"{found['of the best by hand']:7.3f} {found['share of peak']:6.1%} {small}  "
        f"ours {found['ours']}; {'; '.join(f'{name}: {way}' for name, way in by_hand.items())}",
        flush=True,
    )


def geometric(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    eager = [each["over eager"] for each in rows]
    return {
        "over eager, geometric mean": geometric(eager),
        "over eager, least": min(eager),
        "over kept, geometric mean": geometric([each["over kept"] for each in rows]),
        "over kept, least": min(each["over kept"] for each in rows),
        "over channels_last, geometric mean": geometric([each["over channels_last"] for each in rows]),
        "time of the best by hand, geometric mean": geometric([each["of the best by hand"] for each in rows]),
        "time of the best by hand, most": max(each["of the best by hand"] for each in rows),
        "int8 over eager, least": min((each["int8 over eager"] or math.inf for each in rows), default=math.inf),
    }


def accuracy(folder: Path, data: str, work: Path) -> dict[str, Any]:
    """Top-1 of a bundle in 32 and in 8 bits: a quarter of the images, but at most 300, gives the scales."""
    bundle, source = Bundle.read(folder), load(data)
    rows = np.random.default_rng(0).permutation(len(source))[:1500]
    pixels = torch.from_numpy(np.stack([bundle.preprocess.pixels(source.image(int(i))) for i in rows]))
    images = bundle.preprocess.normalize(pixels)
    labels = torch.tensor([bundle.classes.index(source.classes[label]) for label in source.labels[rows]])
    cut = min(300, len(rows) // 4)
    to_onnx(bundle.net, images[:2], work / "trained.onnx")
    quantise(work / "trained.onnx", images[:cut].numpy(), work / "trained-int8.onnx")
    threads = torch.get_num_threads()
    runs = {"32 bits": build("eager", bundle.net, images[:1], threads)}
    runs |= {"8 bits": onnxruntime(work / "trained-int8.onnx", threads)}
    right = {name: (fast.in_parts(run, 16)(images[cut:]).argmax(1) == labels[cut:]) for name, run in runs.items()}
    found = {name: each.float().mean().item() for name, each in right.items()}
    return found | {"network": bundle.model, "images": len(rows) - cut}


def serial(bundle: Bundle, files: list[Path]) -> list[str]:
    """As it was before: decode 64 images, run them by eager PyTorch, decode the next."""
    names = []
    for at in range(0, len(files), 64):
        pixels = [bundle.preprocess.pixels(Image.open(file)) for file in files[at : at + 64]]
        batch = bundle.preprocess.normalize(torch.from_numpy(np.stack(pixels)))
        with torch.inference_mode():
            names += [bundle.classes[i] for i in bundle.net(batch).argmax(1).tolist()]
    return names


def decoding(photos: Path, given: Path | None, work: Path, repeats: int) -> dict[str, Any]:
    """Images a second of the whole: files -> names. The backend was found, and remembered, before."""
    if given is None:
        classes = tuple(map(str, range(1000)))
        like = Preprocess(224, 3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize=256)
        Bundle(zoo.build_model("resnet50_v1_5"), "resnet50_v1_5", {}, classes, like, {}, {}).write(work / "bundle")
    bundle, files = Bundle.read(given or work / "bundle"), list(find_images([photos]))
    list(predict(bundle, files[:1], backend="best"))
    times: dict[str, list[float]] = {"serial": [], "predict": []}
    for _ in range(repeats):
        at = time.perf_counter()
        names = serial(bundle, files)
        times["serial"].append(time.perf_counter() - at)
        at = time.perf_counter()
        found = [prediction.classes[0] for prediction in predict(bundle, files, backend="best")]
        times["predict"].append(time.perf_counter() - at)
        assert np.mean([a == b for a, b in zip(names, found, strict=True)]) > 0.99
    ratio = statistics.median(a / b for a, b in zip(times["serial"], times["predict"], strict=True))
    rates = {f"{name} images/s": len(files) / statistics.median(values) for name, values in times.items()}
    return {"network": bundle.model, "images": len(files), "ratio": ratio} | rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help=f"of: {', '.join(NETWORKS)}; all, if none is named")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="one network, batches of 1 and 4, 3 repeats: to try it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--photos", type=Path)
    asked = parser.parse_args()
    networks = asked.networks or (["mobilenet_v2_100"] if asked.quick else list(NETWORKS))
    batches = [1, 4] if asked.quick else [int(n) for n in asked.batches.split(",")]
    repeats = 3 if asked.quick else asked.repeats
    torch.set_num_threads(asked.threads)
    heap.keep()
    top, rows = peak(asked.threads), []
    print(f"{asked.threads} threads, load {os.getloadavg()[0]:.2f}, peak {top / 1e9:.0f} GFLOP/s, float32")
    print(
        f"{'network':22} {'n':>3} {'eager':>8} {'kept':>8} {'ch.last':>8} {'ours':>8} {'ORT':>8} "
        f"{'OpenVINO':>8} {'/eager':>6} "
        f"{'/kept':>6} {'/ch.l.':>6} {'by hand':>7} {'peak':>6} {'int8':>8} {'/eager':>5}   times in ms"
    )
    with TemporaryDirectory() as folder:
        work = Path(folder)
        for name in networks:
            for batch in batches:
                rows.append(row(name, batch, asked.threads, repeats, top, work))
                show(rows[-1])
                gc.collect()
        found: dict[str, Any] = {"threads": asked.threads, "peak": top, "rows": rows, "summary": summary(rows)}
        found["peak at the end"] = peak(asked.threads)
        if asked.bundle and asked.data:
            found["accuracy of 8 bits"] = accuracy(asked.bundle, asked.data, work)
        if asked.photos:
            found["with decoding"] = decoding(asked.photos, asked.bundle, work, max(2, repeats // 3))
    for name, value in found["summary"].items():
        print(f"{name}: {value:.3f}")
    print(f"accuracy of 8 bits: {found.get('accuracy of 8 bits', 'not measured: give --bundle and --data')}")
    print(f"with decoding: {found.get('with decoding', 'not measured: give --photos')}")
    print(f"peak at the end {found['peak at the end'] / 1e9:.0f} GFLOP/s, load {os.getloadavg()[0]:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
