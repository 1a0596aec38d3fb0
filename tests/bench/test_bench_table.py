"""The CSV joins with timm's benchmark results."""

import csv
import io

import pytest
import timm

from opsin.bench.cell import Cell, Row
from opsin.bench.table import TIMM, timm_name, to_csv

THEIRS = """\
model,infer_samples_per_sec,infer_step_time,infer_batch_size,infer_img_size,infer_gmacs,infer_macts,\
param_count
resnet50,2000.0,128.0,256,224,4.11,11.11,25.56
inception_v3,1800.0,142.2,256,299,5.73,8.97,23.83
"""


def row(model, batch, p50, train=False, why=""):
    cell = Cell(model, batch, 224, train=train)
    return Row(cell, "unstable" if why else "ok", 25_557_032, 3_857_973_248, 11_113_984, why=why, p50=p50, p95=p50)


def test_a_join_by_timms_name():
    rows = [
        row("resnet50_v1_5", 16, 800.0),
        row("resnet50_v1_5", 16, 3000.0, train=True),
        row("lenet5", 1, 1.0, why="hog"),
    ]
    ours = list(csv.DictReader(io.StringIO(to_csv(rows))))
    theirs = {line["model"]: line for line in csv.DictReader(io.StringIO(THEIRS))}
    joined = [(line, theirs[line["model"]]) for line in ours if line["model"] in theirs]
    assert len(ours) == 2
    assert [line["model"] for line, _ in joined] == ["resnet50"]
    line, other = joined[0]
    assert set(other) <= set(TIMM) <= set(line)
    assert float(line["infer_samples_per_sec"]) == pytest.approx(16 / 0.8)
    assert (float(line["infer_step_time"]), line["infer_batch_size"]) == (800.0, "16")
    assert float(line["param_count"]) == pytest.approx(float(other["param_count"]), abs=0.01)
    assert float(line["infer_macts"]) == pytest.approx(float(other["infer_macts"]), abs=0.01)
    assert float(line["train_step_time"]) == 3000.0
    assert float(line["train_samples_per_sec"]) == pytest.approx(5.33)
    assert ours[1]["unstable"] == "hog"
    assert ours[1]["train_step_time"] == ""


@pytest.mark.parametrize(
    "model", ["resnet50_v1_5", "vgg16", "densenet121", "convnext_tiny", "inception_v4", "xception"]
)
def test_names_are_timms(model):
    assert timm.is_model(timm_name(model))
