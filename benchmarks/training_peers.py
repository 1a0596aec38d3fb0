"""What training_speed.py holds `opsin train` against, each a process of its own.

python benchmarks/training_peers.py timm TRAIN.PY ARGUMENTS     timm's train.py, to which our networks are known
python benchmarks/training_peers.py torchvision ARGUMENTS       a plain loop over torchvision's data and transforms
"""

import argparse
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from opsin import zoo
from opsin.models.network import Network

NETWORKS = ("lenet5", "resnet20_cifar", "resnet18", "resnet50", "convnext_tiny")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL = 32


def network(name: str, num_classes: int) -> Network:
    return zoo.build_model(name, num_classes=num_classes, in_chans=3)


def run_timm(script: str, arguments: list[str]) -> None:
    """timm's own script, with our networks in timm's registry as opsin_<name>."""
    from timm.models import register_model

    for name in NETWORKS:

        def create(pretrained: bool = False, num_classes: int = 10, of: str = name, **options: Any) -> nn.Module:
            net: Any = network(of, num_classes)
            net.num_classes = num_classes
            return net

        create.__name__ = f"opsin_{name}"
        register_model(create)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


def loaders(given: argparse.Namespace) -> tuple[DataLoader, DataLoader]:
    """Training and validation, in the manner of torchvision's own references: images one by one, in processes."""
    end = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    if given.size == SMALL:
        changes = [transforms.RandomCrop(SMALL, padding=4), transforms.RandomHorizontalFlip()]
        parts = [
            datasets.CIFAR10(given.data, train=True, transform=transforms.Compose(changes + end)),
            datasets.CIFAR10(given.data, train=False, transform=transforms.Compose(end)),
        ]
    else:
        changes = [transforms.RandomResizedCrop(given.size), transforms.RandomHorizontalFlip()]
        plain = [transforms.Resize(given.size), transforms.CenterCrop(given.size)]
        parts = [
            datasets.ImageFolder(Path(given.data) / "train", transforms.Compose(changes + end)),
            datasets.ImageFolder(Path(given.data) / "validation", transforms.Compose(plain + end)),
        ]
    options: dict[str, Any] = {"num_workers": given.workers, "persistent_workers": given.workers > 0}
    options["pin_memory"] = given.device == "cuda"
    train = DataLoader(parts[0], given.batch_size, shuffle=True, **options)
    return train, DataLoader(parts[1], given.batch_size, **options)


def run_torchvision(arguments: list[str]) -> None:
    """Prints a line, "train", after the first step, and one, "validated", after each epoch."""
    parser = argparse.ArgumentParser()
    for name, kind in {"model": str, "data": str, "device": str, "size": int, "classes": int}.items():
        parser.add_argument(f"--{name}", type=kind)
    for name, kind in {"epochs": int, "batch-size": int, "workers": int, "lr": float, "weight-decay": float}.items():
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--channels-last", action="store_true")
    given = parser.parse_args(arguments)
    layout = torch.channels_last if given.channels_last else torch.contiguous_format
    net: nn.Module = network(given.model, given.classes).to(given.device)
    net = net.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.SGD(net.parameters(), given.lr, 0.9, weight_decay=given.weight_decay)
    train, val = loaders(given)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.epochs)
    criterion = nn.CrossEntropyLoss()

    def placed(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = images.to(given.device, non_blocking=True).contiguous(memory_format=layout)
        return images, labels.to(given.device, non_blocking=True)

    def mixed() -> torch.autocast:
        return torch.autocast(given.device, torch.bfloat16, enabled=given.device == "cuda")

    started = False
    for _ in range(given.epochs):
        net.train()
        for batch in train:
            images, labels = placed(*batch)
            with mixed():
                loss = criterion(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # what the reference's metric logger asks at each step
            if not started:
                started = True
                print("train", flush=True)
        schedule.step()
        net.eval()
        right = 0
        with torch.inference_mode(), mixed():
            for batch in val:
                images, labels = placed(*batch)
                right += (net(images).argmax(1) == labels).sum().item()
        print(f"validated {right / len(val.dataset):.4f}", flush=True)  # pyright: ignore[reportArgumentType]


def main() -> None:
    began = time.monotonic()
    kind, *arguments = sys.argv[1:]
    if kind == "timm":
        run_timm(arguments[0], arguments[1:])
    else:
        run_torchvision(arguments)
    print(f"{kind}: {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
