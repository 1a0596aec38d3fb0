"""The page of a training in a browser: nothing is logged, no width scrolls sideways."""

import pytest
from run_sample import epochs, made
from test_chromium import CHROMIUM, dump, without_policy
from test_history_chromium import MEASURE

from opsin.report.run.page import write_run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.mark.parametrize("state", ["training", "ended"])
def test_nothing_is_logged(tmp_path, state):
    assert dump(write_run(made(tmp_path / "run", epochs(8)), state), tmp_path / "profile")[1] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_scrolls_sideways(tmp_path, width):
    folder = made(tmp_path / ("long" * 40), epochs(60), epochs=60, command="opsin train " + "photos" * 40)
    measure = MEASURE.partition("const seen")[0] + "parent.postMessage([root.scrollWidth - root.clientWidth], '*'); });"
    opened = without_policy(write_run(folder, "ended"), measure)
    opened.write_text(opened.read_text(encoding="utf-8").replace("<details>", "<details open>"), encoding="utf-8")
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    assert "<title>0</title>" in dump(frame, tmp_path / "profile")[0]
