"""`opsin show`: the sheet under the card, every layer of it, as JSON, as a page, at other sizes."""

import functools
import json

import pytest
from torch import nn

import opsin as package
from opsin import cost
from opsin.cli.sheet import totals
from opsin.costs import blocks

QUICK = (
    "lenet5",
    "ciresan_mlp1",
    "alexnet",
    "googlenet",
    "resnet50",
    "inception_resnet_32",
    "vit_32",
    "swin_32",
    "enet_encoder_32",
)


def lines_of(out: str) -> list[str]:
    return [line for line in out.splitlines() if not line.startswith("http")]


@pytest.mark.parametrize("name", QUICK)
def test_the_sheet_fits_80_columns(opsin, name, monkeypatch):
    monkeypatch.setattr(blocks, "sheet_of", functools.cache(blocks.sheet_of))
    for more in ((), ("--layers",)):
        code, out, _ = opsin("show", name, *more)
        assert code == 0
        assert max(map(len, lines_of(out))) <= 80
        for heading in ("params", "MACs", "share", "sees", "stride", "bytes"):
            assert heading in out


def test_rows_are_blocks_and_layers_are_asked_for(opsin):
    told = opsin("show", "resnet50")[1].split("What it costs")[1]
    rows = {line.split()[0]: line.split() for line in told.splitlines() if line[:1].isalpha()}
    assert rows["stages.3.2"] == [
        "stages.3.2",
        "Bottleneck",
        "2048x7x7",
        "4.46M",
        "218M",
        "5.7%",
        "483",
        "32",
        *rows["stages.3.2"][8:],
    ]
    assert rows["fc"][:6] == ["fc", "Linear", "1000", "2.05M", "2.05M", "0.1%"]
    assert rows["total"][:3] == ["total", "25.6M", "3.86G"]
    assert "stages.0.0.conv2" not in told
    layers = opsin("show", "resnet50", "--layers")[1]
    assert "stages.0.0.conv2" in layers
    assert "97.5 MiB in fp32" in told or "97.7 MiB in fp32" in told


def test_json_has_the_sheet_beside_the_card(opsin):
    code, out, _ = opsin("show", "googlenet", "--json")
    assert code == 0
    card = json.loads(out)
    sheet, known = card["sheet"], package.cost("googlenet")
    assert (card["params"], card["macs"]) == (sheet["params"], sheet["macs"]) == (known.params, known.macs)
    assert len(sheet["layers"]) == len(known.layers) == sum(block["layers"] for block in sheet["blocks"])
    for key in ("macs", "params", "activations", "data_bytes", "weight_bytes"):
        assert sum(row[key] for row in sheet["layers"]) == sum(block[key] for block in sheet["blocks"])
    row = next(row for row in sheet["layers"] if row["name"] == "inception3.0.branch5x5.1.0")
    assert row["output_shape"] == [32, 28, 28]
    assert row["macs"] == 32 * 28 * 28 * 16 * 5 * 5
    assert row["stride"] == 8
    assert sheet["weight_bytes"]["int8"] * 4 == sheet["weight_bytes"]["fp32"]
    assert {"memory", "training_memory", "intensity", "bytes", "elementwise", "unknown"} <= sheet.keys()


def test_another_size_and_batch(opsin):
    paper = json.loads(opsin("show", "resnet18", "--json")[1])
    large = json.loads(opsin("show", "resnet18", "--json", "--input-size", "448", "--batch", "4")[1])
    assert large["sheet"]["input_shape"] == [3, 448, 448]
    assert large["macs"] - 512_000 == 4 * (paper["macs"] - 512_000)  # all but the linear layer
    assert large["params"] == paper["params"]
    assert large["sheet"]["batch"] == 4
    assert "3 x 112 x 112" in opsin("show", "resnet18", "--input-size", "112")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resnet5O",), "did you mean"),
        (("resnet50", "--input-size", "5"), "it takes any size from 32 px"),
        (("vit_base_patch16_224", "--input-size", "100"), "multiples of 16"),
        (("resnet50", "--html", "no/such/folder/page.html"), "cannot write"),
        (("resnet50", "--html", "photo.jpg"), "ends with .html"),
    ],
)
def test_mistakes_are_one_line(opsin, arguments, says):
    code, out, err = opsin("show", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert says in err


def test_a_page_is_one_file_and_is_written_over(opsin, tmp_path):
    target = tmp_path / "net.html"
    for _ in range(2):
        code, out, _ = opsin("show", "lenet5", "--html", target)
        assert (code, out.strip()) == (0, str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["net.html"]
    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "LeNet-5" in text
    target.write_text("before")
    assert opsin("show", "lenet5", "--html", target, "--input-size", "8")[0] == 1
    assert target.read_text() == "before"


def test_why_the_memory_of_training_is_not_known():
    """One value a channel is no batch for batch normalisation."""
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12))
    assert "training" not in dict(totals(cost(net, 2, batch=2)))
    assert dict(totals(cost(net, 2)))["training"].startswith("memory not known: ")
