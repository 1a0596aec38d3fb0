"""Recipes as text: key=value changes, TOML, JSON."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsin.data.augment import AUGMENTATIONS, Erase, Flip, RandAugment, Shift
from opsin.engine.average import EMA
from opsin.engine.mix import Mix
from opsin.engine.optimizers import SGD
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Constant, Steps
from opsin.engine.settings import to_toml, with_settings
from opsin.errors import OpsinError
from opsin.recipes import RECIPES

BASE = Recipe("x", augment=(Flip(), Erase(0.25)))


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (["learning_rate=0.1"], {"learning_rate": 0.1}),
        (["learning_rate = 1"], {"learning_rate": 1.0}),
        (["schedule=constant", "epochs=3"], {"schedule": Constant(), "epochs": 3}),
        (["optimizer=sgd", "optimizer.momentum=0.8"], {"optimizer": SGD(0.8)}),
        (["optimizer={kind='sgd', nesterov=true}"], {"optimizer": SGD(nesterov=True)}),
        (["schedule=steps", "schedule.at=[0.5,0.75]"], {"schedule": Steps((0.5, 0.75))}),
        (["schedule=levels", "schedule=steps", "schedule.at=[0.5]"], {"schedule": Steps((0.5,))}),
        (["augment=none"], {"augment": "none"}),
        (['augment=["flip", {kind="shift", shift=2}]'], {"augment": (Flip(), Shift(2))}),
        (["augment.erase.probability=0.5"], {"augment": (Flip(), Erase(0.5))}),
        (["mix.mixup=0.2"], {"mix": Mix(mixup=0.2)}),
        (["mix=mix", "mix.cutmix=0"], {"mix": Mix(cutmix=0.0)}),
        (["average=ema", "average.horizon=0.5"], {"average": EMA(0.5)}),
        (["mix=mix", "mix=none"], {"mix": None}),
        (["clip_norm=none"], {"clip_norm": None}),
        (["batch_size=none"], {"batch_size": None}),
        (["loss=squared", "label_smoothing=0"], {"loss": "squared", "label_smoothing": 0.0}),
        (["arguments.drop_path=0.1"], {"arguments": {"drop_path": 0.1}}),
        (["arguments.dropouts=[0, 0.5]"], {"arguments": {"dropouts": (0, 0.5)}}),
        (["arguments={}"], {"arguments": {}}),
        (["start_from=vgg11", "name=a=b"], {"start_from": "vgg11", "name": "a=b"}),
        (["name=1979-05-27"], {"name": "1979-05-27"}),
        (["rates=[1]", "precision=bfloat16"], {"rates": (1.0,), "precision": "bfloat16"}),
    ],
)  # fmt: skip
def test_settings_are_what_one_would_write(given, want):
    assert with_settings(BASE, given) == Recipe(**({"name": "x", "augment": BASE.augment} | want))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("learningrate=1", "unknown key of a recipe 'learningrate'; did you mean learning_rate"),
        ("learning_rate", "setting 'learning_rate': write key=value"),
        ("=3", "setting '=3': write key=value"),
        ("learning_rate=fast", "learning_rate: Input should be a valid number, not 'fast'"),
        ("epochs=2.5", "epochs: Input should be a valid integer"),
        ("epochs=true", "epochs: Input should be a valid integer"),
        ("epochs.x=1", "setting 'epochs.x=1': epochs is 30 and has no x"),
        ("epochs.x.y=1", "30 has no x"),
        ("optimizer.momntum=1", "key of optimizer adamw 'momntum'"),
        ("optimizer.beta1=2", "betas must be from 0 to below 1"),
        ("optimizer=adamx", "unknown optimizer of a recipe 'adamx'; did you mean adam"),
        ("optimizer=none", "unknown optimizer"),
        ("average.horizon=0.5", "average is none; set average=ema or polyak first"),
        ("augment.flop.shift=1", "unknown key in 'augment.flop.shift=1' 'flop'; did you mean flip"),
        ("augment=flip", "augment must be auto, none or a list of parts, not 'flip'"),
        ("augment=['flop']", "unknown augment of a recipe 'flop'; did you mean flip"),
        ("augment=[1]", "augment must be one of"),
        ("augment=['area_crop', 'random_crop']", "augment has more than one crop"),
        ("schedule=steps", "schedule steps: at: Field required"),
        ("loss=map", "label_smoothing, mix and balance weights need the loss cross_entropy"),
        ("balance=all", "balance: "),
        ("arguments=3", "arguments: "),
        ("arguments.depths={a=1}", "arguments.depths"),
        ("clip_norm=nan", "clip_norm"),
        ("epochs=1\nname='y'", "epochs: "),
    ],
)
def test_a_wrong_setting_is_one_line(given, message):
    with pytest.raises(OpsinError, match=message) as caught:
        with_settings(BASE, [given])
    assert "\n" not in str(caught.value).replace(given, "")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_files(name, tmp_path):
    recipe = RECIPES[name]
    (tmp_path / "it.toml").write_text(to_toml(recipe), encoding="utf-8")
    (tmp_path / "it.json").write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    for path in tmp_path.iterdir():
        assert Recipe.read(path) == recipe
        assert Recipe.read(path).to_dict() == recipe.to_dict()
    assert hash(recipe) == hash(Recipe.from_dict(recipe.to_dict()))


SHARES = st.floats(0.001, 1)
ANY = st.builds(
    Recipe,
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    epochs=st.integers(1, 10**6),
    batch_size=st.none() | st.integers(1, 10**6),
    learning_rate=st.floats(1e-300, 1e300),
    optimizer=st.sampled_from([recipe.optimizer for recipe in RECIPES.values()]),
    schedule=st.sampled_from([recipe.schedule for recipe in RECIPES.values()]),
    average=st.none() | st.builds(EMA, SHARES),
    clip_norm=st.none() | st.floats(1e-300, 1e300),
    mix=st.none() | st.builds(Mix, SHARES, SHARES, SHARES),
    augment=st.sampled_from(["auto", "none"])
    | st.lists(st.builds(Erase, SHARES) | st.just(Flip()) | st.builds(RandAugment, ops=st.integers(1, 9))).map(tuple),
    arguments=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.booleans() | st.integers(-9, 9) | SHARES | st.text("abc\"\\\n") | st.lists(st.integers()).map(tuple),
    ),
    start_from=st.none() | st.just("vgg11"),
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(ANY)
def test_any_recipe_survives_files(tmp_path_factory, recipe):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(to_toml(recipe), encoding="utf-8", newline="")
    assert Recipe.read(path).to_dict() == recipe.to_dict()
    assert with_settings(recipe, []) == recipe


def test_no_recipe_is_a_date(tmp_path):
    (tmp_path / "it.toml").write_text("epochs = 1979-05-27\n")
    with pytest.raises(OpsinError, match="epochs: Input should be a valid integer"):
        Recipe.read(tmp_path / "it.toml")


def test_kinds_have_the_names_that_people_use():
    kinds = "random_crop area_crop rand_augment shift flip jitter lighting elastic erase"
    assert [part.kind for part in AUGMENTATIONS] == kinds.split()
    assert Recipe.from_dict({"name": "x", "optimizer": "adamw"}) == Recipe("x")
