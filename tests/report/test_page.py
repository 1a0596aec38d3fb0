"""The page as a file: whole, self-contained, with every name escaped, from full records and from poor ones."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sample import records as sample_records
from sample import write

from opsin.errors import OpsinError
from opsin.report.html import json_in_html
from opsin.report.page import render, write_page
from opsin.report.records import Records, read_records

IMAGE = '"><img src=x onerror=alert(1)>'
SCRIPT = "</script><script>alert(1)</script>"


class Reader(HTMLParser):
    """Collects a page's elements, its text outside scripts and styles, and the scripts' texts by type."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.words: list[str] = []
        self._raw: str | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))

    def handle_endtag(self, tag):
        self._raw = None

    def handle_data(self, data):
        if self._raw == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        elif self._raw is None:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words).replace("\u2060", ""))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def payload(self) -> dict:
        return json.loads(next(text for kind, text in self.scripts if kind == "application/json"))


def read(results, page) -> Reader:
    return Reader(render(Records(results, page)))


@pytest.fixture(scope="module")
def usual() -> Reader:
    return read(*sample_records())


def test_the_page_is_one_file_that_asks_nothing_of_the_network(usual):
    assert all(not attrs.get("src") for attrs in usual.all("script"))
    assert not usual.all("link")
    assert all((attrs["src"] or "").startswith("data:image/") for attrs in usual.all("img"))
    policy = next(a["content"] for a in usual.all("meta") if a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'sha256-" in policy


def test_the_library_is_there_once_whatever_the_number_of_charts(usual):
    large = [text for kind, text in usual.scripts if kind is None and len(text) > 200_000]
    assert len(large) == 1
    assert len(usual.payload["views"]) == 16


def test_every_chart_has_its_specification_its_data_and_its_words(usual):
    drawn = [a for a in usual.all("div") if "data-chart" in a]
    payload = usual.payload
    assert {a["data-chart"] for a in drawn} == set(payload["views"])
    for view in payload["views"].values():
        named = {data["name"] for data in payload["specs"][view["spec"]]["data"] if "source" not in data}
        assert set(view["data"]) <= named
        assert all(name in payload["data"] for name in view["data"].values())
    assert all(a["role"] == "img" and "accuracy" in (a["aria-label"] or "") for a in drawn)
    assert "ResNet-20 10.1\u00a0M, 99.2\u00a0%" in (drawn[0]["aria-label"] or "")


def test_what_a_reader_must_find(usual):
    for told in (
        "take ResNet-20",
        "An RBF-SVM on pixels",
        "before 2012",
        "opsin compare digits",
        "opsin predict runs/resnet20_cifar/seed-0/bundle IMAGE",
        "Images are 8 px and were enlarged to 16 px.",
        "803 of 1,000 resamples",
        "dearest: would take 40 min",
        "AMD EPYC 9B14",
        "the stem’s stride and pooling are taken away".replace("’", "'"),
        "Deep Residual Learning for Image Recognition",
        "from memory, not yet compared with the paper",
        "269,722",
        "weight_decay",
        "resamples images and seeds",
        "sure, wrong in 2 of 2 seeds",
    ):
        assert told in usual.text.replace("\u00a0", " "), told


def test_headings_tables_and_columns_are_marked_up(usual):
    levels = [int(tag[1]) for tag, _ in usual.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(usual.all("table")) == len(usual.all("caption"))
    assert all(attrs.get("scope") in ("row", "col") for attrs in usual.all("th"))
    assert [a["aria-sort"] for a in usual.all("th") if "aria-sort" in a] == ["descending"]
    ids = [attrs["id"] for _, attrs in usual.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    linked = [a["href"] for a in usual.all("a") if (a["href"] or "").startswith("#")]
    assert linked
    assert all((href or "")[1:] in ids for href in linked)


def hostile(text: str) -> tuple[dict, dict]:
    """Records in which everything that a person, a file or a paper names is `text`."""
    results, page = sample_records([f"{text}{k}" for k in range(4)])
    results["command"], results["machine"]["cpu"] = f"opsin compare {text}", text
    results["data"].update(name=text, path=text, notes=[text], duplicates=[[text, text]], split=text, groups=text)
    results["plan"]["left_out"], results["plan"]["notes"] = [{"model": text, "why": text}], [text]
    results["recipe"][text] = text
    results["pick"]["why"] = text
    results["rows"][0].update(status=f"failed: {text}")
    results["rows"][1].update(family=text)
    results["baselines"][1].update(status=f"skipped: {text}")
    renamed = results["rows"][2]["model"]
    results["rows"][2].update(model=text, entry=text)
    for part in ("curves", "tuning", "cards"):
        page[part][text] = page[part].pop(renamed)
    for mistake in page["mistakes"]:
        mistake["id"] = text
    page["mistakes"][0]["image"] = f"data:image/png;base64,{text}"
    page["samples"][0]["image"] = f"javascript:{text}"
    for card in page["cards"].values():
        card.update(
            title=text, authors=text, venue=text, note=text, departures=[text], inputs=text, url=f"javascript:{text}"
        )
        card["published"][0].update(place=text, params=text, protocol=text)
    page["files"]["bundle"] = text
    return results, page


@pytest.mark.parametrize("text", [SCRIPT, IMAGE, "{{ 7*7 }}<b>", "'&\"`</title><!--", "\u2028\udcff\u202e"])
def test_every_name_is_escaped(usual, text):
    html = render(Records(*hostile(text)))
    found = Reader(html.encode("utf-8", "replace").decode())
    assert len(found.scripts) == len(usual.scripts) == 4
    allowed = {tag for tag, _ in usual.elements} | {"strong"}
    assert {tag for tag, _ in found.elements} <= allowed
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert all((attrs["src"] or "").startswith("data:image/png;base64,") for attrs in found.all("img"))
    assert all((a.get("href") or "").startswith("#") for a in found.all("a"))
    if text.isprintable():
        assert f"opsin compare {text}" in found.text
    names = {point["name"] for point in found.payload["data"]["operations-wide-points"]}
    assert text in names


def test_json_in_html_holds_no_tag_and_reads_back():
    value = {"a</script>": ["<!--", "&amp;", "\u2028\u2029", "é"]}
    text = json_in_html(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_predict_command_is_quoted_for_the_shell():
    results, page = sample_records()
    page["files"]["bundle"] = "runs/a b; rm x/bundle"
    assert "opsin predict 'runs/a b; rm x/bundle' IMAGE" in read(results, page).text


def test_one_seed():
    found = read(*sample_records(n_seeds=1))
    assert "with one seed they say nothing of how another seed would have done" in found.text
    assert "mean over" not in found.text.replace("means over", "")
    assert "counts are of one seed" in found.text


def test_one_network():
    found = read(*sample_records(networks=1))
    assert "One network finished on these 1,797\u00a0images: ResNet-20." in "".join(found.words).replace("\u2060", "")
    assert len(found.payload["data"]["operations-wide-points"]) == 1
    assert "year-wide" not in found.payload["views"]


def fail(row: dict, why: str) -> None:
    for key in row:
        if key not in ("entry", "model", "start", "weights", "family", "year", "seeds"):
            row[key] = None
    row.update(status=f"failed: {why}", pareto=False, pareto_latency=False, top1_by_seed=[])


def test_failed_networks_say_why_and_stand_last():
    results, page = sample_records()
    fail(results["rows"][5], "loss became nan in epoch 3")
    found = read(results, page)
    assert "VGG-11 (vgg11_32): failed: loss became nan in epoch 3" in found.text
    assert "9 of 10" in found.text
    assert len(found.payload["data"]["operations-wide-points"]) == 9
    failed = [k for k, a in enumerate(found.all("tr")) if "failed" in (a.get("class") or "")]
    picked = [k for k, a in enumerate(found.all("tr")) if "picked" in (a.get("class") or "")]
    assert len(failed) == 1
    assert failed[0] > picked[0]


def test_nothing_finished():
    results, page = sample_records()
    results["pick"] = None
    for row in results["rows"]:
        fail(row, "out of memory")
    found = read(results, page)
    assert "no network finished" in found.text
    assert found.payload["views"] == {}
    assert 'href="#figures"' not in str(found.elements)


def test_no_pick_and_an_empty_page_json():
    results, _ = sample_records()
    results["pick"] = None
    found = read(results, {})
    assert "no network could be picked" in found.text
    assert "How the pick was made" not in found.text
    assert "opsin compare digits" in found.text


def test_baselines_far_off_are_told_not_drawn():
    results, page = sample_records(networks=4)
    for row in results["rows"]:
        row.update(top1_mean=row["top1_mean"] - 0.4, top1_ci=[end - 0.4 for end in row["top1_ci"]])
    found = read(results, page)
    assert found.payload["data"]["operations-wide-lines"] == []
    assert "RBF-SVM on pixels (98.6 %) lies above the chart" in found.text
    assert "Majority class (10.3 %) lies below the chart" in found.text


def test_unknown_figures_are_dashes():
    results, page = sample_records()
    for row in results["rows"]:
        row.update(top1_ci=None, ci_over=None, latency_ms_p50=None, latency_ms_p95=None, peak_memory_mb=None)
    results["pick"].update(deficit=None, deficit_ci=None, smallest_visible_deficit=None, picked_in_resamples={})
    found = read(results, page)
    assert not [view for view in found.payload["views"] if view.startswith("latency")]
    points = found.payload["data"]["operations-wide-points"]
    assert all(p["low"] == p["y"] == p["high"] for p in points)
    assert "None" not in found.text


def test_not_a_number_is_drawn_nowhere():
    results, page = sample_records()
    results["rows"][0]["latency_ms_p50"] = float("nan")
    page["curves"]["lenet5"]["0"]["val_top1"][3] = float("nan")
    found = read(json.loads(json.dumps(results)), json.loads(json.dumps(page)))
    assert len(found.payload["data"]["latency-wide-points"]) == 9


def test_a_busy_machine_is_marked_wherever_a_latency_stands(usual):
    results, page = sample_records()
    results["machine"].update(busy=True, load_at_latency=3.2)
    found = read(results, page)
    assert found.text.count("busy (load 3.2)") == 3
    assert "Latency p50*" in found.text
    assert "busy (load" not in usual.text


def test_many_classes_are_listed_not_drawn():
    names = [f"class {k:03d} with a rather long name" for k in range(100)]
    results, page = sample_records(names)
    page["confusion"]["matrix"][7][9] = 40
    found = read(results, page)
    assert "matrix" not in " ".join(a.get("class") or "" for a in found.all("table"))
    assert f"{names[7]} taken for {names[9]}, 40 times" in found.text
    assert "The hardest classes" in found.text


@pytest.mark.parametrize("n", [2, 30])
def test_few_classes_are_a_matrix(n):
    results, page = sample_records([f"c{k}" for k in range(n)])
    found = read(results, page)
    assert [a for a in found.all("table") if "matrix" in (a.get("class") or "")]
    assert len([a for a in found.all("td") if "right" in (a.get("class") or "").split()]) == n


def test_no_mistakes():
    results, page = sample_records()
    page["mistakes"] = []
    page["confusion"]["matrix"] = [[72 if j == k else 0 for j in range(10)] for k in range(10)]
    found = read(results, page)
    assert "ResNet-20’s mistakes" not in found.text
    assert "ResNet-20 makes no mistake on the test images" in found.text
    assert "Sure, and wrong" not in found.text


def test_the_file_is_whole_or_not_there(tmp_path, monkeypatch):
    folder = write(tmp_path / "out", *sample_records(networks=2))
    target = write_page(folder)
    assert target == folder / "report.html"
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert sorted(p.name for p in folder.iterdir()) == ["page.json", "report.html", "results.json"]
    before = target.read_bytes()

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OpsinError, match=r"cannot write .*report\.html: No space left"):
        write_page(folder)
    assert target.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["page.json", "report.html", "results.json"]


def test_records_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(OpsinError, match=r"results\.json"):
        read_records(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(OpsinError, match="not a JSON file"):
        read_records(tmp_path)
    (tmp_path / "results.json").write_text('{"schema": 2}')
    with pytest.raises(OpsinError, match="schema 2"):
        read_records(tmp_path)
    write(tmp_path, *sample_records(networks=1))
    (tmp_path / "page.json").unlink()
    assert read_records(tmp_path).page == {}
