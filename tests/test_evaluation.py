"""`opsin evaluate`: figures against scikit-learn's and the network called by hand, the files, and what can go wrong."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics as sk
from torchvision.transforms.v2.functional import hflip, resize

from opsin import evaluation, zoo
from opsin.bundle import Bundle
from opsin.data.preprocess import Preprocess
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.data.split import divide
from opsin.data.views import views
from opsin.engine.world import World
from opsin.errors import OpsinError
from opsin.evaluation import evaluate
from opsin.predict import predict
from opsin.runtime.answers import answers, together
from opsin.weights import imagenet
from opsin.weights.create import Origin

CLASSES = ("zebra", "<b>", "cat", "dog", "eel", "fox", "gnu")
HERE = ("cat", "dog", "eel")
PREPROCESS = Preprocess(size=32, channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), interpolation="bilinear")


def bundle(model="resnet20_cifar", **more):
    torch.manual_seed(0)
    arguments = {"num_classes": 7, "in_chans": 3} | ({"input_size": 32} if zoo.card(model).inputs.fixed else {})
    net = zoo.build_model(model, **arguments).eval()
    return Bundle(net, model, arguments, CLASSES, PREPROCESS, {}, {}, **more)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Seven images in each of three classes, 40 px high, of several widths."""
    folder, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(21):
        path = folder / HERE[i % 3] / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (40, (60, 40, 70)[i % 2], 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, photos):
    """A bundle on the disk that was trained on the photos."""
    folder = tmp_path_factory.mktemp("run") / "bundle"
    bundle(data=scan(load(photos)).fingerprint).write(folder)
    return folder


@pytest.fixture(scope="module")
def found(photos):
    return evaluate(bundle(), photos)


def by_hand(own, images):
    """Probabilities [V, K] of PIL images, each as it is."""
    batch = [torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in images]
    with torch.inference_mode():
        return torch.cat([own.net(PREPROCESS.normalize(image)).softmax(1) for image in batch]).double().numpy()


def test_figures_are_scikit_learns(found):
    truth, logits = found.truth, torch.from_numpy(found.logits)
    chances, answers = logits.double().softmax(1).numpy(), logits.argmax(1).numpy()
    assert [CLASSES[k] for k in truth] == [found.source.classes[k] for k in found.source.labels]
    figures, labels = found.figures, range(7)
    assert figures["n"] == 21
    assert figures["top1"] == pytest.approx(sk.accuracy_score(truth, answers))
    assert figures["top5"] == pytest.approx(sk.top_k_accuracy_score(truth, chances, k=5, labels=labels))
    assert figures["log_loss"] == pytest.approx(sk.log_loss(truth, chances, labels=labels))
    assert figures["brier"] == pytest.approx(sk.brier_score_loss(truth, chances, labels=labels))
    present = [2, 3, 4]
    f1 = sk.f1_score(truth, answers, labels=present, average="macro", zero_division=0)
    assert figures["macro_f1"] == pytest.approx(f1)
    assert (found.confusion == sk.confusion_matrix(truth, answers, labels=labels)).all()


def test_single_crops_are_those_of_predict(found, photos):
    own = bundle()
    files = [photos / name for name in found.source.ids]
    for k, prediction in enumerate(predict(own, files, top=7)):
        chances, order = torch.from_numpy(found.logits[k]).softmax(0).topk(7)
        assert prediction.classes == tuple(CLASSES[i] for i in order)
        assert prediction.probabilities == tuple(chances.tolist())


def test_ten_crops_are_the_mean_of_ten(photos):
    own = bundle()
    found = evaluate(own, photos, crops="ten", batch_size=7)
    assert found.facts["views"] == 10
    for k in (0, 20):
        image = found.source.image(k)
        short = 40 / 37  # 32 * 256 / 224 is 37
        wide = int(37 * image.width / 40)
        lefts, tops = (0, wide - 32, 0, wide - 32, round((wide - 32) / 2)), (0, 0, 5, 5, 2)
        boxes = [
            (left * image.width / wide, top * short, (left + 32) * image.width / wide, (top + 32) * short)
            for left, top in zip(lefts, tops, strict=True)
        ]
        crops = [image.resize((32, 32), Image.Resampling.BILINEAR, box=box) for box in boxes]
        mean = by_hand(own, [*crops, *map(hflip, crops)]).mean(0)
        assert np.exp(found.logits[k]) == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_scales_are_the_mean_over_whole_images(photos, batch_size):
    own = bundle()
    found = evaluate(own, photos, scales=(24, 40, 44), batch_size=batch_size)
    assert found.facts["views"] == 6
    for k in (0, 8, 20):
        image = found.source.image(k)
        whole = [image if scale == 40 else resize(image, [scale]) for scale in (24, 40, 44)]
        mean = by_hand(own, [*whole, *map(hflip, whole)]).mean(0)
        assert np.exp(found.logits[k]) == pytest.approx(mean, abs=1e-5)


