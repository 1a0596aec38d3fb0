"""What is remembered comes back, and nothing else does."""

import json
import math
from dataclasses import replace

import pytest

from opsin.forecast.remembered import Remembered, cache_folder
from opsin.forecast.speed import Speed, SpeedProbe
from opsin.forecast.workload import Network, Workload
from opsin.recipes import MODERN

MACHINE = {"cpu": "one", "torch": "2"}
PROBE = SpeedProbe("lenet5", {"num_classes": 10, "in_chans": 1, "input_size": 28}, MODERN, 32, 28, "cpu")
SPEED = Speed(0.001, 0.0003, took=1.5)


def kept(folder):
    remembered = Remembered(MACHINE, folder)
    remembered.put(PROBE, SPEED)
    remembered.write()
    return remembered.path


def test_an_answer_comes_back_to_its_own_question(tmp_path):
    kept(tmp_path)
    again = Remembered(MACHINE, tmp_path)
    assert again.get(PROBE, Speed) == SPEED
    others = [
        replace(PROBE, model="lenet1989"),
        replace(PROBE, batch_size=64),
        replace(PROBE, size=32),
        replace(PROBE, most=4),
        replace(PROBE, arguments=PROBE.arguments | {"num_classes": 11}),
        replace(PROBE, recipe=replace(MODERN, optimizer="sgd")),
        Network("lenet5", PROBE.arguments, 32),
    ]
    assert [again.get(other, Speed) for other in others] == [None] * len(others)


def test_another_machine_knows_nothing(tmp_path):
    path = kept(tmp_path)
    other = Remembered(MACHINE | {"torch": "3"}, tmp_path)
    assert other.get(PROBE, Speed) is None
    other.path.write_bytes(path.read_bytes())  # a file that says it is another's
    assert Remembered(MACHINE | {"torch": "3"}, tmp_path).get(PROBE, Speed) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": 1, "machine": 3, "entries": []}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path, text):
    path = kept(tmp_path)
    path.write_text(text)
    remembered = Remembered(MACHINE, tmp_path)
    assert remembered.get(PROBE, Speed) is None
    remembered.put(PROBE, SPEED)
    remembered.write()
    assert Remembered(MACHINE, tmp_path).get(PROBE, Speed) == SPEED


@pytest.mark.parametrize(
    "values",
    [{"train": -1.0}, {"train": "fast"}, {"train": math.nan}, {"train": None}, {"speed": 1.0}, {"entries": 5}, None, 3],
)
def test_a_damaged_answer_is_as_good_as_none(tmp_path, values):
    path = kept(tmp_path)
    content = json.loads(path.read_text())
    for key, before in content["entries"].items():
        content["entries"][key] = before | values if isinstance(values, dict) else values
    path.write_text(json.dumps(content))
    assert Remembered(MACHINE, tmp_path).get(PROBE, Speed) is None


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path):
    (tmp_path / "file").write_text("")
    remembered = Remembered(MACHINE, tmp_path / "file")
    remembered.put(PROBE, SPEED)
    remembered.write()
    assert remembered.get(PROBE, Speed) == SPEED


def test_counts_are_whole_numbers(tmp_path):
    remembered, question = Remembered(MACHINE, tmp_path), Network("lenet5", PROBE.arguments, 32)
    counts = Workload(*range(1, 8))
    remembered.put(question, counts)
    remembered.write()
    assert Remembered(MACHINE, tmp_path).get(question, Workload) == counts


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "opsin"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "opsin")
