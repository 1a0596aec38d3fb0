"""The page of the claims in a browser: drawn, silent, sifted, at desktop and phone width, and printed."""

import json
import re
import shutil
import subprocess

import pytest
from claims_sample import charts, modules, record, records, write
from test_chromium import CHROMIUM, FLAGS, dump, without_policy
from test_claims_page import hostile

from opsin.report.claims.page import write_claims

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    return write_claims(write(folder / "records", records()), folder / "claims.html")


def chart(dom: str, name: str) -> str:
    return dom.partition(f'data-chart="{name}"')[2].partition("</svg>")[0]


def test_the_charts_are_drawn_and_nothing_is_logged(written, tmp_path):
    dom, logged = dump(written, tmp_path / "profile")
    assert logged == []
    placed = len(re.findall(r"data-chart=", dom))
    assert f'data-charts="{placed} rendered"' in dom
    for name in ("plain 20", "residual 56"):
        assert re.search(rf"<text[^>]*>{name}</text>", chart(dom, "D01-0-wide"))
    bars = re.findall(r'd="M[\d.]+,[\d.]+h([\d.]+)v21h[^"]*" fill="var\(--c\d\)"', chart(dom, "D02-0-wide"))
    assert len(bars) == len(charts()["bars"]["rows"])
    lines = chart(dom, "D01-0-wide")
    assert len(set(re.findall(r'stroke-dasharray="([\d,]+)"', lines))) >= 3
    assert len(re.findall(r"var\(--c\d\)", lines)) >= 4


@pytest.mark.parametrize("guarded", [True, False])
def test_hostile_texts_run_nothing(tmp_path, guarded):
    found = [hostile(each) for each in records()]
    text = "</script><script>document.documentElement.dataset.hacked=1</script>"
    for each in found:
        each["statement"] = f"{text}<img src=x onerror=document.documentElement.dataset.hacked=1>"
    page = write_claims(write(tmp_path / "records", found), tmp_path / "claims.html")
    dom, logged = dump(page if guarded else without_policy(page), tmp_path / "profile")
    assert "data-hacked=" not in dom.partition(">")[2].partition(">")[0]
    assert re.search(r'data-charts="\d+ rendered"', dom)
    assert logged == []


SIFT = """
addEventListener("load", () => {
  const sift = document.getElementById("sift");
  const seen = () => [...document.querySelectorAll("article.claim:not([hidden])")].map((claim) => claim.id);
  const set = (name, value, on) => {
    const box = [...sift.elements].find((box) => box.name === name && (value === null || box.value === value));
    box.checked = on;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const steps = [sift.hidden, seen().length];
  set("kind", "training", false); steps.push(seen());
  set("wrong", null, true); set("verdict", "holds", false); steps.push(seen());
  steps.push(document.getElementById("sifted").textContent);
  steps.push(document.querySelectorAll("section.year:not([hidden])").length);
  steps.push(document.querySelectorAll(".piles .out").length);
  location.hash = "#D01";
  setTimeout(() => {
    steps.push(seen().length, document.getElementById("D01").hidden);
    document.body.textContent = JSON.stringify(steps);
  }, 100);
});
"""


def test_claims_are_sifted_and_a_link_brings_them_back(written, tmp_path):
    dom, logged = dump(without_policy(written, SIFT), tmp_path / "profile")
    assert logged == []
    found = json.loads(re.sub(r"<[^>]*>", "", dom).strip().splitlines()[-1])
    n = len(records())
    assert found == [False, n, ["L01", "A02"], ["A02"], f"1 of {n} claims are shown.", 1, n - 1, n, False]


MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement;
  const seen = (what) => document.querySelector(what).getBoundingClientRect().height > 20;
  const shown = [".piles", ".years-down", ".chart.wide", ".chart.narrow"].map(seen);
  parent.postMessage([root.scrollWidth - root.clientWidth, ...shown], "*");
});
"""


@pytest.mark.parametrize(
    ("width", "shown"),
    [(390, "false,true,false,true"), (800, "true,false,true,false"), (1280, "true,false,true,false")],
)
def test_no_width_scrolls_sideways(tmp_path, width, shown):
    long = record("Z01", statement="unbreakable" * 20, quote="word" * 60, errs="error" * 50, measured="m" * 200)
    page = write_claims(write(tmp_path / "records", [*records(), modules(), long]), tmp_path / "claims.html")
    opened = without_policy(page, MEASURE)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    dom, _ = dump(frame, tmp_path / "profile")
    assert f"<title>0,{shown}</title>" in dom


def test_print_holds_charts_and_no_filter(written, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    pdf = tmp_path / "page.pdf"
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", written.as_uri()]
    subprocess.run(command, capture_output=True, timeout=180, check=True)
    told = " ".join(subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout.split())
    for part in ("residual 56", "block 4", "opsin claims run D01", "does not hold here", "0.886"):
        assert part in told
    assert "only what articles got wrong" not in told
