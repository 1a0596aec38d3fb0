"""What `opsin compare` draws while it runs and prints at its end: it fits, whatever the networks are called."""

import io

import pytest
from rich.console import Console

from opsin.cli.compare import named_weights, print_summary
from opsin.cli.progress import Terminal
from opsin.compare.comparison import Comparison
from opsin.errors import OpsinError

NAME = "swin_small_patch4_window7_224"


def row(start, top1, status="ok"):
    return {
        "entry": f"{NAME}-{start}",
        "model": NAME,
        "year": 2021,
        "start": start,
        "top1_mean": top1,
        "top1_ci": (0.978, 1.0),
        "params": 49_600_000,
        "macs": 11_300_000_000,
        "latency_ms_p50": 12345.67,
        "status": status,
    }


@pytest.mark.parametrize("starts", [("scratch",), ("scratch", "probe", "finetune")])
def test_it_fits_into_80_columns(tmp_path, starts):
    failed = row("scratch", None, "failed: RuntimeError: one of many words that say why")
    results = {
        "plan": {"starts": list(starts)},
        "rows": [*(row(start, 1.0) for start in starts), failed],
        "baselines": [{"name": "logistic regression on pixels", "top1": 1.0}],
        "pick": None,
    }
    out = io.StringIO()
    print_summary(Console(file=out, width=80, highlight=False), Comparison(tmp_path, results), tmp_path / "report.html")
    lines = out.getvalue().splitlines()[: len(starts) + 3]
    assert max(map(len, map(str.rstrip, lines))) <= 80
    assert lines[0].split()[-5:] == ["95", "%", "params", "MACs", "ms/image"]
    for line in lines[1:-2]:
        assert line.split()[-7:] == ["100.0%", "97.8-100.0", "49.6", "M", "11.3", "G", "12345.67"]
    assert lines[-2].split()[-2:] == ["-", "failed"]
    assert lines[-1].split() == ["logistic", "regression", "100.0%"]


def part(top1):
    return {"top1": top1, "ci": [top1 - 0.1, top1 + 0.1], "ci_over": "images and seeds"}


@pytest.mark.parametrize("best", [NAME, "lenet1989"])
def test_what_was_gained_fits_into_80_columns(tmp_path, best):
    order = {"training": part(-0.2), "architecture": part(-0.3)}
    gain = {
        "old": "era",
        "new": "a-recipe-with-a-long-name",
        "oldest": "lenet1989",
        "best": best,
        "networks": [{}, {}],
        "training_mean": part(0.1),
        "whole": part(-0.5),
        "mean": order,
        "orders": {"training first": order, "architecture first": order},
    }
    rows = [row("scratch", 1.0) | {"recipe": name} for name in ("era", "a-recipe-with-a-long-name")]
    fitted = {"a": {"asked": "era", "tuned": False}, "b": {"asked": "modern", "tuned": True}}
    plan = {"starts": ["scratch"], "recipes": ["era", "a-recipe-with-a-long-name"]}
    results = {"plan": plan, "rows": rows, "baselines": [], "pick": None, "gains": [gain], "fitted": fitted}
    out = io.StringIO()
    print_summary(Console(file=out, width=80, highlight=False), Comparison(tmp_path, results), tmp_path / "report.html")
    text, lines = out.getvalue(), out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines if not line.startswith("Page:")) <= 80
    assert lines[1].split()[-7:] == ["100.0%", "97.8-100.0", "49.6", "M", "11.3", "G", "12345.67"]
    assert "mean of 2 networks" in text
    assert "+10.0 (+0.0 to +20.0)" in text
    assert ("-20.0 (-30.0 to -10.0)" in text) is (best == NAME)
    assert "tuned under modern, not under era" in " ".join(text.split())


def test_weights_of_one_network_are_named_once():
    assert named_weights("resnet18=timm:a1_in1k, vgg16=a=b.pth") == {"resnet18": "timm:a1_in1k", "vgg16": "a=b.pth"}
    with pytest.raises(OpsinError, match="resnet18 more than once"):
        named_weights("resnet18=timm,resnet18=torchvision")


def test_bars_fit_into_80_columns():
    terminal = Terminal(Console(file=io.StringIO(), width=80, force_terminal=True))
    terminal.stage(f"weights of {NAME}", 100)
    for run in (f"{NAME}-finetune lr-0.0003", "resnet18 seed-0"):
        terminal.started(run, 100)
        terminal.epoch(run, {"epoch": 10, "val_top1": 0.333, "train_loss": 1.0})
    out = io.StringIO()
    Console(file=out, width=80).print(terminal.progress.get_renderable())
    whole, cut, short = out.getvalue().splitlines()
    assert whole.startswith("weights of s") and "left --:--" in whole
    assert cut.startswith("  swin_small_") and "… lr-0.0003" not in cut and "lr-0.0003" in cut
    assert short.startswith("  resnet18 seed-0 ")
    assert all(line.rstrip().endswith("10 % 0:00:00 left --:-- epoch 10  33.3%") for line in (cut, short))
