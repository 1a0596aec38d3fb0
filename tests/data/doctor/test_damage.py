"""Damaged files and bombs: each that cannot be decoded is named, nothing else is, and memory stays small."""

import subprocess
import sys
from pathlib import Path

import pytest
from damage import bombs, encoded, mutants, picture
from PIL import Image

from opsin.compare.comparison import run_comparison
from opsin.compare.request import Request
from opsin.data.doctor import Asked, check
from opsin.data.images import FORMATS, MAX_PIXELS, quiet
from opsin.data.scan import scan
from opsin.data.sources import load
from opsin.errors import OpsinError

PEAK = """
import sys
from opsin.data.doctor import Asked, check
from opsin.data.sources import load
found = check(load(sys.argv[1]), Asked(doubts=False))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(found.bad), peak.split()[1])
"""


def good(folder: Path) -> Path:
    for c in "ab":
        (folder / c).mkdir(parents=True)
        for k in range(12):
            (folder / c / f"good-{k}.png").write_bytes(encoded(picture(ord(c) * 100 + k), "PNG"))
    return folder


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A folder of good images, 300 mutated ones and 12 bombs; and the files that Pillow by itself cannot decode."""
    folder = good(tmp_path_factory.mktemp("messy"))
    broken = set()
    with quiet():
        for path in mutants(folder / "a", 300):
            try:
                with Image.open(path, formats=FORMATS) as image:
                    whole = image.width * image.height <= MAX_PIXELS
                    if whole:
                        image.load()
            except Exception:
                whole = False
            if not whole:
                broken.add(f"a/{path.name}")
    for name, content in bombs().items():
        (folder / "b" / name).write_bytes(content)
        broken.add(f"b/{name}")
    return folder, broken


def test_each_is_named_and_no_other(messy, capfd):
    folder, broken = messy
    checked = check(load(folder), Asked(doubts=False))
    named = {error.name: error.reason for _, error in checked.bad}
    assert set(named) == broken and 100 < len(broken) < 300
    assert all(reason and "\n" not in reason for reason in named.values())
    listed = next(finding for finding in checked.to_dict()["findings"] if finding["kind"] == "unreadable")
    assert {item["id"]: item["why"] for item in listed["items"]} == named
    assert checked.faults and capfd.readouterr().err == ""  # libtiff would print there


def test_training_stops_or_leaves_out_exactly_these(messy, tmp_path):
    folder, broken = messy
    with pytest.raises(OpsinError, match=f"^{len(broken)} of "):
        run_comparison(Request(str(folder), models=("lenet5",), epochs=1, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    source = load(folder)
    assert set(source.ids) - set(scan(source, skip_bad=True).source.ids) == broken


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak")
def test_memory_stays_within_64_megabytes_of_a_quiet_run(messy, tmp_path):
    def peak(folder):
        done = subprocess.run([sys.executable, "-c", PEAK, str(folder)], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return map(int, done.stdout.split())

    folder, broken = messy
    bad, with_bombs = peak(folder)
    none, without = peak(good(tmp_path / "quiet"))
    assert (bad, none) == (len(broken), 0)
    assert with_bombs - without < 64 * 1024
