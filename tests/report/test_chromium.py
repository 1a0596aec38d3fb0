"""The page in a browser: every chart is drawn, nothing is logged, no hostile name runs, no phone scrolls sideways."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sample import mixed, write
from sample import records as sample_records
from test_gains_page import two_recipes
from test_page import hostile

from opsin.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=20000",
]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def dump(page: Path, profile: Path, *more: str) -> tuple[str, list[str]]:
    """A page's document after its scripts have run, and what they logged."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *more, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def without_policy(page: Path, script: str = "") -> Path:
    """A copy of the page that lets any script run, and runs `script` at its end."""
    html = page.read_text(encoding="utf-8")
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    copy = page.with_name("open.html")
    before, _, after = html.rpartition("</body>")
    copy.write_text(f"{before}<script>{script}</script></body>{after}", encoding="utf-8")
    return copy


def test_all_charts_are_drawn_and_nothing_is_logged(tmp_path):
    dom, logged = dump(write_page(write(tmp_path / "out", *sample_records())), tmp_path / "profile")
    assert 'data-charts="16 rendered"' in dom
    assert dom.count('data-rendered="true"') == 16
    assert logged == []
    for name in ("ResNet-20", "MobileNetV2", "ConvNeXt"):
        assert re.search(rf"<text[^>]*>{name}</text>", dom)


def test_starts_are_drawn_apart(tmp_path):
    dom, logged = dump(write_page(write(tmp_path / "out", *mixed())), tmp_path / "profile")
    assert 'data-charts="10 rendered"' in dom
    assert logged == []
    for start in ("from scratch", "probed", "fine-tuned"):
        assert re.search(rf"<text[^>]*>ResNet-20 {start}</text>", dom)
    chart = dom.partition('data-chart="operations-wide"')[2].partition("</svg>")[0]
    assert len(re.findall(r'd="M-[\d.]+,0L0,[^"]*Z" fill="var\(--paper\)"', chart)) == 2  # hollow diamonds
    assert len(re.findall(r'd="M(-[\d.]+),\1h[^"]*Z" fill="var\(--y', chart)) == 2  # squares


def test_recipes_are_joined(tmp_path):
    """Four networks under two recipes: four lines, a hollow mark at the one end and a filled one at the other."""
    dom, logged = dump(write_page(write(tmp_path / "out", *two_recipes())), tmp_path / "profile")
    assert 'data-charts="16 rendered"' in dom
    assert logged == []
    chart = dom.partition('data-chart="gain-0-wide"')[2].partition("</svg>")[0]
    hollow = re.findall(r'<path[^>]* fill="var\(--paper\)" stroke="var\(--y\d\)"', chart)
    assert len(hollow) == 4
    assert len(re.findall(r'stroke-width="1.75"', chart)) == 4
    for name in ("LeNet-1989", "AlexNet", "ResNet-20", "ConvNeXt"):
        assert re.search(rf"<text[^>]*>{name}</text>", chart)


@pytest.mark.parametrize("guarded", [True, False])
def test_hostile_names_run_nothing(tmp_path, guarded):
    attack = "document.documentElement.dataset.hacked=1"
    text = f"</script><script>{attack}</script><img src=x onerror={attack}>"
    page = write_page(write(tmp_path / "out", *hostile(text)))
    dom, logged = dump(page if guarded else without_policy(page), tmp_path / "profile")
    assert "<html" in dom
    assert "data-hacked=" not in dom.partition(">")[2].partition(">")[0]
    assert 'data-charts="15 rendered"' in dom
    assert logged == []


SORT = """
addEventListener("load", () => {
  const table = document.querySelector("table.sortable");
  const head = (title) => [...table.tHead.rows[0].cells].find((cell) => cell.textContent.startsWith(title));
  const order = () => [...table.tBodies[0].rows].map((row) => row.querySelector("code").textContent).join(" ");
  const seen = {};
  for (const title of ["Network", "Parameters", "Parameters", "Latency p50"]) {
    head(title).querySelector("button").click();
    const marked = [...table.querySelectorAll("[aria-sort]")].map((cell) => cell.getAttribute("aria-sort"));
    seen[`${title} ${marked}`] = order();
  }
  document.body.textContent = JSON.stringify(seen);
});
"""


def test_the_table_sorts_and_keeps_what_is_missing_last(tmp_path):
    results, page = sample_records(networks=4)
    results["rows"][1]["latency_ms_p50"] = None
    opened = without_policy(write_page(write(tmp_path / "out", results, page)), SORT)
    dom, _ = dump(opened, tmp_path / "profile")
    seen = dict(re.findall(r'"([^"]+)":"([^"]+)"', dom))
    assert seen == {
        "Network ascending": "ciresan_mlp2 lenet1989 lenet5 resnet20_cifar",
        "Parameters descending": "ciresan_mlp2 resnet20_cifar lenet5 lenet1989",
        "Parameters ascending": "lenet1989 lenet5 resnet20_cifar ciresan_mlp2",
        "Latency p50 descending": "resnet20_cifar ciresan_mlp2 lenet1989 lenet5",
    }


MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement;
  const drawn = document.querySelector(".narrow").offsetHeight > 300;
  parent.postMessage([root.scrollWidth - root.clientWidth, innerWidth, drawn], "*");
});
"""


def test_a_phone_does_not_scroll_sideways(tmp_path):
    names = [f"a class with quite a long name, and {k}_without_any_break_in_its_name.png" for k in range(12)]
    opened = without_policy(write_page(write(tmp_path / "out", *sample_records(names))), MEASURE)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:375px;height:800px;border:0"></iframe>'
    )
    dom, _ = dump(frame, tmp_path / "profile")
    assert "<title>0,375,true</title>" in dom


def test_print_holds_every_chart_and_opens_what_is_folded(tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this machine")
    page = write_page(write(tmp_path / "out", *sample_records()))
    pdf = tmp_path / "page.pdf"
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=180, check=True)
    text = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True).stdout
    for told in (
        "operations for one image (log scale)",
        "Median ms for one image",
        "Year of publication",
        "label_smoothing",
        "The paper counts no biases",
        "MobileNetV2",
    ):
        assert told in text
