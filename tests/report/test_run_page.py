"""The page of a training: its states, its curves against the figures, hostile names, and that it never disturbs."""

import json
import re
import time
from itertools import pairwise

import pytest
from run_sample import epochs, made, unseen

from opsin.report.run import curves, live, stories
from opsin.report.run.live import Live
from opsin.report.run.page import charts, write_run
from opsin.report.run.record import read_run
from opsin.report.scales import Scale, linear_ticks
from opsin.tasks.metrics import wilson
from opsin.training.run import State


def page(folder, state: State = "ended"):
    return write_run(folder, state).read_text(encoding="utf-8")


def test_a_run_that_ended_well(tmp_path):
    text = page(made(tmp_path, epochs(8), settings=["batch_size=64"]))
    low, high = (f"{100 * end:.1f}" for end in wilson(90, 100))
    assert "<h1>ResNet-\u206020 recognises 90.0\u00a0% of 100\u00a0test images</h1>" in text
    assert f"90.0\u00a0% ({low}–{high})" in text
    assert "600 to train, 200 to validate, 100 to test, in 4\u00a0classes; 60/20/20" in text
    assert "Deep Residual Learning for Image Recognition" in text and "He, Zhang, Ren, Sun" in text
    assert "<li>Epochs 30 -&gt; 8, the schedule with them.</li><li>Set by hand: batch_size=64.</li>" in text
    assert f'<code id="predict">opsin predict {tmp_path} IMAGE</code>' in text
    assert f'<code id="evaluate">opsin evaluate {tmp_path} photos --page evaluation.html</code>' in text
    assert "opsin train photos --model resnet20_cifar</code>" in text
    assert "--resume" not in text and "refresh" not in text
    assert text.count("<svg") == 4 and len(text) < 60_000


def test_the_table_has_every_figure(tmp_path):
    table = page(made(tmp_path, epochs(8))).partition('<table class="epochs">')[2].partition("</table>")[0]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == [str(k) for k in range(1, 9)]
    assert rows[2][1:] == ["1.215", "0.824", "70.8\u00a0%", "0.003", "2\u00a0s"]


@pytest.mark.parametrize(
    ("state", "says"),
    [("training", "ResNet-\u206020 is training: 3 of 8\u00a0epochs done"), ("stopped", "stopped after 3 of 8")],
)
def test_a_run_that_can_go_on(tmp_path, state, says):
    """Whatever run.json lies there is of another time."""
    text = page(made(tmp_path, epochs(3)), state)
    assert says in text and f"opsin train --resume {tmp_path}</code>" in text
    assert "Test top-1" not in text and "opsin predict" not in text
    assert ('http-equiv="refresh"' in text) is (state == "training")
    assert ("Left, about" in text and "<dd>10\u00a0s</dd>" in text) is (state == "training")


def test_a_run_that_failed_says_why(tmp_path):
    text = page(made(tmp_path, epochs(2), status="failed: the loss became nan in step 5, epoch 3"))
    assert "The training of ResNet-\u206020 failed" in text and "The loss became nan in step 5, epoch 3." in text
    assert "opsin predict" not in text and "Test top-1" not in text


@pytest.mark.parametrize("history", [[], epochs(1), unseen(3), unseen(1)])
@pytest.mark.parametrize("state", ["training", "stopped", "ended"])
def test_any_run_has_a_page(tmp_path, history, state):
    text = page(made(tmp_path, history, epochs=max(1, len(history))), state)
    drawn = 0 if not history else 4 if "val_loss" in history[0] else 3
    told = text.partition("<body>")[2].partition('id="use"')[0]
    assert told.count("<svg") == drawn and ("alidation" in told) is (drawn == 4)


