"""Several recipes in one comparison: how they are named, what they become, what is planned with, before any run."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from paper_pool import PaperPool

from opsin import recipes, zoo
from opsin.compare import planning, several
from opsin.compare.budget import Estimate, Floor, fit
from opsin.compare.measured import alike
from opsin.compare.outlook import look_ahead, training_of
from opsin.compare.plan import Plan, read_plan, write_plan
from opsin.compare.planning import make_plan
from opsin.compare.request import Request
from opsin.compare.schedule import Schedule
from opsin.compare.setting import Setting
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.engine.optimizers import DiagonalLM
from opsin.errors import OpsinError
from opsin.forecast.speed import Speed
from opsin.recipes import ERAS, MODERN
from opsin.training.entry import Entry, scratch
from opsin.training.training import Training
from opsin.watch import Watch

MODELS = ("lenet1989", "resnet20_cifar")
IMAGES = (1078, 360, 359)


@pytest.fixture(scope="module")
def digits():
    scanned = scan(load("digits"))
    return scanned, divide(scanned)


def planned(digits, folder, watch=None, **options):
    setting = Setting(Request("digits", models=MODELS, **options), folder, *digits, None, watch or Watch())
    return make_plan(setting, 0.0), setting


def test_names_with_commas():
    assert several.named(" modern , era,modern") == ("era", "modern")
    assert several.named("vit, modern") == ("vit", "modern")
    assert several.named(None) == ()
    for wrong, says in (("era,modrn", "did you mean modern"), ("ea", "era"), (",", "unknown recipe")):
        with pytest.raises(OpsinError, match=says):
            several.named(wrong)


def test_files_are_called_by_their_names(tmp_path):
    for folder, name in (("a", "my recipe/2"), ("b", "modern")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.toml").write_text(f'name = "{name}"\nepochs = 7\n')
    first, second = (str(tmp_path / folder / "r.toml") for folder in "ab")
    assert several.label(first) == "my-recipe-2"
    assert several.named(f"{first},era") == ("era", first)
    assert several.fit(first, "lenet5", 1000, 1, None).recipe.epochs == 7
    assert several.fit(first, "lenet5", 1000, 1, 3).recipe.epochs == 3
    with pytest.raises(OpsinError, match="two recipes are called modern"):
        several.named(f"modern,{second}")


def test_one_name_serves_all_as_ever():
    for recipe in (None, "modern", "finetune"):
        asked = Request("digits", recipe=recipe, epochs=3)
        assert asked.several == ()
        assert "recipes" not in asked.identity("data")
    assert Request("digits").identity("data")["recipe"] == MODERN.to_dict()


def test_what_makes_it_another_comparison():
    asked = {
        text: Request("digits", recipe=text, epochs=epochs).identity("data")
        for text, epochs in (("era", 3), ("era,modern", 3), ("modern,era", 3), ("era,vit", 3), ("modern", 3))
    }
    assert asked["era,modern"] == asked["modern,era"]
    kinds = [values for text, values in asked.items() if text != "modern,era"]
    assert all(a != b for k, a in enumerate(kinds) for b in kinds[:k])
    assert Request("digits", recipe="era", epochs=4).identity("data") != asked["era"]


@pytest.mark.parametrize("start", ["probe", "finetune", "scratch,probe"])
def test_eras_train_from_scratch(start):
    with pytest.raises(OpsinError, match=r"--recipe era,modern trains from scratch: leave --start"):
        Request("photos", recipe="era,modern", start=start)
    assert Request("photos", recipe="era").starts == ("scratch",)


def test_each_network_has_its_own_papers_recipe_at_as_many_epochs(digits, tmp_path):
    plan, setting = planned(digits, tmp_path, recipe="era")
    assert plan.names == MODELS
    for entry, name in zip(plan.entries, ("lenet1989", "resnet_cifar"), strict=True):
        own, paper = plan.own[entry.name], recipes.recipe(name)
        assert (own.asked, own.recipe.name, own.recipe.epochs) == ("era", name, MODERN.epochs)
        assert own.recipe.schedule == paper.schedule
        assert f"epochs {paper.epochs} -> 30" in own.changes[0]
        assert plan.rates(entry) == (own.recipe.learning_rate,)
        assert not plan.tuned(entry)
        assert plan.epochs_of(entry) == 2 * 30
    assert plan.own["lenet1989"].recipe.batch_size == 1
    (note,) = plan.notes
    assert note.startswith("each network is trained by its own era's recipe, schedules scaled to 30 epochs")
    assert note.endswith("in the papers they are 23 to 164")
    assert str(plan) == "2 networks, 2 seeds, 30 epochs at 16 px"
    assert setting.arguments(plan, plan.entries[0]).keys() == {"num_classes", "in_chans", "input_size"}


def test_one_papers_recipe_is_fitted_as_an_era_is(digits, tmp_path):
    """As `opsin train --recipe resnet_cifar` fits it, at the epochs of a comparison."""
    plan, _ = planned(digits, tmp_path, recipe="resnet_cifar")
    own, paper = plan.own["resnet20_cifar"], recipes.recipe("resnet_cifar")
    trained = Training("digits", "resnet20_cifar", "resnet_cifar", epochs=MODERN.epochs).fitted_recipe(IMAGES[0], 1)
    assert plan.names == MODELS
    assert {each.asked for each in plan.own.values()} == {"resnet_cifar"}
    assert (own.recipe, own.changes) == trained
    assert own.recipe.batch_size < paper.batch_size == 128 and own.recipe.augment != paper.augment
    (note,) = plan.notes
    assert note == "each network is trained by resnet_cifar, its schedule scaled to 30 epochs from 164"
    assert str(plan) == "2 networks, 2 seeds, 30 epochs at 16 px"
    assert plan.own == planned(digits, tmp_path, recipe="resnet_cifar", epochs=30)[0].own
    with pytest.raises(OpsinError, match=r"--recipe resnet_cifar trains from scratch: leave --start finetune out"):
        Request("digits", recipe="resnet_cifar", start="finetune")


def test_two_recipes_are_two_entries_of_a_network(digits, tmp_path):
    plan, _ = planned(digits, tmp_path, recipe="modern,era", epochs=4)
    assert plan.names == tuple(f"{model}-{recipe}" for model in MODELS for recipe in ("era", "modern"))
    assert plan.own.keys() == set(plan.names)
    assert {own.recipe.epochs for own in plan.own.values()} == {4}
    assert str(plan) == "2 networks, 2 recipes (era, modern), 2 seeds, 4 epochs at 16 px"
    modern = plan.entry("resnet20_cifar-modern")
    assert plan.recipe_of(modern) == replace(MODERN, epochs=4, batch_size=32)
    assert plan.rates(modern) == (0.001, 0.003, 0.009)
    assert [plan.tuned(entry) for entry in plan.entries] == [False, True, False, True]
    write_plan(tmp_path, {}, plan)
    assert read_plan(tmp_path, {}) == plan
    assert Plan.from_dict({key: value for key, value in plan.to_dict().items() if key != "own"}).own == {}


def test_a_rate_that_stands_is_not_tried_and_not_rounded(tmp_path):
    """The paper's rate, to its last digit, straight into the seeds."""
    recipe = replace(MODERN, rates=(1.0,), learning_rate=0.00123456, batch_size=32)
    plan = Plan(scratch(("lenet5",)), 28, (0, 1), recipe, tune=True)
    jobs = []

    def make_job(entry, recipe, seed, final, folder):
        jobs.append((recipe.learning_rate, seed, final))
        return SimpleNamespace(recipe=recipe, final=final, folder=folder)

    pool = SimpleNamespace(submit=lambda task: None, events=lambda: iter(()))
    Schedule(plan, tmp_path, make_job, {"lenet5": 1.0}, Watch()).run(pool)
    assert jobs == [(0.00123456, 0, True), (0.00123456, 1, True)]