def test_scales_of_a_network_of_one_size(photos):
    own = bundle("lenet5")
    found = evaluate(own, photos, scales=(32, 40))
    image = found.source.image(0)
    left = (image.width - 32) // 2
    views = [PREPROCESS.pixels(image).transpose(1, 2, 0), np.array(image)[4:36, left : left + 32]]
    mean = by_hand(own, [view for each in views for view in (each, each[:, ::-1].copy())]).mean(0)
    assert np.exp(found.logits[0]) == pytest.approx(mean, abs=1e-5)
    with pytest.raises(OpsinError, match="lenet5 takes no images below 32 px"):
        evaluate(own, photos, scales=(28,))


def test_the_test_part_of_its_training_is_taken(trained, photos):
    source = load(photos)
    found = evaluate(trained, photos)
    assert found.facts["part"] == "test"
    assert found.source.ids == tuple(source.ids[i] for i in divide(scan(source)).rows("test"))
    assert "which it has not seen" in found.notes[0]
    assert evaluate(trained, photos, part="all").figures["n"] == 21


def test_the_command_writes_what_it_finds(trained, photos, tmp_path, opsin):
    files = [tmp_path / "deep" / name for name in ("all.json", "each.csv", "page.html")]
    options = ("--part", "all", "--out", files[0], "--predictions", files[1], "--page", files[2])
    code, out, err = opsin("evaluate", trained, photos, *options)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines()[:-3])) <= 80
    assert out.splitlines()[-3:] == [str(file) for file in files]
    for word in ("top-1", "balanced accuracy", "calibration error", "taken for", "trained it and"):
        assert word in out
    found = evaluate(trained, photos, part="all")
    kept = json.loads(files[0].read_text())
    assert kept["figures"] == json.loads(json.dumps(found.figures))
    zebra = next(each for each in kept["by_class"] if each["class"] == "zebra")
    assert (zebra["support"], zebra["recall"], zebra["precision"], zebra["f1"]) == (0, None, None, None)
    assert sum(cell["count"] for cell in kept["confusion"]) == 21
    with files[1].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == list(found.source.ids)
    assert [row["truth"] == row["predicted"] for row in rows] == (found.predicted == found.truth).tolist()
    assert [float(row["probability5"]) for row in rows] == pytest.approx(found.likeliest[1][:, 4], rel=1e-5)
    assert len(list((tmp_path / "deep").iterdir())) == 3
    code, out, err = opsin("evaluate", trained, photos, "--part", "all", "--json")
    assert json.loads(out)["figures"] == kept["figures"]


def test_images_that_cannot_be_read(tmp_path, photos, opsin):
    bundle().write(tmp_path / "bundle")
    for name in HERE:
        (tmp_path / "some" / name).mkdir(parents=True)
        for file in sorted((photos / name).iterdir())[:2]:
            (tmp_path / "some" / name / file.name).write_bytes(file.read_bytes())
    for name in ("cat/bad.png", "dog/empty.png"):
        (tmp_path / "some" / name).write_bytes(b"\x89PNG\r\n\x1a\n" if "bad" in name else b"")
    code, out, err = opsin("evaluate", tmp_path / "bundle", tmp_path / "some")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "2 of 8 images" in err
    assert "cat/bad.png" in err and "dog/empty.png" in err and "--skip-bad" in err
    code, out, err = opsin("evaluate", tmp_path / "bundle", tmp_path / "some", "--skip-bad", "--json")
    assert code == 0
    assert json.loads(out)["figures"]["n"] == 6
    assert [line.split(":")[1] for line in err.splitlines()] == [" left out", " left out"]


@pytest.mark.parametrize("how", [{}, {"crops": "ten"}, {"scales": (24, 44)}])
def test_shares_together_are_the_whole(photos, tmp_path, how):
    """To the last bit, whatever cannot be read: seven processes, some of them without an image, and one."""
    for path in (photos / name for name in load(photos).ids):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(b"" if path.stem in ("03", "07") else path.read_bytes())
    own, source = bundle(), load(tmp_path)
    shown = views(PREPROCESS, zoo.card(own.model).inputs, own.model, **({"crops": "single", "scales": ()} | how))

    def ask(here):
        return answers(own.net, PREPROCESS, source, shown, here=here, batch_size=4 * shown.count, skip_bad=True)

    whole = ask(World())
    shares = [ask(World(rank, 7)) for rank in range(7)]
    joined = together(shares, source, skip_bad=True)
    assert [len(share.rows) + len(share.bad) for share in shares] == [4, 4, 0, 4, 4, 0, 5]
    assert (len(joined.bad), joined.bad) == (2, whole.bad)
    assert joined.rows.tolist() == whole.rows.tolist()
    assert joined.logits.tobytes() == whole.logits.tobytes()
    with pytest.raises(OpsinError, match=r"2 of 21 images .*03\.png.*07\.png"):
        together(shares, source)


