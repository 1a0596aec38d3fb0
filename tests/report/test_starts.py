"""The page where entries start from public weights: names, marks, columns and sentences tell the starts apart."""

import pytest
from sample import mixed, write
from sample import records as sample_records
from test_page import IMAGE, SCRIPT, Reader, read

from opsin.report import scene, starts, stories, tables
from opsin.report.records import Records, read_records
from opsin.report.scales import WIDE

STARTS = ("scratch", "probe", "finetune")
NAMES = [
    f"{network} {start}"
    for network in ("ResNet-20", "MobileNetV2")
    for start in ("from scratch", "probed", "fine-tuned")
]


def shown(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2060", "")


@pytest.fixture(scope="module")
def usual() -> Reader:
    return read(*mixed())


def rows_of(results) -> dict:
    return {row["entry"]: row for row in results["rows"]}


def test_every_name_says_from_what_it_starts_where_starts_are_mixed(usual):
    assert sorted(point["name"] for point in usual.payload["data"]["operations-wide-points"]) == sorted(NAMES)
    assert list(Records(*mixed()).names.values()) == NAMES
    assert "take ResNet-20 fine-tuned." in usual.text
    assert "ResNet-20 fine-tuned is the best; the next is ResNet-20 from scratch." in usual.text
    assert "ResNet-20 fine-tuned is picked in 900 of 1,000 resamples" in usual.text


@pytest.mark.parametrize("start", STARTS)
def test_names_are_plain_and_marks_are_discs_where_all_start_alike(start):
    records = Records(*mixed((start,)))
    assert list(records.names.values()) == ["ResNet-20", "MobileNetV2"]
    drawn = scene.scene_of(records, scene.OPERATIONS, WIDE)
    assert {point["mark"] for point in drawn.points} == {"scratch"}
    assert starts.context(records)["legend"] == []
    assert "Not all" not in starts.note(records)


def test_each_start_has_its_mark_in_the_charts_the_legend_and_the_table(usual):
    for chart in ("operations-wide", "operations-narrow", "latency-wide", "year-narrow"):
        points = usual.payload["data"][f"{chart}-points"]
        assert {point["mark"] for point in points if point["name"].startswith("ResNet")} == set(STARTS)
    filters = str(usual.payload["specs"]["operations-wide"])
    shapes = {shape: shape in filters for shape in ("'circle'", "'diamond'", "'square'")}
    assert all(shapes.values()), shapes
    swatches = [set((a.get("class") or "").split()) for a in usual.all("span")]
    for start in STARTS:
        assert sum({"swatch", start} <= classes for classes in swatches) >= 3
    legend = [text for text in (f"{starts.MEANING[start]}" for start in STARTS) if text in usual.text]
    assert len(legend) == 3


def test_labels_of_starts_that_cost_the_same_never_lie_on_each_other():
    results, page = mixed()
    for row in results["rows"]:
        row["top1_mean"] = 0.95 if row["model"] == "resnet20_cifar" else 0.9501
    for axis in (scene.OPERATIONS, scene.LATENCY):
        drawn = scene.scene_of(Records(results, page), axis, WIDE)
        boxes = [scene._box_of(drawn, t, WIDE.text) for t in drawn.texts if t["kind"] in ("label", "pick")]
        assert len(boxes) == 6
        assert all(a.overlap(b) < 1e-6 for k, a in enumerate(boxes) for b in boxes[:k])


def test_the_table_has_start_weights_and_strength(usual):
    columns = ["Entry", "Start", "Weights", "Family"]
    text = usual.text
    at = [text.index(f" {name} ", text.index("Every figure")) for name in columns]
    assert at == sorted(at)
    hints = [a["title"] for a in usual.all("td") if "title" in a]
    assert hints == ["timm:a1_in1k; licence: apache-2.0"] * 4
    assert "Strength C" in text
    plain = read(*sample_records())
    assert "Strength C" not in plain.text
    assert "Weights" not in plain.text


def test_the_top_says_from_what_the_pick_starts(usual):
    told = shown(usual.text)
    assert "2 networks of 2015 to 2018 in 6 entries: from scratch, probed and fine-tuned" in told
    assert "It starts from public weights (timm:a1_in1k, apache-2.0), trained further on these images." in told
    assert "20 epochs from scratch, 10 epochs fine-tuned; 2 seeds" in told
    assert "alike" not in starts.kicker(Records(*mixed()))
    assert "Not all start alike" in told


def test_all_from_public_weights_is_said_plainly():
    told = shown(read(*mixed(("probe",))).text)
    for said in (
        "2 networks of 2015 to 2018, probed with public weights and measured alike",
        "All start from public weights.",
        "ImageNet: this is no comparison of the architectures alone",
        "the last layer alone",
    ):
        assert said in told, said
    assert "the era’s training" not in told
    assert "The recipe" not in told
    assert "mean over 2 seeds" not in told and "means over seeds" not in told
    assert "Test accuracy, mean over 2 seeds" in shown(read(*mixed()).text)
    tuned = Records(*mixed(("finetune",)))
    assert shown(starts.kicker(tuned)).endswith(", fine-tuned from public weights and measured alike")
    assert starts.note(tuned).startswith("All start from public weights.")
    assert starts.note(Records(*sample_records())) == ""


def test_what_the_start_is_worth_is_worked_out_from_the_rows():
    assert [shown(told) for told in starts.worth(Records(*mixed()))] == [
        f"{start}, the same two networks get {gain} than from scratch, and take {time} instead of 1 min 47 s in all"
        for start, gain, time in (("Fine-tuned", "3 points more", "54 s"), ("Probed", "4 points less", "11 s"))
    ]
    results, page = mixed()
    rows_of(results)["resnet20_cifar-finetune"]["top1_mean"] = 0.94
    rows_of(results)["mobilenet_v2_050_32-probe"]["status"] = "failed: out of memory"
    first, second = map(shown, starts.worth(Records(results, page)))
    assert "get from 1 point less to 3 points more than from scratch" in first
    assert second.startswith("Probed, ResNet-20 gets 4 points less than from scratch, and takes 4.1 s instead of 41 s")
    assert [shown(told) for told in starts.worth(Records(*mixed(("probe", "finetune"))))] == [
        "Fine-tuned, the same two networks get 7 points more than when probed, and take 54 s instead of 11 s in all"
    ]
    assert starts.worth(Records(*sample_records())) == []


def test_other_image_sizes_are_not_hidden_and_have_their_own_costs():
    results, page = mixed(("scratch", "probe"))
    probed = rows_of(results)["resnet20_cifar-probe"]
    probed.update(input_size=224, latency_ms_p50=60.0, macs=2_000_000_000)
    records = Records(results, page)
    assert "at another image size" in starts.worth(records)[0]
    assert "fewer than ResNet-20 from scratch and" in shown(stories.latency_title(records))
    assert [[run["input_size"] for run in card["runs"]] for card in tables.cards(records)] == [[32, 224], [32]]


def test_titles_compare_like_with_like():
    records = Records(*mixed())
    assert shown(stories.latency_title(records)).startswith("Fewer operations are not always faster: MobileNetV2 does")
    assert shown(stories.year_title(records)) == (
        "From ResNet-20 (2015) to MobileNetV2 (2018), both from scratch: 95.0 % to 94.0 %. "
        "The best is from 2015: ResNet-20 fine-tuned"
    )
    results, page = mixed(("scratch", "finetune"))
    rows_of(results)["resnet20_cifar"]["top1_mean"] = 0.975
    results["plan"]["margin"] = 0.006
    for entry in ("mobilenet_v2_050_32", "mobilenet_v2_050_32-finetune"):
        rows_of(results)[entry]["top1_mean"] = 0.9
    assert stories.operations_title(Records(results, page)).endswith("of it needs fewer operations")


def test_baselines_are_told_beside_public_weights():
    assert "public weights have seen others before" in stories.baseline_story(Records(*mixed()))
    results, page = mixed()
    results["baselines"][2]["top1"] = 0.957
    assert "It is ahead of four of the six entries" in stories.baseline_story(Records(results, page))
    assert "public weights" not in stories.baseline_story(Records(*sample_records()))


def test_the_method_has_each_way_its_recipe_and_the_weights(usual):
    told = shown(usual.text)
    for said in (
        "a regularised logistic regression on that takes the last layer’s place",
        "by cross-validation inside the training part (5 folds)",
        "trains for 10 epochs, the first of them the new last layer alone",
        "learns at 0.1 of the last one’s rate",
        "The recipe from scratch: modern, 20 epochs",
        "The recipe of fine-tuning: finetune, 10 epochs",
        "https://example.org/resnet20/model.safetensors",
        "ab12" * 16,
        "apache-2.0",
        "images alone where entries are probed",
    ):
        assert said in told, said
    assert len([a for a in usual.all("a") if a["href"] == "https://example.org/resnet20/model.safetensors"]) == 1


@pytest.mark.parametrize(
    ("chosen_on", "says"),
    [("2 folds", "(2 folds)."), ("validation part", "on the validation part."), (None, "on images left out.")],
)
def test_what_chose_the_strength(chosen_on, says):
    """As the runs have it: with few groups there are fewer folds than were asked for."""
    results, page = mixed(("probe",))
    results["plan"]["folds"] = 5
    for row in results["rows"]:
        row["probe_chosen_on"] = chosen_on
    ((_, told),) = starts.ways(Records(results, page))
    assert says in told.partition("Its strength C is chosen")[2]


@pytest.mark.parametrize("text", [SCRIPT, IMAGE, "javascript:alert(1)", "a/b\\<b>"])
def test_names_and_licences_of_weights_are_escaped(usual, text):
    results, page = mixed()
    for row in results["rows"]:
        if row["weights"]:
            row["weights"].update(name=text, licence=text, file=text, sha256=text)
    found = read(results, page)
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in usual.elements}
    assert not [name for _, attrs in found.elements for name in attrs if name.startswith("on")]
    assert len(found.scripts) == len(usual.scripts)
    assert not [a for a in found.all("a") if (a.get("href") or "").startswith("javascript")]
    assert text in found.text