def test_arguments_go_to_networks_that_have_them():
    vit = several.fit("vit", "vit_32", 1000, 3, None)
    assert vit.recipe.arguments == {"dropout": 0.1}
    other = several.fit("vit", "resnet20_cifar", 1000, 3, None)
    assert other.recipe.arguments == {}
    assert other.changes[-1] == "without dropout, which the network does not have"


@pytest.mark.parametrize("model", [name for name in zoo.list_models() if zoo.card(name).task == "classify"])
def test_every_network_takes_its_eras_arguments(model):
    own = several.fit(several.ERA, model, 50_000, 3, 20)
    assert own.recipe.epochs == 20
    assert not any("does not have" in change for change in own.changes)


def by_hand(plan, train=0.001, **more):
    """A machine on which an image trains in a thousandth of a second, and validates in no time."""
    speeds = {plan.speed_key(entry): Speed(train, 0.0) for entry in plan.entries}
    return Estimate(speeds, (1000, 0, 0), workers=1, fixed=0.0, **more)


def one(model, recipe, **changes):
    """A plan of one network under one recipe at 10 epochs and one seed."""
    own = several.Fitted("era", replace(ERAS[recipe].recipe, epochs=10, **changes))
    return Plan(scratch((model,)), 32, (0,), MODERN, tune=True, own={model: own})


