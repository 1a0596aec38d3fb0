"""The page of the zoo in a browser: drawn, silent, at desktop and phone width, its networks chosen, and printed."""

import json
import re
import shutil
import subprocess

import pytest
from test_chromium import CHROMIUM, FLAGS, dump, without_policy
from test_history_page import one_block_each

from opsin.costs.blocks import blocks_of
from opsin.report.history.page import write_history

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    blocks = one_block_each() | {name: blocks_of(name) for name in ("vgg16", "resnet50", "resnet152")}
    return write_history(tmp_path_factory.mktemp("page") / "history.html", blocks)


def test_the_charts_are_drawn_and_nothing_is_logged(written, tmp_path):
    dom, logged = dump(written, tmp_path / "profile")
    assert logged == []
    assert 'data-charts="2 rendered"' in dom
    for name in ("ResNet-50", "ConvNeXt tiny", "VGG-16", "MobileNetV2 ×1.00"):
        assert re.search(rf"<text[^>]*>{name}</text>", dom)
    assert "vgg16 does 4 times as many operations as resnet50, with 5.4 times as many parameters" in dom


CHOOSE = """
addEventListener("load", () => {
  const [first, second, third] = document.querySelectorAll(".choices select");
  const choose = (select, name) => { select.value = name; select.dispatchEvent(new Event("change")); };
  const seen = () => [...document.querySelectorAll("#sides article")].map((side) => [
    side.querySelector(".name").textContent,
    side.querySelectorAll("tbody tr").length,
    side.querySelector("tfoot").textContent.replaceAll("\\u00a0", " "),
    Math.max(...[...side.querySelectorAll("td:nth-child(3) .bar")].map((bar) => parseFloat(bar.style.width))),
  ]);
  const steps = [seen()];
  choose(first, "resnet152"); choose(third, "vgg16"); steps.push(seen());
  const story = document.getElementById("blocks-story").textContent;
  choose(third, ""); choose(first, "resnet50"); steps.push(seen());
  document.body.textContent = JSON.stringify({ steps, story });
});
"""


def test_networks_are_chosen_and_share_a_scale(written, tmp_path):
    dom, logged = dump(without_policy(written, CHOOSE), tmp_path / "profile")
    assert logged == []
    found = json.loads(re.sub(r"<[^>]*>", "", dom).strip().splitlines()[-1])
    start, three, two = found["steps"]
    assert [side[:3] for side in start] == [["vgg16", 16, "Total15.5 G138 M"], ["resnet50", 18, "Total3.86 G25.6 M"]]
    assert start[0][3] == 100
    assert start[1][3] == pytest.approx(100 * 295_436_288 / 1_849_688_064, abs=0.01)
    assert [side[:2] for side in three] == [["resnet152", 10], ["resnet50", 18], ["vgg16", 16]]
    assert three[0][3] == 100  # 35 blocks as one
    assert (
        found["story"] == "resnet152 does 2.9 times as many operations as resnet50, with 2.4 times as many parameters"
    )
    assert [side[0] for side in two] == ["resnet50", "resnet50"]


MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement;
  const seen = (what) => document.querySelector(what).getBoundingClientRect().height > 300;
  const shown = ["wide", "narrow"].map((size) => seen(`.timeline.${size}`) + "," + seen(`.chart.${size}`));
  parent.postMessage([root.scrollWidth - root.clientWidth, innerWidth, ...shown], "*");
});
"""


@pytest.mark.parametrize(("width", "shown"), [(390, "false,false,true,true"), (1280, "true,true,false,false")])
def test_no_width_scrolls_sideways(written, tmp_path, width, shown):
    opened = without_policy(written, MEASURE)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    dom, _ = dump(frame, tmp_path / "profile")
    assert f"<title>0,{width},{shown}</title>" in dom


def test_print_holds_charts_cards_and_what_is_folded(written, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    pdf = tmp_path / "page.pdf"
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", written.as_uri()]
    subprocess.run(command, capture_output=True, timeout=180, check=True)
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout
    told = " ".join(text.split())
    for part in (
        "operations for one image (log scale)",
        "The figure as a table",
        "densenet_bc190_k40_cifar",
        "Backpropagation Applied to Handwritten Zip Code Recognition",
        "https://arxiv.org/abs/2201.03545",
        "198 M",
        "197,767,336",
    ):
        assert part in told
    assert "First network" not in told
