"""A made-up comparison on digits, with the shapes and about the figures of a real one: no network was trained."""

import base64
import io
import json
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

# model, family, year, top1, params, MACs, ms, MB, seconds, rate
NETWORKS = [
    ("lenet1989", "LeNet-1989", 1989, 0.975, 9_760, 63_660, 0.21, 96.0, 9.1, 0.003),
    ("lenet5", "LeNet-5", 1998, 0.968, 60_840, 416_520, 0.34, 97.0, 13.0, 0.003),
    ("ciresan_mlp2", "Ciresan MLP", 2010, 0.982, 2_145_510, 2_142_500, 0.52, 128.0, 18.5, 0.001),
    ("alexnet_32", "AlexNet", 2012, 0.988, 2_472_266, 15_112_064, 1.31, 139.0, 42.0, 0.001),
    ("nin_cifar", "NiN", 2013, 0.987, 966_986, 55_700_000, 2.95, 124.0, 61.2, 0.003),
    ("vgg11_32", "VGG", 2014, 0.991, 9_231_114, 40_600_000, 2.6, 228.0, 77.3, 0.001),
    ("resnet20_cifar", "ResNet", 2015, 0.992, 269_722, 10_137_760, 1.22, 110.0, 41.0, 0.003),
    ("mobilenet_v2_050_32", "MobileNetV2", 2018, 0.985, 700_000, 4_800_000, 3.41, 121.0, 66.4, 0.01),
    ("vit_tiny_32", "ViT", 2020, 0.952, 5_364_000, 87_000_000, 4.02, 172.0, 88.0, 0.001),
    ("convnext_tiny_32", "ConvNeXt", 2022, 0.989, 3_370_000, 52_300_000, 5.13, 146.0, 95.1, 0.01),
]
PAPERS = {
    "lenet1989": ("Backpropagation Applied to Handwritten Zip Code Recognition", "LeCun, Boser, Denker and others"),
    "resnet20_cifar": ("Deep Residual Learning for Image Recognition", "He, Zhang, Ren, Sun"),
    "convnext_tiny_32": ("A ConvNet for the 2020s", "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie"),
}


def picture(text: str, side: int = 16, seed: int = 0) -> str:
    """A data URI of a PNG: `text` in white on black, shifted and blurred by `seed`."""
    draw = random.Random(seed)
    image = Image.new("L", (side, side), 0)
    font = ImageFont.load_default(size=side * 0.95)
    at = (side * 0.22 + draw.uniform(-1, 1), -side * 0.12 + draw.uniform(-1, 1))
    ImageDraw.Draw(image).text(at, text[:2], fill=draw.randint(170, 255), font=font)
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _row(network: tuple[Any, ...], seeds: list[int], draw: random.Random) -> dict[str, Any]:
    model, family, year, top1, params, macs, latency, memory, seconds, rate = network
    by_seed = [round(top1 + draw.uniform(-0.003, 0.003), 4) for _ in seeds]
    mean = sum(by_seed) / len(by_seed)
    wide = 1.96 * (mean * (1 - mean) / 360) ** 0.5
    return {
        "entry": model, "model": model, "start": "scratch", "recipe": None, "weights": None,
        "family": family, "year": year, "status": "ok", "seeds": seeds,
        "top1_mean": mean, "top1_ci": [mean - 1.1 * wide, min(mean + 0.8 * wide, 1.0)],
        "ci_over": "images and seeds" if len(seeds) > 1 else "images", "top1_by_seed": by_seed,
        "balanced_mean": mean - 0.001, "macro_f1_mean": mean - 0.0007, "val_mean": mean + 0.001,
        "params": params, "macs": macs, "input_size": 32 if model.endswith("32") else 16,
        "learning_rate": rate, "probe_strength": None, "latency_ms_p50": latency, "latency_ms_p95": latency * 1.3,
        "peak_memory_mb": memory, "train_seconds": seconds,
    }  # fmt: skip


def _mark_fronts(rows: list[dict[str, Any]]) -> None:
    for mark, cost in (("pareto", "macs"), ("pareto_latency", "latency_ms_p50")):
        for row in rows:
            row[mark] = not any(other[cost] <= row[cost] and other["top1_mean"] > row["top1_mean"] for other in rows)


def _curve(top: float, epochs: int, draw: random.Random) -> dict[str, list[float]]:
    slow = draw.uniform(0.35, 0.75)
    gone = [slow ** (epoch * 20 / epochs * 0.6) for epoch in range(1, epochs + 1)]
    top1 = [max(0.1, top - 0.9 * g + draw.uniform(-0.008, 0.004)) for g in gone]
    return {
        "epoch": list(range(1, epochs + 1)),
        "train_loss": [2.2 * g + 0.5 for g in gone],
        "val_loss": [2.2 * g + 0.52 for g in gone],
        "val_top1": [min(v, 1.0) for v in top1],
    }