def test_what_is_paid_beside_the_passes():
    """Curvatures on 500 images before each pass; a network that is trained first; files that are read anew."""
    lenet = one("lenet5", "lenet5")
    optimizer = lenet.own["lenet5"].recipe.optimizer
    assert isinstance(optimizer, DiagonalLM) and optimizer.samples == 500
    assert by_hand(lenet).seconds(lenet) == pytest.approx(10 * 1.5)
    vgg, plain = one("vgg16", "vgg"), one("vgg16", "vgg", start_from=None)
    share = zoo.card("vgg11").macs / zoo.card("vgg16").macs
    assert 0.4 < share < 0.6
    assert by_hand(vgg).seconds(vgg) == pytest.approx(10 * (1 + share))
    assert by_hand(plain).seconds(plain) == pytest.approx(10)
    assert by_hand(plain, decode=0.002).seconds(plain) == pytest.approx(10 * (1 + 2))
    assert by_hand(lenet, decode=0.002).seconds(lenet) == pytest.approx(15)


def test_recipes_of_a_network_have_their_own_speeds(digits, tmp_path):
    """One image a step is not as fast as thirty-two."""
    plan, setting = planned(digits, tmp_path, recipe="era,modern", epochs=2)
    keys = [plan.speed_key(entry) for entry in plan.entries]
    assert len(set(keys)) == 4
    assert planned(digits, tmp_path, recipe="era")[0].speed_key(Entry("lenet1989")) == ("lenet1989", 16)
    speeds = planning.Speeds(setting)
    assert [speeds._probe(plan, entry, 16).batch_size for entry in plan.entries] == [1, 32, 16, 32]


def test_a_network_gives_way_under_all_its_recipes(digits, tmp_path):
    plan, _ = planned(digits, tmp_path, recipe="era,modern", epochs=10)

    def estimate(plan):
        slow = {"lenet1989": 0.001, "resnet20_cifar": 0.01}
        speeds = {plan.speed_key(entry): Speed(slow[entry.model], 0.0) for entry in plan.entries}
        return Estimate(speeds, (1000, 0, 0), workers=1, fixed=0.0)

    whole = estimate(plan).seconds(plan)
    fitted, _ = fit(plan, 0.5 * whole, Floor(16, models=2), estimate)
    assert fitted.names == ("lenet1989-era", "lenet1989-modern")
    assert [each["model"] for each in fitted.left_out] == ["resnet20_cifar"]
    short, _ = fit(plan, 0.35 * whole, Floor(16, models=4, seeds=1, epochs=2), estimate)
    epochs = {own.recipe.epochs for own in short.own.values()}
    assert len(epochs) == 1 and epochs < set(range(2, 10))
    assert short.notes[-1] == f"{min(epochs)} instead of 10 epochs"


def test_what_a_short_time_leaves_is_what_is_told(digits, tmp_path):
    """With speeds on paper, whose minutes have room for a part of the epochs: the changes name those that are run."""
    pool = PaperPool(1, second=lambda name: 0.004)
    asked = Request("digits", models=MODELS, recipe="era,modern", minutes=6, tune=False)
    plan = make_plan(Setting(asked, tmp_path, *digits, pool, Watch()), time.monotonic())
    assert plan.own.keys() == set(plan.names)
    (epochs,) = {own.recipe.epochs for own in plan.own.values()}
    assert 5 <= epochs < 30
    assert plan.own["resnet20_cifar-era"].changes[0] == f"epochs 164 -> {epochs}, the schedule with them"
    assert plan.notes[-1] == f"{epochs} instead of 30 epochs"


def test_reading_an_image_is_timed():
    class Slow:
        def __len__(self):
            return 100

        def image(self, index):
            assert 0 <= index < 100
            return SimpleNamespace(load=lambda: None)

    assert 0 <= planning._decoding(Slow()) < 0.01


def test_dropout_makes_no_other_latency():
    built = {"num_classes": 10, "input_size": 32}
    assert alike(("vit_32", built), ("vit_32", built | {"dropout": 0.1, "drop_path": 0.2}))
    assert not alike(("vit_32", built), ("vit_32", built | {"widths": 2}))
    assert not alike(("vit_32", built), ("lenet5", built))


def test_a_forecast_is_of_one_recipe():
    for text in ("era", "era,modern"):
        with pytest.raises(OpsinError, match=f"--recipe {text}: a forecast is of one recipe"):
            look_ahead(Request("digits", recipe=text))


def test_a_forecast_fits_the_recipe(digits):
    asked = Request("digits", recipe="resnet_cifar", models=MODELS)
    recipe = training_of(asked, digits[0], IMAGES, MODELS, 16).recipe
    assert (recipe.name, recipe.epochs, recipe.batch_size) == ("resnet_cifar", 30, 16)


def test_it_is_told_beforehand(digits, tmp_path):
    lines = []

    class Says(Watch):
        def say(self, line):
            lines.append(line)

    planned(digits, tmp_path, Says(), recipe="era,modern", epochs=5)
    assert any("each recipe (era, modern), schedules scaled to 5 epochs" in line for line in lines)
