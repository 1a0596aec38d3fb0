"""docs/weights.md against the catalogue, and the sizes of files against what torchvision states."""

from pathlib import Path

import pytest
import torchvision

from opsin import zoo
from opsin.weights import catalogue, table

PAGE = Path(__file__).parents[2] / "docs" / "weights.md"
ROWS = [row for name in zoo.list_models() for row in catalogue.public(name)]


def test_the_page_lists_the_catalogue(monkeypatch):
    """Line by line but for the last column, which takes building the networks."""
    monkeypatch.setattr(table, "megabytes", lambda row: 0.0)
    _, head, lines = PAGE.read_text(encoding="utf-8").partition(table.HEAD)
    expected = [table.line(row) for row in ROWS]
    assert head, "no table in docs/weights.md"
    mend = "python -m opsin.weights.table docs/weights.md"
    assert [line.rsplit("|", 2)[0] for line in lines.splitlines()] == [line.rsplit("|", 2)[0] for line in expected], (
        mend
    )


@pytest.mark.slow
def test_the_page_is_what_the_command_writes(tmp_path):
    page = tmp_path / "weights.md"
    page.write_text(f"above\n\n{table.HEAD}| old |\n", encoding="utf-8")
    table.write(page)
    written = PAGE.read_text(encoding="utf-8").partition(table.HEAD)
    assert page.read_text(encoding="utf-8") == f"above\n\n{table.HEAD}{written[2]}"


@pytest.mark.parametrize("model", ["googlenet_bn", "inception_v3", "squeezenet1_1", "resnet18", "vit_base_patch16_224"])
def test_sizes_are_those_that_torchvision_states(model):
    row = next(row for row in catalogue.public(model) if row.source == "torchvision")
    stated = torchvision.models.get_model_weights(row.architecture)[row.tag].meta["_file_size"] * 2**20 / 1e6
    assert table.megabytes(row) == pytest.approx(stated, rel=0.01)


def test_a_file_without_a_last_layer_and_one_of_many_classes():
    """ViT-B/16: 768 features."""
    rows = {row.num_classes: row for row in catalogue.public("vit_base_patch16_224") if row.source == "timm"}
    assert table.megabytes(rows[1000]) - table.megabytes(rows[0]) == pytest.approx(1000 * 769 * 4e-6)
