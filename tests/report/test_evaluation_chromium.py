"""The page of an evaluation in a browser: nothing is logged, no width scrolls sideways, the table sorts."""

import pytest
from evaluation_sample import made
from test_chromium import CHROMIUM, dump, without_policy
from test_history_chromium import MEASURE

from opsin.report.evaluation.page import write_evaluation

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

SORT = """
addEventListener("load", () => {
  const table = document.querySelector(".classes");
  table.tHead.rows[0].cells[0].querySelector("button").click();
  document.title = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join("|");
});
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("page") / "evaluation.html", made(60, 2000))


def test_nothing_is_logged_and_the_table_sorts(written, tmp_path):
    assert dump(written, tmp_path / "profile")[1] == []
    dom, logged = dump(without_policy(written, SORT), tmp_path / "profile")
    assert logged == []
    assert f"<title>{'|'.join(sorted(made(60, 2000).classes))}</title>" in dom


@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_scrolls_sideways(written, tmp_path, width):
    measure = MEASURE.partition("const seen")[0] + "parent.postMessage([root.scrollWidth - root.clientWidth], '*'); });"
    opened = without_policy(written, measure)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    assert "<title>0</title>" in dump(frame, tmp_path / "profile")[0]
