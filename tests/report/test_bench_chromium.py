"""The page of a bench in a browser: every chart is drawn, nothing is logged, no width scrolls sideways."""

import re

import pytest
from bench_sample import made
from test_chromium import CHROMIUM, dump, without_policy
from test_history_chromium import MEASURE

from opsin.report.bench.page import write_bench

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_bench(tmp_path_factory.mktemp("page") / "bench.html", made(power=True))


def test_the_charts_are_drawn_and_nothing_is_logged(written, tmp_path):
    dom, logged = dump(written, tmp_path / "profile")
    assert logged == []
    assert 'data-charts="18 rendered"' in dom
    for name in ("ResNet-50", "VGG-16", "MobileNetV2 ×1.00"):
        assert re.search(rf"<text[^>]*>{name}</text>", dom)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_scrolls_sideways(written, tmp_path, width):
    measure = MEASURE.partition("const seen")[0] + "parent.postMessage([root.scrollWidth - root.clientWidth], '*'); });"
    opened = without_policy(written, measure)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    dom, _ = dump(frame, tmp_path / "profile")
    assert "<title>0</title>" in dom
