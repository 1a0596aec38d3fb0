"""One training from images to a folder: what it leaves, how it goes on, what it refuses."""

import itertools
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from opsin.bundle import Bundle
from opsin.data.augment import AreaCrop, Flip, RandAugment
from opsin.engine import train as engine
from opsin.engine.checkpoint import Checkpoints
from opsin.engine.record import Record
from opsin.engine.settings import to_toml
from opsin.engine.stop import Stopped
from opsin.errors import OpsinError
from opsin.recipes import MODERN, RECIPES
from opsin.training import run as runs
from opsin.training.run import resume, run_training
from opsin.training.training import Training
from opsin.watch import Watch

NET = {"model": "lenet5", "input_size": 28, "epochs": 2}


class Heard(Watch):
    def __init__(self):
        self.lines, self.epochs = [], []

    def say(self, line):
        self.lines.append(line)

    def epoch(self, run, metrics):
        self.epochs.append(metrics)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sixty photos of 40 x 30 px in two classes, told apart by their colour."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(60):
        pixels = rng.integers(0, 120, (30, 40, 3), dtype=np.uint8)
        pixels[..., i % 2] += 120
        path = folder / ("red", "green")[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    heard = Heard()
    return run_training(Training(str(photos), **NET, out=tmp_path_factory.mktemp("runs") / "whole"), heard), heard


def weights(run):
    return Bundle.read(run.bundle).net.state_dict()


def same(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


def test_what_a_run_leaves(whole, photos):
    run, heard = whole
    assert sorted(path.name for path in run.folder.iterdir() if not path.name.startswith(".")) == [
        "bundle", "metrics.jsonl", "plan.json", "predictions.npz", "run.json",
    ]  # fmt: skip
    facts = json.loads((run.folder / "run.json").read_text())
    assert (facts["status"], facts["model"], facts["seed"]) == ("ok", "lenet5", 0)
    assert facts["recipe"]["epochs"] == 2 and facts["threads"] == 1
    assert [epoch["epoch"] for epoch in run.history] == [1, 2]
    logits = np.load(run.folder / "predictions.npz")
    assert logits["test"].shape == (facts["figures"]["test_images"], 2)
    plan = json.loads((run.folder / "plan.json").read_text())
    assert plan["asked"]["data"] == str(photos) and "60/20/20" in plan["split"]
    assert any("epochs 30 -> 2" in line for line in heard.lines)


def test_the_same_again_trains_nothing(whole, photos, monkeypatch):
    monkeypatch.setattr(engine, "train_epoch", None)
    again = run_training(Training(str(photos), **NET, out=whole[0].folder))
    assert again.facts == whole[0].facts


def test_another_run_is_not_written_over(whole, photos):
    with pytest.raises(OpsinError, match="holds another run \\(other seed\\)"):
        run_training(Training(str(photos), **NET, seed=1, out=whole[0].folder))


def test_stopped_and_resumed_it_ends_with_the_same_bits(whole, photos, tmp_path, monkeypatch):
    taken, states, step = [], [], engine.train_step

    def follow(folder, state):
        states.append((len(Record(folder).read_metrics()), state))

    def signalled(*arguments):
        taken.append(0)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", signalled)
    with pytest.raises(Stopped) as stopped:
        run_training(Training(str(photos), **NET, out=tmp_path / "run"), signals=True, follow=follow)
    assert (stopped.value.code, stopped.value.folder, len(taken)) == (143, tmp_path / "run", 2)
    run = run_training(resume(tmp_path / "run"), follow=follow)
    assert same(weights(run), weights(whole[0]))
    assert run.facts["figures"] == whole[0].facts["figures"]
    heard = [(0, "training"), (0, "stopped"), (0, "training"), (1, "training"), (2, "training"), (2, "ended")]
    assert states == heard


def test_images_decoded_during_the_run_give_the_same_bits(whole, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "fits", lambda *arguments: False)
    for workers in (0, 2):
        run = run_training(Training(str(photos), **NET, out=tmp_path / str(workers), workers=workers))
        assert same(weights(run), weights(whole[0]))


def test_crops_do_not_depend_on_how_many_threads_cut_them(photos, tmp_path):
    recipe = replace(MODERN, name="crops", augment=(AreaCrop(), RandAugment(), Flip()))
    (tmp_path / "crops.toml").write_text(to_toml(recipe))
    found = [
        weights(
            run_training(
                Training(str(photos), **NET, recipe=str(tmp_path / "crops.toml"), workers=n, out=tmp_path / str(n))
            )
        )
        for n in (0, 2)
    ]
    assert same(*found)


def test_nothing_validates_where_that_is_asked_for(photos, tmp_path):
    run = run_training(Training(str(photos), **NET, val=0.0, out=tmp_path / "run"))
    assert "val_loss" not in run.history[-1] and "val_top1" not in run.facts["figures"]
    assert 0 <= run.facts["figures"]["test_top1"] <= 1
    assert np.load(run.folder / "predictions.npz").files == ["test"]


def test_a_recipe_from_a_file_is_taken_as_it_is_whatever_it_is_called(tmp_path):
    file = tmp_path / "resnet.toml"
    file.write_text(to_toml(RECIPES["resnet"]))
    fitted = [Training("digits", "lenet5", name, epochs=3).fitted_recipe(100, 3) for name in ("resnet", str(file))]
    assert [(recipe.batch_size, recipe.epochs, len(notes)) for recipe, notes in fitted] == [(16, 3, 2), (256, 3, 0)]
    ours, files = (Training("digits", "lenet5", name).identity("") for name in ("resnet", str(file)))
    assert ours != files


def test_other_images_and_damaged_checkpoints_are_said(photos, tmp_path, monkeypatch):
    copied, heard = shutil.copytree(photos, tmp_path / "photos"), Heard()
    step, taken = engine.train_step, []

    def signalled(*arguments):
        taken.append(0)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(engine, "train_step", signalled)
        run_training(Training(str(copied), **NET, out=tmp_path / "run"), signals=True)
    (saved,) = (tmp_path / "run" / "checkpoints").glob("epoch-*")
    (saved / "model.safetensors").write_bytes(b"")
    away = next(copied.rglob("*.png"))
    away.rename(tmp_path / away.name)
    with pytest.raises(OpsinError, match="some were changed, added or taken away"):
        run_training(resume(tmp_path / "run"))
    (tmp_path / away.name).rename(away)
    run = run_training(resume(tmp_path / "run"), heard)
    assert run.facts["status"] == "ok" and len(run.facts["checkpoints_skipped"]) == 1
    assert [line for line in heard.lines if line.startswith("a checkpoint is passed over: ") and saved.name in line]


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balanced(photos, tmp_path, balance):
    run = run_training(
        Training(str(photos), **NET, settings=(f"balance={balance}", "label_smoothing=0"), out=tmp_path / "run")
    )
    assert run.facts["recipe"]["balance"] == balance and run.facts["status"] == "ok"


def test_no_number_ends_it_and_nothing_is_kept(photos, tmp_path):
    run = run_training(
        Training(str(photos), **NET, settings=("learning_rate=1e30", "clip_norm=none"), out=tmp_path / "run")
    )
    assert run.facts["status"].startswith("failed: ")
    assert not run.bundle.exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"model": "lenet6"}, "unknown model"),
        ({"model": "enet"}, "enet does not classify"),
        ({"recipe": "modrn"}, "did you mean modern"),
        ({"settings": ("lerning_rate=1",)}, "did you mean"),
        ({"settings": ("arguments.drop_path=0.1",)}, "unknown argument of lenet5 'drop_path'"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"input_size": 3}, "cannot take 3 px"),
        ({"val": 0.7}, "from 0 to 0.5"),
        ({"val": 0.0, "recipe": "resnet"}, "no image validates"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(photos, tmp_path, asked, says):
    with pytest.raises(OpsinError, match=says) as error:
        run_training(Training(**{"data": str(photos), "model": "lenet5", "out": tmp_path / "run"} | asked))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_too_little_memory_is_one_line(photos, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")

    states = []
    monkeypatch.setattr(engine, "train_step", full)
    with pytest.raises(OpsinError, match="cpu has too little memory for a step") as error:
        asked = Training(str(photos), **NET, out=tmp_path / "run")
        run_training(asked, follow=lambda folder, state: states.append(state))
    assert "\n" not in str(error.value) and states == ["training", "stopped"]


def test_what_breaks_a_run_leaves_its_page_stopped(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "train_step", lambda *_: 1 // 0)
    states = []
    with pytest.raises(ZeroDivisionError):
        run_training(Training(str(photos), **NET, out=tmp_path / "run"), follow=lambda _, state: states.append(state))
    assert states == ["training", "stopped"]


def test_it_can_be_resumed_from_another_folder(whole, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos.parent)
    with pytest.raises(Stopped):
        stopping(photos.name, tmp_path / "run", monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert same(weights(run_training(resume(Path("run")))), weights(whole[0]))


def stopping(data, out, monkeypatch):
    """A run that is stopped after its first step."""
    step = engine.train_step

    def signalled(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(engine, "train_step", signalled)
        run_training(Training(data, **NET, out=out), signals=True)


def test_a_checkpoint_after_so_many_steps(photos, tmp_path, monkeypatch):
    saved, save = [], Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, state: saved.append(state.step) or save(self, state))
    asked = Training(str(photos), **NET, settings=("batch_size=9",), out=tmp_path / "run", save_steps=3)
    run_training(asked)
    assert len(saved) >= 2 and all(b - a <= 3 for a, b in itertools.pairwise([0, *saved])), saved
    with pytest.raises(OpsinError, match="--save-steps must be at least 1"):
        Training(str(photos), **NET, save_steps=0)


def test_deterministic_operations_alone(whole, photos, tmp_path, monkeypatch):
    step, allowed = engine.train_step, []

    def seen(*arguments):
        allowed.append(torch.are_deterministic_algorithms_enabled())
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", seen)
    run = run_training(Training(str(photos), **NET, out=tmp_path / "run", deterministic=True))
    assert all(allowed) and not torch.are_deterministic_algorithms_enabled()
    assert same(weights(run), weights(whole[0]))


def test_other_processes_are_said(whole, photos, tmp_path):
    shutil.copytree(whole[0].folder, tmp_path / "run")
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    (tmp_path / "run" / "plan.json").write_text(json.dumps(plan | {"processes": 3}))
    heard = Heard()
    run_training(resume(tmp_path / "run"), heard)
    assert "it began with 3 processes and goes on with 1: its bits will be others" in heard.lines


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler")
def test_compiled_steps_are_nearly_those_of_eager(whole, photos, tmp_path):
    run = run_training(Training(str(photos), **NET, out=tmp_path / "run", compiled=True))
    assert run.facts["compiled"] is True
    for name, value in weights(run).items():
        torch.testing.assert_close(value, weights(whole[0])[name], rtol=1e-3, atol=1e-4)
    with pytest.raises(OpsinError, match="holds another run \\(other compiled\\)"):
        run_training(Training(str(photos), **NET, out=tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_run_goes_on_to_the_same_bits(photos, tmp_path, monkeypatch):
    """A batch of 8 and four of 7 an epoch: what goes on at the second one compiles for 7 images first."""
    asked = {**NET, "settings": ("batch_size=8",), "compiled": True}
    unbroken = run_training(Training(str(photos), **asked, out=tmp_path / "whole"))
    torch.compiler.reset()
    taken, step = [], engine.train_step

    def signalled(*arguments):
        taken.append(len(arguments[1]))
        if len(taken) == 1:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(engine, "train_step", signalled)
    with pytest.raises(Stopped):
        run_training(Training(str(photos), **asked, out=tmp_path / "run"), signals=True)
    torch.compiler.reset()
    run = run_training(resume(tmp_path / "run"))
    assert taken[:3] == [8, 7, 7] and len(taken) == 10
    assert same(weights(run), weights(unbroken))


def test_what_cannot_be_compiled_is_one_line(photos, tmp_path, monkeypatch):
    def broken(net, **options):
        raise torch._dynamo.exc.TorchDynamoException("no compiler\nhere")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(OpsinError, match="lenet5 cannot be compiled here: leave --compile out") as error:
        run_training(Training(str(photos), **NET, out=tmp_path / "run", compiled=True))
    assert "\n" not in str(error.value)


def test_arguments_of_a_recipe_go_to_networks_that_have_them(photos):
    recipe, notes = Training(str(photos), "lenet5", recipe="convnext").fitted_recipe(1000, 3)
    assert recipe.arguments == {} and notes[-1] == "without drop_path, which the network does not have"
    recipe, notes = Training(str(photos), "convnext_32", recipe="convnext").fitted_recipe(1000, 3)
    assert recipe.arguments == {"drop_path": 0.1} and "without" not in " ".join(notes)


def test_no_run_to_resume(tmp_path):
    with pytest.raises(OpsinError, match="holds no run"):
        resume(tmp_path)