def _confusion(classes: list[str], per_class: int, draw: random.Random) -> list[list[int]]:
    n = len(classes)
    matrix = [[0] * n for _ in range(n)]
    for k in range(n):
        wrong = draw.choice([0, 0, 1, 2, 3])
        matrix[k][k] = per_class - wrong
        for _ in range(wrong):
            matrix[k][(k + draw.randint(1, n - 1)) % n] += 1
    return matrix


def _card(network: tuple[Any, ...]) -> dict[str, Any]:
    model, family, year, _, params, macs, *_ = network
    title, authors = PAPERS.get(model, (f"The paper of {family}", "Author, Author, Author"))
    return {
        "family": family, "title": title, "authors": authors, "year": year, "venue": "A journal",
        "url": "https://example.org/paper", "inputs": "any size from 16 px",
        "published": [
            {"place": "Table 6", "params": "0.27M", "macs": None, "top1_err": 8.75, "top5_err": None,
             "protocol": "CIFAR-10 test, one crop", "checked": True},
            {"place": "Section 4.2", "params": "270k", "macs": "40.6M", "top1_err": None, "top5_err": None,
             "protocol": None, "checked": False},
        ],
        "departures": ["the stem's stride and pooling are taken away: images are small"] if "32" in model else [],
        "note": "The paper counts no biases.", "params": params, "macs": macs,
    }  # fmt: skip


