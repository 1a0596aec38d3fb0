"""`opsin recipes`: the list, one recipe, TOML and JSON to use elsewhere."""

import json

import pytest

from opsin.engine.recipe import Recipe
from opsin.engine.settings import to_toml
from opsin.recipes import ERAS, RECIPES, era


def lines(out):
    return [line.rstrip() for line in out.splitlines()]


@pytest.mark.parametrize("columns", [80, 140])
def test_all_recipes_by_year(opsin, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = opsin("recipes")
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns
    rows = [row[6:].split() for row in lines(out.partition("\n\n")[0])[1:]]
    assert [row[0] for row in rows] == list(RECIPES)
    for row in rows:
        own = RECIPES[row[0]]
        batch = "auto" if own.batch_size is None else f"{own.batch_size:,}"
        assert row[1:4] == [str(own.epochs), batch, own.optimizer.kind]
        assert float(row[4]) == pytest.approx(own.learning_rate, rel=0.05)
        assert row[5] == own.schedule.kind
    assert ("Krizhevsky" in out) == (columns == 140)


@pytest.mark.parametrize("name", ["lenet5", "vgg", "convnext", "modern"])
def test_one_recipe_tells_its_source(opsin, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = opsin("recipes", name)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    head, _, body = out.partition("\n\n")
    told = " ".join(line[9:].strip() for line in lines(head)[1:])
    for text in (ERAS[name].paper, ERAS[name].printed, ERAS[name].chosen, ERAS[name].departs):
        assert text in told
    keys = {line[:16].strip() for line in lines(body) if line[:1].strip()}
    assert keys == RECIPES[name].to_dict().keys() - {"name"}
    assert (f"{ERAS[name].steps:,} steps" in head) == bool(ERAS[name].images)


def test_a_networks_own_as_toml_and_json(opsin, tmp_path):
    _, out, _ = opsin("recipes", "--for", "convnext_base", "--toml")
    (tmp_path / "mine.toml").write_text(out)
    assert out == to_toml(era("convnext_base"))
    _, told, _ = opsin("recipes", tmp_path / "mine.toml", "--json")
    values = json.loads(told)
    assert values.pop("source") == {"year": None}
    assert Recipe.from_dict(values) == era("convnext_base")
    (tmp_path / "mine.json").write_text(told)
    assert Recipe.read(tmp_path / "mine.json") == era("convnext_base")
    code, out, _ = opsin("recipes", tmp_path / "mine.toml")
    assert code == 0 and "drop_path 0.5" in out
    _, out, _ = opsin("recipes", "--json")
    assert [each["name"] for each in json.loads(out)] == list(RECIPES)
    assert json.loads(out)[0]["source"]["images"] == 7291


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnett"], "unknown recipe 'resnett'; did you mean resnet"),
        (["--for", "resnet5"], "unknown model 'resnet5'; did you mean resnet50"),
        (["--toml"], "--toml prints one recipe: name it"),
        (["vgg", "--for", "vgg16"], "not both"),
        (["none.toml"], "cannot read the recipe none.toml"),
    ],
)
def test_mistakes_are_one_line(opsin, arguments, message):
    code, out, err = opsin("recipes", *arguments)
    assert (code, out) == (1, "")
    assert message in err and len(err.splitlines()) == 1
