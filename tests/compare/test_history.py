"""The line-up history: the small network of every family, through the main job."""

import pytest

from opsin import zoo
from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.errors import OpsinError
from opsin.lineups import LINEUPS, choose
from opsin.report.page import write_page


def test_what_does_not_classify_is_refused_in_one_line():
    with pytest.raises(OpsinError, match=r"enet does not classify images \(segment\): compare takes those that do"):
        choose(("resnet18", "enet"), None, 32)


@pytest.mark.slow
def test_every_family_passes_through_the_main_job(tmp_path):
    """Three epochs without probes: 27 networks train, are measured, and stand on the page."""
    done = run_comparison(Request("digits", lineup="history", seeds=1, epochs=3, tune=False, out=tmp_path / "out"))
    rows = {row["model"]: row for row in done.results["rows"]}
    assert set(rows) == set(LINEUPS["history"])
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert len({row["family"] for row in rows.values()}) == len(zoo.FAMILIES) >= 25
    learned = [name for name, row in rows.items() if row["top1_mean"] > 0.3]  # chance is 0.1
    assert len(learned) >= 20, {name: row["top1_mean"] for name, row in rows.items()}
    page = write_page(done.folder).read_text(encoding="utf-8")
    assert all(name in page for name in rows)