def test_weights_of_a_file_are_called_by_its_name():
    assert starts.short({"name": "/data/w/rand18", "file": "/data/w/rand18/model.safetensors"}) == "rand18"
    assert starts.short({"name": "C:\\w\\net.pth", "file": "C:\\w\\net.pth"}) == "net.pth"
    assert starts.short({"name": "hf-hub:a/b", "file": "https://example.org/a/b"}) == "hf-hub:a/b"


def test_records_from_before_there_were_starts_are_read(tmp_path):
    results, page = sample_records(networks=3)
    expected = read(results, page).text
    for row in results["rows"]:
        for key in ("entry", "start", "weights", "probe_strength"):
            del row[key]
    for key in ("entry", "start"):
        del results["pick"][key]
    del page["confusion"]["entry"], results["recipes"]
    records = read_records(write(tmp_path / "old", results, page))
    assert read(records.results, records.page).text == expected


def test_a_gain_stands_with_its_interval():
    results, page = mixed()
    row = next(row for row in results["rows"] if row["start"] == "finetune")
    base = next(other["entry"] for other in results["rows"] if other["model"] == row["model"])
    row["gain"] = {"over": base, "top1": 0.097, "ci": [0.069, 0.127], "ci_over": "images and seeds"}
    table = starts.worth_table(Records(results, page))
    told = [gain for _, cells in table["rows"] for _, _, gain in cells if gain]
    assert told == ["+9.7 (+6.9 to +12.7\u00a0points)"]