def torchrun(*arguments):
    """Two processes of the command line: (exit code, stdout, what Opsin says)."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "opsin"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment)
    return ran.returncode, ran.stdout, [line for line in ran.stderr.splitlines() if line.startswith("opsin: ")]


@pytest.mark.slow
def test_two_processes_find_what_one_finds(photos, tmp_path, opsin):
    bundle().write(tmp_path / "bundle")
    for name in load(photos).ids:
        (tmp_path / "some" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "some" / name).write_bytes(b"" if "19" in name else (photos / name).read_bytes())
    asked = ("evaluate", tmp_path / "bundle", tmp_path / "some", "--crops", "ten", "--device", "cpu")
    code, _, said = torchrun(*asked)
    assert (code, len(said)) == (1, 1)
    assert "1 of 21 images" in said[0]
    asked = (*asked, "--skip-bad", "--json", "--predictions")
    code, out, said = torchrun(*asked, tmp_path / "two.csv")
    assert code == 0
    assert [line.split(":")[1] for line in said] == [" left out"]
    _, alone, _ = opsin(*asked, tmp_path / "one.csv")
    assert json.loads(out) == json.loads(alone) | {"processes": 2}
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_public_weights_know_imagenets_classes(tmp_path, monkeypatch):
    """Without a download: a network of 1000 classes that says that it is torchvision's."""
    net = zoo.build_model("resnet20_cifar", num_classes=1000).eval()
    net.origin = Origin("torchvision:IMAGENET1K_V1", "net.pth", "0", "", PREPROCESS)
    monkeypatch.setattr(evaluation, "create_model", lambda name, weights: net)
    for name in ("n02102040", "n01440764"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40), (9, 99, 9)).save(tmp_path / name / "a.png")
    found = evaluate("resnet18", tmp_path, weights="torchvision")
    assert found.classes == imagenet.synsets()
    assert found.truth.tolist() == [0, 217]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("998 of the network's 1,000 classes have no image here: n01443537, n01484850, ")
    net.origin = replace(net.origin, name="mine.safetensors")
    with pytest.raises(OpsinError, match="does not say which 1,000 classes it tells apart"):
        evaluate("resnet18", tmp_path)


def test_a_loss_that_trains_no_probabilities_is_said(photos):
    (_, note) = evaluate(replace(bundle(), recipe={"loss": "squared"}), photos).notes
    assert note.startswith("trained with the loss squared: the softmax")


def test_images_in_groups_have_no_interval(photos, opsin, tmp_path):
    bundle(split={"groups": r"/(\d)"}).write(tmp_path / "bundle")
    page = tmp_path / "page.html"
    code, out, err = opsin("evaluate", tmp_path / "bundle", photos, "--page", page)
    assert (code, err) == (0, "")
    assert out.count("images come in groups: no interval") == 2
    assert "On the whole:" in page.read_text()


def test_numbers_that_are_not_finite(photos):
    own = bundle()
    with torch.no_grad():
        own.net.get_classifier().bias[0] = float("nan")
    with pytest.raises(OpsinError, match=r"not finite for cat/00\.png.* and 11 more"):
        evaluate(own, photos)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--part", "tset"), "unknown --part 'tset'; did you mean test"),
        (("--crops", "five"), "unknown --crops 'five'"),
        (("--scales", "40,x"), "--scales 40,x: write short sides"),
        (("--scales", "4"), "takes no images below 8 px"),
        (("--out", "all.txt"), "name a file that ends with .json"),
        (("--predictions", "setup.cfg"), "name a file that ends with .csv"),
        (("--batch-size", "0"), "--batch-size must be at least 1"),
        (("--weights", "timm"), "--weights is for networks by their name"),
        (("--backend", "openvin"), "did you mean openvino?"),
        (("--device", "tpu"), "unknown device"),
    ],
)
def test_what_is_wrong_is_said(trained, photos, opsin, arguments, says):
    code, out, err = opsin("evaluate", trained, photos, *arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_no_such_network(photos, opsin):
    for name, says in (("resnet81", "unknown bundle or network 'resnet81'; did you mean"), ("a/b", "no bundle at a/b")):
        code, _, err = opsin("evaluate", name, photos)
        assert (code, len(err.splitlines())) == (1, 1)
        assert says in err


def test_a_network_of_another_task(photos):
    with pytest.raises(OpsinError, match=r"enet does not classify images \(its task: segment\)"):
        evaluate(replace(bundle(), model="enet"), photos)
