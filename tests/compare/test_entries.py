"""What networks start from: probes and fine-tuning end to end on digits, and what --start auto decides."""

import json
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from opsin import zoo
from opsin.bundle import Bundle
from opsin.compare import comparison, planning, starts
from opsin.compare.budget import Estimate
from opsin.compare.comparison import run_comparison
from opsin.compare.plan import Plan, read_plan, write_plan
from opsin.compare.request import Request
from opsin.compare.schedule import Trained
from opsin.compare.setting import Setting
from opsin.data.preprocess import Preprocess
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.data.store import Stored
from opsin.engine.optim import make_optimizer
from opsin.engine.record import Record
from opsin.engine.train import Data, learn_last_layer_alone
from opsin.errors import OpsinError
from opsin.forecast.speed import Speed
from opsin.recipes import FINETUNE, MODERN
from opsin.training.entry import Entry, parse_starts
from opsin.training.job import Job
from opsin.training.probed import run_probe
from opsin.watch import Watch
from opsin.weights import catalogue, create

MODEL, VIT = "mobilenet_v1_32", "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights for coloured images of 20 classes, by our own keys."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_file(zoo.build_model(MODEL, num_classes=20).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def mixed(weights, tmp_path_factory, kept_workers):
    out = tmp_path_factory.mktemp("mixed") / "out"
    asked = {"models": (MODEL,), "start": "finetune,scratch,probe", "weights": {MODEL: str(weights)}}
    return run_comparison(Request("digits", out=out, input_size=16, epochs=2, seeds=2, tune=False, **asked))


def test_rows_say_their_start_and_weights(mixed, weights):
    rows = {row["entry"]: row for row in mixed.results["rows"]}
    assert list(rows) == [MODEL, f"{MODEL}-probe", f"{MODEL}-finetune"]
    assert [row["start"] for row in rows.values()] == ["scratch", "probe", "finetune"]
    assert {row["model"] for row in rows.values()} == {MODEL}
    assert rows[MODEL]["weights"] is None
    for name in (f"{MODEL}-probe", f"{MODEL}-finetune"):
        assert rows[name]["weights"]["name"] == str(weights)
        assert len(rows[name]["weights"]["sha256"]) == 64
    probe = rows[f"{MODEL}-probe"]
    assert (probe["seeds"], probe["learning_rate"], probe["peak_memory_mb"]) == ([0], None, None)
    assert probe["probe_strength"] in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    assert rows[f"{MODEL}-finetune"]["seeds"] == [0, 1]
    assert probe["probe_chosen_on"] == "5 folds"
    assert rows[MODEL]["gain"] is None
    assert probe["gain"]["over"] == MODEL
    assert probe["gain"]["top1"] == pytest.approx(probe["top1_mean"] - rows[MODEL]["top1_mean"])
    assert mixed.results["plan"]["starts"] == ["scratch", "probe", "finetune"]
    assert mixed.results["recipes"].keys() == {"scratch", "finetune"}
    assert mixed.results["pick"]["entry"] in rows


def test_a_probes_bundle_predicts_what_the_probe_does(mixed):
    run = mixed.folder / "runs" / f"{MODEL}-probe" / "seed-0"
    bundle = Bundle.read(run)
    assert bundle.origin is not None and bundle.recipe["name"] == "probe"
    assert bundle.origin.fresh == (bundle.net.last_layer,)
    assert bundle.preprocess.channels == 3  # what the weights take, though digits are grey

    source = load("digits", None)
    rows = divide(scan(source)).rows("test")
    pixels = np.stack([bundle.preprocess.pixels(source.image(int(row))) for row in rows])
    with torch.no_grad():
        logits = bundle.net(bundle.preprocess.normalize(torch.from_numpy(pixels))).numpy()
    with np.load(run / "predictions.npz") as kept:
        np.testing.assert_allclose(logits, kept["test"], atol=1e-3 * np.abs(kept["test"]).max())


def test_fine_tuning_starts_with_the_weights_and_its_head_alone(weights):
    net = create.create_model(MODEL, weights, num_classes=10)
    theirs = zoo.build_model(MODEL, num_classes=20)
    assert net.origin.fresh == (net.last_layer,)
    learn_last_layer_alone(net, True)
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert trained == {f"{net.last_layer}.weight", f"{net.last_layer}.bias"}
    learn_last_layer_alone(net, False)
    assert all(parameter.requires_grad for parameter in net.parameters())
    groups = make_optimizer(net, FINETUNE).param_groups
    factor = {id(p): group["factor"] for group in groups for p in group["params"]}
    factors = [factor[id(p)] for p in net.parameters()]
    assert factors[0] == pytest.approx(0.1) and factors[-1] == 1.0
    assert factors == sorted(factors)
    assert len(make_optimizer(theirs, MODERN).param_groups) == 2


def test_a_last_layer_for_as_many_other_classes_is_not_taken_over(tmp_path):
    theirs = zoo.build_model(MODEL, num_classes=10)
    save_file(theirs.state_dict(), tmp_path / "ten.safetensors")
    found = create.find(MODEL, tmp_path / "ten.safetensors")
    entry = Entry(MODEL, "finetune", str(found.path), found.origin, 32)
    images = {"images": tmp_path, "table": tmp_path, "classes": tuple("abcdefghij"), "preprocess": Preprocess(32, 3)}
    job = Job(tmp_path, entry, {"num_classes": 10}, FINETUNE, 0, **images, device="cpu", final=True)
    net, again = job.network(), job.network()
    assert torch.equal(next(net.parameters()), next(theirs.parameters()))
    assert not torch.equal(net.get_classifier().weight, theirs.get_classifier().weight)
    assert torch.equal(net.get_classifier().weight, again.get_classifier().weight)  # drawn by the seed


def test_images_are_made_as_the_weights_say(tmp_path, weights):
    """Also for grey images, and where the weights take them without a mean: these are not measured then."""
    source = load("digits", None)
    scanned = scan(source)
    setting = Setting(Request("digits"), tmp_path, scanned, divide(scanned), None, Watch())
    says = Preprocess(16, 1)
    silent = create.find(MODEL, weights).origin
    stated = replace(silent, preprocess=says)
    entries = Entry("lenet5", size=16), Entry(MODEL, "probe", "", stated, 16), Entry(MODEL, "finetune", "", silent, 16)
    plan = replace(undecided(None), entries=entries, input_size=16)
    made = comparison._decode(setting, plan)
    assert made[f"{MODEL}-probe"] == says
    assert made["lenet5"].mean[0] > 0
    assert made[f"{MODEL}-finetune"].mean == (0.485, 0.456, 0.406)  # ImageNet's, where a file does not say
    assert [setting.arguments(plan, entry)["in_chans"] for entry in entries] == [1, 1, 3]


@pytest.mark.parametrize("model", ["nin_cifar", "squeezenet1_1"])
def test_a_probe_takes_the_relu_behind_the_classes_away(tmp_path, model):
    """The logits are then linear in what the last layer sees, which a probe's bundle must be."""
    source = load("digits", None)
    scanned = scan(source)
    setting = Setting(Request("digits"), tmp_path, scanned, divide(scanned), None, Watch())
    plan = replace(undecided(None), entries=(Entry(model, "probe", size=64), Entry(model)), input_size=64)
    probed, trained = (setting.arguments(plan, entry) for entry in plan.entries)
    assert "linear_end" not in trained
    net = zoo.build_model(model, **probed).eval()
    x = torch.randn(2, net.constructor.keywords["in_chans"], 64, 64)
    layer = net.get_classifier()
    with torch.no_grad():
        expected = torch.nn.functional.linear(net.embed(x), layer.weight.flatten(1), layer.bias)
        torch.testing.assert_close(net(x), expected, atol=1e-5, rtol=1e-4)


def test_other_weights_at_the_same_place_are_another_comparison(weights, tmp_path):
    path = tmp_path / "weights.safetensors"
    shutil.copy(weights, path)
    asked = Request("digits", models=(MODEL,), start="probe", weights={MODEL: str(path)})
    before, found = asked.identity("data"), create.find(MODEL, path)
    assert before == asked.identity("data")
    save_file(zoo.build_model(MODEL, num_classes=20).state_dict(), path)
    assert asked.identity("data") != before
    images = {"images": tmp_path, "table": tmp_path, "classes": ("a", "b"), "preprocess": Preprocess(32, 3)}
    entry = Entry(MODEL, "probe", str(path), found.origin, 32)
    job = Job(tmp_path, entry, {"num_classes": 2}, FINETUNE, 0, **images, device="cpu", final=True)
    with pytest.raises(OpsinError, match="not what it was when this comparison began"):
        job.network()
    path.unlink()
    with pytest.raises(OpsinError, match="no weights at"):
        asked.identity("data")


@pytest.mark.parametrize(
    ("model", "says"),
    [("nin_cifar", "not linear"), ("lenet5", "ends with RBF"), ("vgg_32", "not finite"), ("mobilenet_v2_32", None)],
)
def test_what_a_probe_cannot_stand_for(tmp_path, model, says):
    """After NiN's last layer comes a ReLU: in its place a probe would predict other classes than the results have."""
    size, channels = zoo.card(model).inputs.size, zoo.card(model).inputs.channels
    tensors = zoo.build_model(model).state_dict()
    if says == "not finite":
        next(iter(tensors.values())).fill_(torch.nan)
    save_file(tensors, tmp_path / "file.safetensors")
    entry = Entry(model, "probe", str(tmp_path / "file.safetensors"))
    images = np.random.default_rng(0).integers(0, 256, (24, channels, size, size), dtype=np.uint8)
    labels, parts, preprocess = np.arange(24) % 3, np.split(np.arange(24), [12, 18]), Preprocess(size, channels)
    files = {"images": tmp_path, "table": tmp_path, "classes": ("a", "b", "c"), "preprocess": preprocess}
    arguments = {"num_classes": 3, "in_chans": channels, "input_size": size}
    job = Job(tmp_path / "run", entry, arguments, FINETUNE, 0, **files, device="cpu", final=True)
    record = Record(job.folder)
    record.folder.mkdir()
    asked = (
        job,
        record,
        Data(Stored(images), labels, *parts[:2], preprocess),
        parts[2],
        None,
        torch.device("cpu"),
        print,
    )
    if says is None:
        assert run_probe(*asked)["status"] == "ok"
    else:
        with pytest.raises(OpsinError, match=says):
            run_probe(*asked)


@pytest.mark.slow
def test_the_same_again_runs_nothing(mixed, weights):
    times = {path: path.stat().st_mtime_ns for path in mixed.folder.rglob("run.json")}
    asked = {"models": (MODEL,), "start": "finetune,scratch,probe", "weights": {MODEL: str(weights)}}
    again = run_comparison(Request("digits", out=mixed.folder, input_size=16, epochs=2, seeds=2, tune=False, **asked))
    assert {path: path.stat().st_mtime_ns for path in mixed.folder.rglob("run.json")} == times
    kept = ("entry", "top1_mean", "top1_ci", "val_mean", "probe_strength")
    assert [[row[key] for key in kept] for row in again.results["rows"]] == [
        [row[key] for key in kept] for row in mixed.results["rows"]
    ]


def test_words_of_a_start():
    assert parse_starts("finetune, probe") == ("probe", "finetune")
    for wrong, says in (("probes", "unknown start"), ("", "unknown start"), ("scratch,auto", "auto stands alone")):
        with pytest.raises(OpsinError, match=says):
            parse_starts(wrong)


class Says(Watch):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_small_images_start_from_scratch():
    chosen = starts.choose_entries(Request("digits"), 8, 16, Says())
    assert {entry.start for entry in chosen.entries} == {"scratch"}
    assert not chosen.undecided


def test_auto_without_weights_says_so(monkeypatch):
    monkeypatch.setattr(create, "available", lambda *asked: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    chosen = starts.choose_entries(Request("photos"), 224, 64, Says())
    assert chosen.entries == tuple(Entry(model) for model in starts.choose(None, None, 64))
    assert "all start from scratch: no public weights" in chosen.notes[-1]
    assert "HF_HUB_OFFLINE is set" in chosen.notes[-1]


def test_auto_probes_what_has_weights(weights, monkeypatch):
    monkeypatch.setattr(create, "available", lambda *asked: None)
    asked = Request("photos", models=(MODEL, "lenet5"), weights={MODEL: str(weights)})
    chosen = starts.choose_entries(asked, 224, 64, watch := Says())
    assert [(entry.model, entry.start) for entry in chosen.entries] == [(MODEL, "probe"), ("lenet5", "scratch")]
    assert chosen.undecided
    assert any("lenet5" in note for note in chosen.notes)
    assert any("licence not stated" in line for line in watch.lines)


def test_auto_names_the_extra_that_is_missing(weights, monkeypatch):
    monkeypatch.setattr(create, "available", lambda *asked: None)
    asked = Request("photos", models=(MODEL, "vit_tiny_patch16_224"), weights={MODEL: str(weights)})
    assert "opsin[hub]" not in starts.choose_entries(asked, 224, 64, Says()).notes[-1]
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'opsin[hub]'" in starts.choose_entries(asked, 224, 64, Says()).notes[-1]


def test_asking_for_weights_that_do_not_exist():
    with pytest.raises(OpsinError, match="resnet50 has no public weights: resnet50_v1_5 has"):
        starts.choose_entries(Request("photos", models=("resnet50",), start="probe"), 224, 64, Says())
    with pytest.raises(OpsinError, match="cannot take 40 px"):
        asked = Request(
            "photos",
            models=("vit_tiny_patch16_224",),
            start="probe",
            input_size=40,
            weights={"vit_tiny_patch16_224": "x"},
        )
        starts.choose_entries(asked, 224, 64, Says())


def test_weights_of_another_network_are_seen_before_anything_runs(tmp_path):
    other = tmp_path / "other.safetensors"
    save_file(zoo.build_model("resnet20_cifar").state_dict(), other)
    asked = Request("photos", models=(MODEL,), start="finetune", weights={MODEL: str(other)})
    with pytest.raises(OpsinError, match=r"other\.safetensors is of another network"):
        starts.choose_entries(asked, 224, 64, watch := Says())
    assert not watch.lines


def test_what_comes_is_told_by_its_name_and_size(monkeypatch):
    row = catalogue.find("mobilenet_v2_050", True)
    monkeypatch.setattr(create, "is_cached", lambda row: False)
    starts._say_downloads([row, "a file"], watch := Says())
    assert watch.lines == ["to be downloaded, once: weights of mobilenet_v2_050, 8 MB"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    starts._say_downloads([row], watch)
    assert len(watch.lines) == 1


def test_weights_that_nothing_would_start_from():
    with pytest.raises(OpsinError, match="--weights and --start scratch exclude each other"):
        Request("photos", start="scratch", weights={MODEL: "x"})
    with pytest.raises(OpsinError, match=f"--weights names {MODEL}, not among those compared"):
        starts.choose_entries(Request("photos", weights={MODEL: "x"}), 224, 64, Says())


def test_the_order_of_starts_makes_no_other_comparison():
    first, second = (Request("photos", start=start).identity("data") for start in ("probe,finetune", "finetune, probe"))
    assert first == second != Request("photos").identity("data")


PROBED = {"resnet18": 0.8, "vgg11": 0.9, "convnext_tiny": 0.7, "densenet121": 0.85}


def undecided(minutes, *more):
    entries = tuple(Entry(model, "probe", "file", None, 64) for model in PROBED)
    return Plan((*entries, *more), 64, (0, 1), MODERN, tune=True, undecided=True, minutes=minutes)


def decide(monkeypatch, minutes, device="cpu", second=0.001, more=()):
    """With a machine on which an image trains for a thousandth of a second."""

    def estimate(self, plan):
        speeds = {(entry.model, 64): Speed(second, second / 3) for entry in plan.entries}
        return Estimate(speeds, (1000, 100, 100), workers=2, fixed=0.0)

    monkeypatch.setattr(planning.Speeds, "estimate", estimate)
    plan = undecided(minutes, *more)
    run = {name: {"status": "ok", "figures": {"val_top1": top1}} for name, top1 in PROBED.items()}
    probed = {entry.name: Trained(entry, runs={0: run[entry.model]}) for entry in plan.entries[:4]}
    asked = SimpleNamespace(minutes=minutes, device_type=device)
    return planning.decide(SimpleNamespace(request=asked), plan, probed, planning.time.monotonic())


def test_the_best_are_fine_tuned_as_far_as_time_goes(monkeypatch):
    plan = decide(monkeypatch, 10)
    assert [entry.model for entry in plan.entries[4:]] == ["vgg11", "densenet121", "resnet18"]
    assert {entry.start for entry in plan.entries[4:]} == {"finetune"}
    assert (plan.undecided, plan.finetune.epochs) == (False, 10)
    short = decide(monkeypatch, 0.5)
    assert 1 <= len(short.entries) - 4 <= 3
    assert "instead of" in short.notes[-1]
    none = decide(monkeypatch, 0.01)
    assert len(none.entries) == 4
    assert "too short" in none.notes[-1]


def test_what_has_trained_from_scratch_keeps_its_seeds(monkeypatch):
    """Its runs have ended when the fine-tuning is planned: a plan with fewer seeds would not be the one that ran."""
    assert decide(monkeypatch, 0.5).seeds == (0,)
    mixed = decide(monkeypatch, 0.5, more=(Entry("lenet5"),))
    assert mixed.seeds == (0, 1)
    assert sum(entry.start == "finetune" for entry in mixed.entries) >= 1


def test_nothing_is_fine_tuned_where_no_probe_ended_well(monkeypatch):
    plan = undecided(10)
    setting = SimpleNamespace(request=SimpleNamespace(minutes=10, device_type="cpu"))
    assert "no probe ended well" in planning.decide(setting, plan, {}, 0.0).notes[-1]


def test_what_measuring_takes_is_not_planned_with(monkeypatch):
    clock = [0.0]

    def estimate(self, plan):
        clock[0] = 595.0
        return Estimate({(entry.model, 64): Speed(0.001, 0.001) for entry in plan.entries}, (1000, 100, 100), 2)

    monkeypatch.setattr(planning.Speeds, "estimate", estimate)
    monkeypatch.setattr(planning.time, "monotonic", lambda: clock[0])
    plan = undecided(10)
    figures = {"status": "ok", "figures": {"val_top1": 0.5}}
    probed = {entry.name: Trained(entry, runs={0: figures}) for entry in plan.entries}
    setting = SimpleNamespace(request=SimpleNamespace(minutes=10, device_type="cpu"))
    assert "too short" in planning.decide(setting, plan, probed, 0.0).notes[-1]


def test_without_a_time_the_device_decides(monkeypatch):
    assert len(decide(monkeypatch, None).entries) == 4
    assert "on a CPU" in decide(monkeypatch, None).notes[-1]
    assert len(decide(monkeypatch, None, "cuda").entries) == 7


def test_a_plan_with_weights_survives_its_file(tmp_path, weights):
    found = create.find(MODEL, weights)
    origin = replace(found.origin, preprocess=zoo.card(MODEL) and None)
    plan = replace(undecided(3.0), entries=(Entry(MODEL, "probe", str(weights), origin, 16),))
    write_plan(tmp_path, {}, plan)
    assert read_plan(tmp_path, {}) == plan
    assert json.loads((tmp_path / "plan.json").read_text())["plan"]["entries"][0]["origin"]["sha256"] == origin.sha256


def test_each_librarys_default_is_looked_for_first(monkeypatch):
    """Cached weights of another tag than a library's first do not make two machines start differently."""
    seen = []
    monkeypatch.setattr(create, "is_cached", lambda row: seen.append(row.name))
    monkeypatch.setattr(create.download, "reachable", lambda address: False)
    assert create.available("resnet18") is None
    assert seen == ["torchvision:IMAGENET1K_V1", "timm:a1_in1k"]
