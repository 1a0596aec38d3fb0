"""`opsin list` and `opsin show`, for people and for machines; the public names; what starting costs."""

import json
import subprocess
import sys

import pytest

import opsin as package
from opsin import zoo


def test_list(opsin):
    code, out, _ = opsin("list", "resnet*_cifar")
    assert code == 0
    assert "resnet20_cifar" in out
    assert "0.27" in out
    assert "plain20_cifar" not in out
    code, out, _ = opsin("list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    code, out, _ = opsin("list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert list(entries) == zoo.list_models()
    assert entries["vit_large_patch16_384"]["macs"] == 191_066_300_416
    code, _, err = opsin("list", "resmet*")
    assert code == 1
    assert "no network matches 'resmet*'" in err


def test_show(opsin):
    code, out, _ = opsin("show", "resnet50_v1_5")
    assert code == 0
    assert "4,089,184,256" in out
    assert "3x3 convolution, not in its first 1x1" in " ".join(out.split())
    code, out, _ = opsin("show", "lenet5", "--json")
    card = json.loads(out)
    assert (card["params"], card["macs"], card["macs_executed"]) == (60_000, 326_520, 326_520 + 36 * 2500)
    assert card["published"][0]["params"] == "60,000"
    code, _, err = opsin("show", "resnet5O")
    assert code == 1
    assert "did you mean" in err


@pytest.mark.parametrize(
    ("name", "says"),
    [("resnet18", "timm:a1_in1k"), ("resnet50", "none: resnet50_v1_5 has"), ("lenet5", "none, nor has its family")],
)
def test_a_card_says_which_weights_are_public(opsin, name, says):
    assert says in " ".join(opsin("show", name)[1].split("Public weights")[1].split())


def test_every_card_can_be_shown(opsin):
    for name in ("lenet1989", "alexnet", "googlenet", "enet", "convnext_32"):
        code, out, _ = opsin("show", name)
        assert code == 0
        assert max(len(line) for line in out.splitlines() if not line.startswith("http")) <= 80


def test_public_names():
    assert package.card("vgg16").params == 138_357_544
    assert package.list_models("vgg1?_bn") == ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]
    assert package.create_model("lenet1989", num_classes=3) is not None
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_nothing_heavy_is_imported_for_help():
    program = (
        "import sys; sys.argv = ['opsin', '--help']\n"
        "from opsin.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'altair', 'pydantic', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