def test_a_plan_of_before_pages_had_no_images(tmp_path):
    plan = json.loads((made(tmp_path, epochs(2)) / "plan.json").read_text())
    del plan["data"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert "<h3>The images: <span" in page(tmp_path) and "4\u00a0classes" not in page(tmp_path)


def test_images_in_groups_have_no_interval(tmp_path):
    text = page(made(tmp_path, epochs(2), groups="patient"))
    assert "<dt>Test top-1</dt><dd>90.0\u00a0%</dd>" in text and "Images come in groups" in text


def test_hostile_names_stay_text(tmp_path):
    attack = "</code><script>alert(1)</script><img src=x onerror=alert(1)>"
    folder = made(
        tmp_path, epochs(2), data=attack, recipe=f"{attack}.toml", settings=[attack], command=attack, root=attack
    )
    plan = (folder / "plan.json").read_text().replace('"name": "photos"', f'"name": "{attack}"')
    plan = plan.replace('"name": "modern"', f'"name": "{attack}"').replace("epochs 30 -> 8", attack)
    (folder / "plan.json").write_text(plan)
    text = page(folder)
    assert "<script>alert" not in text and "<img src=x" not in text
    assert text.count("<script>") == 1


def drawn(chart, name):
    """The points of a line, piece by piece."""
    path = next(line["path"] for line in chart["lines"] if line["name"] == name)
    pieces = [re.findall(r"L([\d.]+) ([\d.]+)", piece) for piece in path.split("M")[1:]]
    return [[(float(x), float(y)) for x, y in piece] for piece in pieces]


def test_lines_are_where_the_figures_are(tmp_path):
    loss, top1, rate, _ = charts(read_run(made(tmp_path, epochs(8)), "ended"))
    for chart, name, metric in ((loss, "training", "train_loss"), (top1, "validation", "val_top1")):
        (points,) = drawn(chart, name)
        ticks = {float(tick["text"].rstrip("\u00a0%")): tick["px"] for tick in chart["y"]}
        (a, at_a), *_, (b, at_b) = ticks.items()
        for (_, y), epoch in zip(points, epochs(8), strict=True):
            value = epoch[metric] * (100 if metric == "val_top1" else 1)
            assert y == pytest.approx(at_a + (value - a) / (b - a) * (at_b - at_a), abs=0.3)
        steps = {round(b[0] - a[0], 1) for a, b in pairwise(points)}
        assert max(steps) - min(steps) < 0.2 and points[-1][0] == curves.WIDTH - curves.RIGHT
    assert len({y for _, y in drawn(rate, "rate")[0]}) == 1


def test_what_is_no_number_is_never_drawn(tmp_path):
    history = epochs(7)
    history[0]["train_loss"], history[3]["val_top1"] = float("inf"), float("nan")
    history[4]["val_loss"] = None
    text = page(made(tmp_path, history))
    loss, top1, *_ = charts(read_run(tmp_path, "ended"))
    assert [len(piece) for piece in drawn(top1, "validation")] == [3, 3]
    assert [len(piece) for piece in drawn(loss, "training")] == [6]
    assert [len(piece) for piece in drawn(loss, "validation")] == [4, 2]
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)


def test_800_epochs_are_a_line_without_dots(tmp_path):
    text = page(made(tmp_path, epochs(800), epochs=800))
    assert text.count("<circle") == 5 and "epoch 800</text>" in text and len(text) < 250_000


def test_a_loss_that_falls_far_has_a_logarithmic_axis():
    far, near = ([1000.0, 10.0, 0.1], [2.0, 1.0, 0.5])
    (a, b, c) = drawn(curves.losses({"training": far}, 3, 190), "training")[0]
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=0.2)
    assert curves.losses({"training": far}, 3, 190)["log"] and not curves.losses({"training": near}, 3, 190)["log"]
    assert not curves.losses({"training": [0.0, 5.0]}, 2, 190)["log"]
    assert curves.losses({"training": [0.0]}, 1, 190)["lines"][0]["path"]


@pytest.mark.parametrize(("high", "ticks"), [(1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.0031, [0, 0.001, 0.002, 0.003])])
def test_linear_ticks_are_round(high, ticks):
    assert linear_ticks(Scale(0, high, 100), 6) == pytest.approx(ticks)
    assert 2 <= len(linear_ticks(Scale(0, high * 7.3e4, 100), 5)) <= 5


def test_titles_follow_the_curves(tmp_path):
    run = read_run(made(tmp_path, [*epochs(5), *epochs(2, val_loss=0.9, val_top1=0.5)]), "ended")
    assert stories.losses_title(run) == "The validation loss was lowest in epoch 5, 0.762; it is 0.9 in epoch 7"
    assert stories.accuracy_title(run) == "Validation accuracy is 50.0\u00a0%, within a point of it since epoch 6"


def test_a_page_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path):
    said = []
    follow = Live(said.append)
    for state in ("training", "stopped", "ended"):
        follow(tmp_path / "nowhere", state)
    assert follow.page is None and len(said) == 1 and "could not be written" in said[0]


def test_short_epochs_do_not_wait_for_the_page(tmp_path, monkeypatch):
    written = []
    clock = iter([0.0, 0.5, 1.0, 51.0, 51.5, 60.0, 61.0])
    monkeypatch.setattr(live, "write_run", lambda folder, state: written.append(state))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    follow = Live(print)
    for state in ("training", "training", "training", "ended"):
        follow(tmp_path, state)
    assert written == ["training", "training", "ended"]
