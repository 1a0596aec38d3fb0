"""The page's sentences say what the records bear."""

import pytest
from sample import records as sample_records

from opsin.report import curves, stories, tables
from opsin.report.records import Records


@pytest.fixture
def made():
    return Records(*sample_records())


def rows_of(records):
    return {row["model"]: row for row in records.results["rows"]}


def test_the_headline_names_the_pick(made):
    assert stories.headline(made).replace("\u00a0", " ") == "On these 1,797 images, take ResNet-20."
    assert "99.2" in stories.standfirst(made)
    assert "1.22\u00a0ms" in stories.standfirst(made)


def test_the_reasons_call_the_networks_as_the_page_does(made):
    made.results["pick"]["why"] = "resnet20_cifar beats lenet5, not (lenet5) nor xlenet5 or lenet5_"
    assert stories.why(made) == "ResNet-20 beats LeNet-5, not (LeNet-5) nor xlenet5 or lenet5_"


def test_no_pick_and_nothing_finished_are_told():
    records = Records(*sample_records())
    records.results["pick"] = None
    assert "no network could be picked" in stories.headline(records)
    records = Records(*sample_records())
    for row in records.results["rows"]:
        row["status"] = "failed: out of memory"
    assert "no network finished" in stories.headline(records)
    assert records.pick == {}
    assert stories.deficit_title(records) == ""


def test_the_network_with_the_fewest_operations_among_the_good_ones(made):
    rows = rows_of(made)
    for row in rows.values():
        row["top1_mean"] = 0.95
    rows["vgg11_32"]["top1_mean"] = 0.99
    rows["alexnet_32"]["top1_mean"] = 0.981
    title = stories.operations_title(made)
    assert title.startswith("Two of ten networks lie within 1\u00a0point of the best")
    assert "AlexNet needs the fewest operations, 2.7 times fewer than VGG-11" in title
    rows["alexnet_32"]["top1_mean"] = 0.97
    assert stories.operations_title(made) == "VGG-11 is the most accurate, by more than 1\u00a0point"
    rows["convnext_tiny_32"]["top1_mean"] = 0.985
    assert "VGG-11 is the most accurate, and needs fewer" in stories.operations_title(made)


def test_fewer_operations_that_take_longer_are_pointed_out(made):
    assert stories.latency_title(made).startswith("Fewer operations are not always faster: MobileNetV2")
    for row in made.results["rows"]:
        row["latency_ms_p50"] = row["macs"] / 1e7
    assert stories.latency_title(made).startswith("LeNet-1989 takes")


@pytest.mark.parametrize(
    ("svm", "says"),
    [
        (0.995, "no network here does better"),
        (0.986, "inside the interval of the best network"),
        (0.97, "times fewer mistakes"),
    ],
)
def test_the_baseline_is_told_honestly(made, svm, says):
    made.results["baselines"][2]["top1"] = svm
    told = stories.baseline_story(made)
    assert says in told
    assert "before 2012" in told
    assert "Always naming the largest class would get 10.3" in told


def test_how_many_networks_a_baseline_beats(made):
    beaten = sum(row["top1_mean"] < 0.97 for row in made.results["rows"])
    made.results["baselines"][2]["top1"] = 0.97
    assert beaten == 2
    assert "It is ahead of two of the ten networks" in stories.baseline_story(made)


def test_skipped_baselines_are_not_judged(made):
    for baseline in made.results["baselines"][1:]:
        baseline.update(status="skipped: more than 5,000 images", top1=None, top1_ci=None)
    assert "RBF" not in stories.baseline_story(made)


def test_a_margin_finer_than_the_data_is_admitted(made):
    assert "finer than what they can tell" in (stories.pick_note(made) or "")
    for seen in (0.004, None):
        made.results["pick"]["smallest_visible_deficit"] = seen
        assert stories.pick_note(made) is None


def test_confusions_in_words():
    def pair(count):
        return {"truth": "3", "predicted": "8", "count": count, "of": 72}

    assert stories.confusion_title("ViT", []).endswith("no mistake on the test images")
    assert "scattered" in stories.confusion_title("ViT", [pair(1)])
    assert "3 taken for 8, twice in 72" in stories.confusion_title("ViT", [pair(2)])
    assert "7 times in 72" in stories.confusion_title("ViT", [pair(7)])


def test_confusion_is_ordered_by_count_and_keeps_all_that_was_wrong(made):
    matrix = [[0] * 10 for _ in range(10)]
    matrix[3][8], matrix[3][3], matrix[1][7], matrix[5][5] = 7, 65, 2, 72
    made.page["confusion"]["matrix"] = matrix
    kept = tables.confusion(made)
    assert kept is not None
    assert [(p["truth"], p["predicted"], p["count"], p["of"]) for p in kept["pairs"]] == [
        ("3", "8", 7, 72),
        ("1", "7", 2, 2),
    ]
    assert kept["rows"][3]["recall"] == pytest.approx(65 / 72)
    assert kept["rows"][0]["recall"] is None


def test_curves_are_averaged_over_seeds(made):
    made.page["curves"] = {
        "lenet5": {"0": {"epoch": [1, 2], "val_top1": [0.2, 0.9]}, "1": {"epoch": [1, 2], "val_top1": [0.4, 0.91]}}
    }
    (panel,) = curves.curve_panels(made)
    assert panel["series"][0] == {"epoch": 1, "mean": pytest.approx(0.3), "low": 0.2, "high": 0.4}


def test_one_epoch_makes_no_curve():
    assert curves.curve_panels(Records(*sample_records(epochs=1))) == []


def test_who_learns_fast(made):
    made.page["curves"] = {
        "lenet5": {"0": {"epoch": [1, 2, 3], "val_top1": [0.2, 0.895, 0.9]}},
        "lenet1989": {"0": {"epoch": [1, 2, 3], "val_top1": [0.2, 0.3, 0.9]}},
    }
    title = curves.curves_title(curves.curve_panels(made))
    assert (
        title.replace("\u00a0", " ")
        == "LeNet-5 is within a point of its final accuracy after 2 epochs, LeNet-1989 after 3"
    )
