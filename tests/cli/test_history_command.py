"""`opsin history`: its file, the data of its figure, what it cannot write."""

import json

from opsin import zoo
from opsin.costs.blocks import Block
from opsin.report.history import record


def test_json_is_the_data_of_the_figure(opsin):
    code, out, err = opsin("history", "--json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    points = {point["model"]: point for point in data["points"]}
    assert points["resnet50"]["top1"] == 75.3
    assert points["resnet50"]["macs"] == zoo.card("resnet50").macs
    assert points["vgg16"]["one_crop"] is False
    named = [name for names in data["lacking"].values() for name in names]
    assert sorted([*points, *named]) == sorted(zoo.list_models())


def test_it_writes_one_file(opsin, tmp_path, monkeypatch):
    def counted(step):
        cards = [zoo.card(name) for name in zoo.list_models()]
        return {card.name: [Block("all", "Network", (1,), card.params, card.macs)] for card in cards}

    monkeypatch.setattr(record, "all_blocks", counted)
    code, out, _ = opsin("history", "--out", tmp_path / "zoo.html")
    assert code == 0
    assert out.strip() == str(tmp_path / "zoo.html")
    assert [path.name for path in tmp_path.iterdir()] == ["zoo.html"]
    assert (tmp_path / "zoo.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_where_it_cannot_write_it_says_so_before_it_counts(opsin, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "all_blocks", lambda step: 1 / 0)
    (tmp_path / "folder.html").mkdir()
    for target in (tmp_path / "folder.html", tmp_path / "no" / "zoo.html"):
        code, _, err = opsin("history", "--out", target)
        assert code == 1
        assert "cannot write" in err
        assert err.count("\n") == 1


def test_nothing_else_is_written_over(opsin, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "all_blocks", lambda step: 1 / 0)
    photo = tmp_path / "photo.jpg"
    photo.write_text("a photo")
    code, _, err = opsin("history", "--out", photo)
    assert (code, err.count("\n")) == (1, 1)
    assert "ends with .html" in err
    assert photo.read_text() == "a photo"
