"""What is asked for becomes cells; what does not fit is said before it runs."""

import pytest
import torch

from opsin import zoo
from opsin.bench import fits
from opsin.bench.cell import FIRST, Cell, Row, cells, names, published
from opsin.bench.job import most_allocated, visit
from opsin.errors import OpsinError
from opsin.lineups import LINEUPS

LENET = Cell("lenet5", 4, 32)


def test_names_patterns_and_lineups():
    assert names(["resnet1*", "small", "lenet5"]) == [
        *zoo.list_models("resnet1*"),
        *(name for name in LINEUPS["small"]),
    ]
    with pytest.raises(OpsinError, match="did you mean resnet50"):
        names(["resnet5O"])
    with pytest.raises(OpsinError, match="no network matches"):
        names(["resnot*"])


def test_all_are_those_with_a_printed_error_and_the_papers_first():
    every = published()
    assert tuple(every[: len(FIRST)]) == FIRST
    assert len(set(every)) == len(every) > 50
    own = cells(every, None)
    assert [cell.batch for cell in own if cell.model == "vgg16"] == [1, 2, 4, 8, 16]
    assert [cell.batch for cell in own if cell.model == "xception"] == [1, 16]


def test_training_comes_beside_inference_on_the_first_backend():
    own = cells(["lenet5"], (1, 8), backends=("eager", "onnxruntime"), train=True)
    assert [(c.batch, c.backend, c.train) for c in own] == [
        (1, "eager", False), (1, "eager", True), (8, "eager", False), (8, "eager", True),
        (1, "onnxruntime", False), (8, "onnxruntime", False),
    ]  # fmt: skip
    with pytest.raises(OpsinError, match="--train"):
        cells(["enet"], (1,), train=True)
    with pytest.raises(OpsinError, match="cannot take 10 px"):
        cells(["vgg16"], (1,), size=10)


def test_a_batch_that_does_not_fit_is_refused_and_the_largest_named():
    free = 50_000_000
    most = fits.largest(LENET, free)
    fits.check(Cell("lenet5", most, 32), free)
    with pytest.raises(OpsinError, match=f"take --batch {most} or less"):
        fits.check(Cell("lenet5", most + 1, 32), free)
    with pytest.raises(OpsinError, match="at any batch"):
        fits.check(LENET, 1000)
    fits.check(Cell("lenet5", 10**6, 32), None)  # nobody tells what is free


def test_a_gpu_is_tried_from_the_prediction_down():
    asked = []

    def run(batch):
        asked.append(batch)
        if batch > 80:
            raise torch.OutOfMemoryError

    assert fits.tried(100, run) == 72
    assert asked == [100, 90, 81, 72]
    assert fits.tried(0, run) == 0


def test_what_the_allocator_gave_out():
    def run():
        a = torch.empty(1_000_000)
        b = torch.empty(500_000)
        del a
        return b + 1

    assert most_allocated(run) == pytest.approx(6_000_000, rel=0.01)


@pytest.mark.parametrize("train", [False, True])
def test_a_visit_times_and_weighs(train):
    threads = torch.get_num_threads()
    try:
        found = visit((Cell("resnet20_cifar", 8, 32, train=train), True, False), lambda news: None)
    finally:
        torch.set_num_threads(threads)
    assert len(found.blocks) == 2
    assert all(len(own.ms) >= 3 for own in found.blocks)
    predicted = fits.predicted(Cell("resnet20_cifar", 8, 32, train=train))
    assert found.memory == pytest.approx(predicted, rel=0.25)


def test_rows_go_to_json_and_back():
    row = Row(LENET, "ok", 1, 2, 3, p50=4.0, blocks=(1.0, 2.0))
    assert Row.from_dict(row.to_dict()) == row
    assert row.images_per_second == 1000.0
