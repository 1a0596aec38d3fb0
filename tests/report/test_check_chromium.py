"""The page of a data check in a browser: silent, and no wider than a phone."""

import numpy as np
import pytest
from PIL import Image
from test_chromium import CHROMIUM, dump, without_policy

from opsin.data.doctor import check
from opsin.data.sources import load
from opsin.report.doctor.page import write_check

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
MEASURE = """
addEventListener("load", () => {
  const root = document.documentElement;
  const drawn = [...document.images].filter((image) => image.naturalWidth > 0).length;
  parent.postMessage([root.scrollWidth - root.clientWidth, drawn === document.images.length, drawn > 20], "*");
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """With faults, warnings and notes, and names that are long, or would be markup."""
    folder, rng = tmp_path_factory.mktemp("check"), np.random.default_rng(0)
    for part in ("train", "val"):
        for c in ("<b>bold</b>", "an-exceedingly-long-name-of-a-class-without-any-gap-" * 3):
            inside = folder / "data" / part / c.replace("/", "-")
            inside.mkdir(parents=True)
            for k in range(12):
                image = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize((90, 70))
                image.save(inside / f"{k}-{'w' * 60}.png")
            (inside / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
            image.save(inside / "copy.webp", lossless=True)
            image.save(inside / "alike.jpg", quality=60)
            image.convert("L").save(inside / "grey.png")
    return write_check(folder / "check.html", check(load(folder / "data")))


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_silent_and_fits(page, width, tmp_path):
    opened = without_policy(page, MEASURE)
    frame = opened.with_name("frame.html")
    frame.write_text(
        "<script>addEventListener('message', (e) => document.title = e.data)</script>"
        f'<iframe src="{opened.name}" style="width:{width}px;height:800px;border:0"></iframe>'
    )
    dom, logged = dump(frame, tmp_path / "profile")
    assert logged == [] and "<title>0,true,true</title>" in dom
