"""What `opsin plan` says of digits, on a machine on paper (benchmarks/plan_error.py has a real one)."""

import json
import time

import pytest
from paper_pool import PaperPool

from opsin import zoo
from opsin.compare import outlook
from opsin.compare.outlook import look_ahead
from opsin.compare.planning import make_plan
from opsin.compare.request import Request
from opsin.compare.setting import Setting
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.errors import OpsinError
from opsin.watch import Watch

SECOND = {"lenet5": 1e-4, "vgg_32": 5e-4, "resnet20_cifar": 2e-3, "convnext_32": 1e-3}
MODELS = tuple(SECOND)


@pytest.fixture
def paper(monkeypatch, tmp_path):
    """look_ahead with speeds on paper; they are those of `SECOND`, a thousandth of a second where it has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(outlook, "Pool", lambda size: PaperPool(size, second=lambda name: SECOND.get(name, 1e-3)))

    def ask(minutes=None, models=MODELS, **options):
        return look_ahead(Request("digits", models=models, start="scratch", minutes=minutes, workers=2, **options))

    return ask


def test_digits_by_hand(paper):
    """1,078 images train and 360 validate, at a quarter of a training step's time, 16 px or what a network takes."""
    found = paper()
    assert (found.images, found.input_size, found.recipe.batch_size) == ((1078, 360, 359), 16, 32)
    rows = {row.model: row for row in found.forecast.rows}
    assert {name: row.size for name, row in rows.items()} == {
        "lenet5": 28,
        "vgg_32": 16,
        "resnet20_cifar": 16,
        "convnext_32": 16,
    }
    for name, second in SECOND.items():
        assert rows[name].epoch == pytest.approx((1078 + 360 / 4) * second)
    assert found.plan is None
    assert found.to_dict()["comparison"] is None


def test_what_fits_into_the_minutes(paper):
    """Within 0.9 minutes 30 epochs of 0.12 and 0.58 s fit (of 49.7 s), 1.17 s fit too, and 21 of 2.3 s."""
    found = paper(0.9)
    verdicts = {row.model: (row.epochs(0.9) >= 30, found.verdict(row)) for row in found.forecast.rows}
    assert verdicts == {
        "lenet5": (True, "whole"),
        "vgg_32": (True, "whole"),
        "convnext_32": (True, "whole"),
        "resnet20_cifar": (False, "short"),
    }
    less = paper(0.15)
    short = {row.model: less.verdict(row) for row in less.forecast.rows}
    assert (short["lenet5"], short["convnext_32"], short["resnet20_cifar"]) == ("whole", "short", "none")


def test_compare_plans_the_same(paper, tmp_path):
    request = Request("digits", models=MODELS, start="scratch", minutes=2, workers=2)
    found = look_ahead(request)
    scanned = scan(load("digits"))
    pool = PaperPool(2, second=SECOND.get)
    setting = Setting(request, tmp_path, scanned, divide(scanned), pool, Watch())
    assert found.plan == make_plan(setting, time.monotonic())
    assert found.plan is not None
    assert found.needs is not None
    assert 0 < found.needs < 2


def test_the_time_of_remembered_probes_is_planned_with(paper):
    """A comparison will measure them anew: five seconds' worth of probes are as good as gone."""
    first, again = paper(2), paper(2)
    assert first.plan is not None
    assert again.plan is not None
    assert again.plan.recipe.epochs <= first.plan.recipe.epochs


def test_too_few_minutes_are_told_beside_the_table(paper):
    found = paper(0.01)
    assert found.plan is None
    assert "too few" in found.refused
    assert len(found.forecast.rows) == 4
    assert found.to_dict()["comparison"] == {"refused": found.refused}


def test_every_network_has_a_row_or_a_reason(paper, monkeypatch):
    names = ["enet", "lenet5", "lenet1989"]
    monkeypatch.setattr(outlook.zoo, "list_models", lambda: names)
    found = paper(models=None)
    tasks = {name: zoo.card(name).task for name in names}
    assert {row.model for row in found.forecast.rows} == {"lenet5", "lenet1989"}
    assert found.forecast.left_out == ({"model": "enet", "why": f"does not classify images ({tasks['enet']})"},)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["model"] for row in told["rows"]] == [row.model for row in found.forecast.rows]


def test_where_nothing_can_be_trained(paper, monkeypatch):
    monkeypatch.setattr(outlook, "Pool", lambda size: PaperPool(size, broken=MODELS))
    with pytest.raises(OpsinError, match="no network can be trained here: lenet5: out of memory"):
        paper()


def test_where_nothing_fits(paper, monkeypatch):
    monkeypatch.setattr(outlook, "free_memory", lambda device: 10_000)
    with pytest.raises(OpsinError, match=r"no network can be trained here: none fits .* take a smaller --input-size"):
        paper()
