"""The page of a network in a browser: silent, a slide at 1280 x 720, no wider than a phone, whole in print."""

import shutil
import subprocess

import pytest
from test_chromium import CHROMIUM, FLAGS, dump, without_policy

from opsin import zoo
from opsin.costs.blocks import sheet_of
from opsin.report.sheet.page import write_sheet

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
SOME = (
    "lenet5",
    "ciresan_mlp5",
    "vgg16",
    "googlenet",
    "resnet50",
    "inception_v3",
    "vit_base_patch16_224",
    "swin_32",
    "enet",
)


def written(folder, name):
    return write_sheet(folder / f"{name}.html", zoo.card(name), *sheet_of(name))


MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement;
  const shown = [...document.querySelectorAll("svg.net")].filter((svg) => svg.getBoundingClientRect().height > 0);
  const below = shown[0].getBoundingClientRect().bottom <= 720;
  const wide = root.scrollWidth - root.clientWidth;
  parent.postMessage([wide, innerWidth, shown.length, shown[0].classList[1], below], "*");
});
"""


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(("width", "shown"), [(390, "narrow"), (1280, "wide,true")])
def test_a_slide_and_a_phone(tmp_path, name, width, shown):
    opened = without_policy(written(tmp_path, name), MEASURE)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:720px;border:0"></iframe>'
    )
    dom, logged = dump(frame, tmp_path / "profile")
    title = dom.partition("<title>")[2].partition("</title>")[0]
    assert logged == []
    assert title.startswith(f"0,{width},1,{shown}")


def test_print_holds_slide_table_and_card(tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    pdf = tmp_path / "page.pdf"
    assert CHROMIUM is not None
    source = written(tmp_path, "resnet50")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", source.as_uri()]
    subprocess.run(command, capture_output=True, timeout=180, check=True)
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    first = text.partition("\f")[0]
    for part in ("ResNet-50", "14×14", "483", "6.04M", "whole image"):
        assert part in first
    assert "25,557,032" in text
    assert "stages.0.0.conv2" not in text  # layers are folded