def _data(classes: list[str]) -> dict[str, Any]:
    n = len(classes)
    return {
        "name": "digits", "path": None, "fingerprint": "9f2c" * 16, "classes": classes,
        "n_train": 1077, "n_val": 360, "n_test": 360,
        "class_counts": {"train": [1077 // n] * n, "val": [360 // n] * n, "test": [360 // n] * n},
        "channels": 1, "native_sizes": [[8, 8, 1797]], "split": "60/20/20, stratified, seed 0", "groups": None,
        "duplicates": [], "notes": ["images are 8 px and were enlarged to 16 px"],
    }  # fmt: skip


def records(
    classes: list[str] | None = None, n_seeds: int = 2, epochs: int = 20, networks: int = 10
) -> tuple[dict[str, Any], dict[str, Any]]:
    """results.json and page.json of a comparison of the first `networks` networks, the pick being ResNet-20."""
    draw = random.Random(0)
    classes = classes or [str(k) for k in range(10)]
    seeds = list(range(n_seeds))
    pool = sorted(NETWORKS, key=lambda n: n[0] != "resnet20_cifar")[:networks]
    pool.sort(key=lambda n: n[2])
    rows = [_row(network, seeds, draw) for network in pool]
    _mark_fronts(rows)
    tallies = {"resnet20_cifar": 803, "ciresan_mlp2": 121, "alexnet_32": 52, "lenet1989": 24}
    results = {
        "schema": 1, "opsin": "0.1.0", "data": _data(classes),
        "machine": {"cpu": "AMD EPYC 9B14", "cores": 2, "memory_gb": 24.0, "device": "cpu", "gpu": None,
                    "os": "Linux 6.1", "python": "3.11.7", "torch": "2.15.0", "workers": 2,
                    "threads_per_worker": 1, "latency_threads": 1, "load_at_latency": 0.1, "busy": False},
        "command": "opsin compare digits", "started": "2026-11-21T10:00:00Z", "seconds": 260.1,
        "recipe": {"name": "modern", "epochs": epochs, "batch_size": 64, "optimizer": "adamw",
                   "weight_decay": 0.05, "label_smoothing": 0.1, "warmup_epochs": 2, "shift": 1},
        "plan": {"models": [n[0] for n in pool], "left_out": [{"model": "vgg16", "why": "dearest: would take 40 min"}],
                 "input_size": 16, "seeds": seeds, "epochs": epochs, "metric": "top1", "margin": 0.01,
                 "minutes": None, "tune": True, "notes": [], "recipes": []},
        "rows": rows,
        "baselines": [
            {"name": "majority class", "top1": 0.103, "top1_ci": [0.072, 0.136], "balanced": 0.1,
             "macro_f1": 0.019, "seconds": 0.0, "status": "ok"},
            {"name": "logistic regression on pixels", "top1": 0.958, "top1_ci": [0.936, 0.978], "balanced": 0.958,
             "macro_f1": 0.957, "seconds": 0.3, "status": "ok"},
            {"name": "RBF-SVM on pixels", "top1": 0.986, "top1_ci": [0.972, 0.997], "balanced": 0.986,
             "macro_f1": 0.986, "seconds": 0.5, "status": "ok"},
        ],
        "pick": {"entry": "resnet20_cifar", "model": "resnet20_cifar", "start": "scratch",
                 "why": "It is the cheapest network that is at most 1 point behind the best on validation: its mean "
                        "deficit is 0.0 points, and resampling images and seeds keeps it under 0.8 points with 95 % "
                        "confidence.",
                 "deficit": 0.0, "deficit_ci": [None, 0.008],
                 "picked_in_resamples": {k: v for k, v in tallies.items() if k in [n[0] for n in pool]},
                 "smallest_visible_deficit": 0.012, "candidates": ["resnet20_cifar", "vgg11_32"]},
    }  # fmt: skip
    mistakes = [
        {"id": f"{classes[k % len(classes)]}/{k:04d}.png", "truth": classes[k % len(classes)],
         "predicted": classes[(k + 3) % len(classes)], "confidence": 0.98 - 0.03 * k, "wrong_in": 1 + k % n_seeds,
         "of": n_seeds, "image": picture(classes[k % len(classes)], seed=100 + k)}
        for k in range(12)
    ]  # fmt: skip
    page = {
        "curves": {n[0]: {str(s): _curve(n[3], epochs, draw) for s in seeds} for n in pool},
        "tuning": {n[0]: {"rates": [0.001, 0.003, 0.01], "val_score": [0.91, 0.94, 0.93],
                          "val_loss": [0.71, 0.62, 0.66], "chosen": n[9]} for n in pool},
        "confusion": {"entry": "resnet20_cifar", "model": "resnet20_cifar", "seeds": n_seeds, "classes": classes,
                      "matrix": _confusion(classes, n_seeds * 360 // len(classes), draw)},
        "mistakes": mistakes,
        "samples": [{"label": c, "image": picture(c, seed=k)} for k, c in enumerate((classes * 2)[:20])],
        "cards": {n[0]: _card(n) for n in pool},
        "files": {"bundle": "runs/resnet20_cifar/seed-0/bundle"},
    }  # fmt: skip
    results |= {"recipes": {"scratch": results["recipe"]}, "fitted": {}, "gains": []}
    return results, page


WEIGHTS = {
    "name": "timm:a1_in1k", "licence": "apache-2.0", "sha256": "ab12" * 16,
    "file": "https://example.org/resnet20/model.safetensors",
}  # fmt: skip


def mixed(starts: tuple[str, ...] = ("scratch", "probe", "finetune")) -> tuple[dict[str, Any], dict[str, Any]]:
    """results.json and page.json of two networks, ResNet-20 and MobileNetV2, that start from all of `starts`.

    From scratch ResNet-20 gets 95 % in 41 s; probed 4 points less, fine-tuned 3 more, in a tenth and half of the time,
    and MobileNetV2 a point less than ResNet-20 throughout. The pick is ResNet-20 from the last start.
    """
    results, page = records(n_seeds=2)
    by_model = {row["model"]: row for row in results["rows"]}
    rows = []
    for model, behind in (("resnet20_cifar", 0.0), ("mobilenet_v2_050_32", 0.01)):
        for start in starts:
            entry = model if start == "scratch" else f"{model}-{start}"
            mean = 0.95 - behind + {"scratch": 0.0, "probe": -0.04, "finetune": 0.03}[start]
            row = by_model[model] | {"entry": entry, "start": start, "weights": None, "top1_mean": mean,
                                     "top1_ci": [mean - 0.01, mean + 0.01], "input_size": 32}  # fmt: skip
            row["train_seconds"] /= {"scratch": 1, "probe": 10, "finetune": 2}[start]
            if start != "scratch":
                row["weights"] = dict(WEIGHTS)
            if start == "probe":
                row |= {"learning_rate": None, "probe_strength": 0.01, "peak_memory_mb": None, "seeds": [0]}
                row |= {"probe_chosen_on": "5 folds", "ci_over": "images"}
                page["curves"][entry] = {}
            else:
                page["curves"][entry] = page["curves"][model]
                page["tuning"][entry] = page["tuning"][model]
            rows.append(row)
    _mark_fronts(rows)
    results["rows"] = rows
    recipe = results["recipe"]
    recipes = {"scratch": recipe,
               "finetune": recipe | {"name": "finetune", "epochs": 10, "head_epochs": 1, "stem_rate": 0.1}}  # fmt: skip
    results["recipes"] = {start: recipes[start] for start in starts if start in recipes}
    names = [row["entry"] for row in rows]
    models = list(dict.fromkeys(row["model"] for row in rows))
    results["plan"] |= {"models": models, "entries": names, "starts": list(starts), "folds": None}
    pick = names[len(starts) - 1]
    named = {"entry": pick, "model": "resnet20_cifar", "start": starts[-1]}
    results["pick"] |= named | {"candidates": [pick], "picked_in_resamples": {pick: 900, names[0]: 100}}
    results["pick"]["why"] = f"{pick} is the best; the next is {names[0]}."
    page["confusion"] |= {"entry": pick}
    page["files"]["bundle"] = f"runs/{pick}/seed-0/bundle"
    return results, page


def write(folder: Path, results: dict[str, Any], page: dict[str, Any]) -> Path:
    """Writes both files into `folder`, which it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "page.json").write_text(json.dumps(page))
    return folder
