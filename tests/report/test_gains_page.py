"""The page of a comparison under two recipes: each mark, figure and sentence stands where it belongs."""

import pytest
from sample import records as sample_records
from test_page import Reader, read

from opsin.report import gains, starts, stories
from opsin.report.records import Records
from opsin.report.scales import NARROW, WIDE

SHARES = {
    "lenet1989": (0.91, 0.90),
    "alexnet_32": (0.93, 0.97),
    "resnet20_cifar": (0.94, 0.99),
    "convnext_tiny_32": (0.90, 0.98),
}


def part(top1, width=0.02):
    return {"top1": top1, "ci": [top1 - width, top1 + width], "ci_over": "images and seeds"}


def two_recipes():
    """results.json and page.json of four networks under "era" and "modern", with the accuracies of `SHARES`."""
    results, page = sample_records()
    kept = {row["model"]: row for row in results["rows"] if row["model"] in SHARES}
    results["rows"], results["fitted"] = [], {}
    for model, pair in SHARES.items():
        for recipe, share in zip(("era", "modern"), pair, strict=True):
            name = f"{model}-{recipe}"
            row = kept[model] | {"entry": name, "recipe": recipe, "top1_mean": share}
            results["rows"].append(row | {"top1_ci": [share - 0.01, min(1.0, share + 0.01)]})
            own = {"name": "modern" if recipe == "modern" else f"of_{model}", "epochs": 20, "batch_size": 16}
            own |= {"optimizer": {"kind": "sgd"}, "learning_rate": 0.0125}
            changes = ["batch 128 -> 16", "epochs 90 -> 20"] if recipe == "era" else []
            results["fitted"][name] = {"asked": recipe, "recipe": own, "changes": changes, "tuned": recipe == "modern"}
            page["curves"][name] = page["curves"][model]
    results |= {"recipe": None, "recipes": {}}
    results["plan"] |= {"recipes": ["era", "modern"], "starts": ["scratch"]}
    results["pick"] |= {"entry": "resnet20_cifar-modern", "picked_in_resamples": {"resnet20_cifar-modern": 1000}}
    page["confusion"] |= {"entry": "resnet20_cifar-modern"}
    old, new = (dict(zip(SHARES, shares, strict=True)) for shares in zip(*SHARES.values(), strict=True))
    first, best = "lenet1989", "resnet20_cifar"
    networks = [
        {
            "model": model,
            "year": kept[model]["year"],
            "training": part(new[model] - old[model]),
            "architecture": {
                "old": part(old[model] - old[first]) if model != first else None,
                "new": part(new[model] - new[first]) if model != first else None,
            },
        }
        for model in SHARES
    ]
    a, b, c, d = old[first], new[first], old[best], new[best]
    orders = {
        "training first": {"training": part(b - a), "architecture": part(d - b)},
        "architecture first": {"training": part(d - c), "architecture": part(c - a)},
    }
    mean = {"training": part((b - a + d - c) / 2), "architecture": part((d - b + c - a) / 2)}
    gain = {"old": "era", "new": "modern", "left_out": ["vgg_32"], "oldest": first, "best": best}
    gain |= {"networks": networks, "whole": part(d - a), "orders": orders, "mean": mean}
    results["gains"] = [gain | {"training_mean": part(sum(n["training"]["top1"] for n in networks) / 4)}]
    return results, page


@pytest.fixture(scope="module")
def usual() -> Reader:
    return read(*two_recipes())


def test_entries_say_their_recipe(usual):
    records = Records(*two_recipes())
    assert records.names["lenet1989-era"] == "LeNet-1989 (era)"
    assert [row["entry"] for row in records.rows][:2] == ["lenet1989-era", "lenet1989-modern"]
    assert "take ResNet-20 (modern)." in usual.text
    assert "each under era and modern" in usual.text
    assert "4, in 8 entries" in usual.text
    assert starts.training(records) == "20\u00a0epochs, 2\u00a0seeds"


def test_the_section_has_both_orders_and_every_network(usual):
    assert "What the architecture gained, what the training gained" in usual.text
    assert "Under modern instead of their era’s recipe, 4 networks gain 4 points on average" in usual.text
    for told in (
        "One by one they gain from −1 (LeNet-1989) to +8 (ConvNeXt)",
        "From LeNet-1989 under its era’s recipe to ResNet-20 under modern",
        "accuracy changes by +8 (+6 to +10) points",
        "changing the training first, −1 for the training and then +9 for the architecture",
        "the architecture first, +3 for the architecture and then +5 for the training",
        "Mean of both orders+2 (+0 to +4)+6 (+4 to +8)",
        "Left out, since a run of theirs did not end well: vgg_32.",
        "learning rates were tuned on validation under modern",
        "images and seeds resampled",
    ):
        assert told in usual.text, told


def test_what_each_recipe_became(usual):
    assert "What each recipe became here" in usual.text
    assert "of_alexnet_322016sgd0.001" in usual.text
    assert "batch 128 → 16; epochs 90 → 20" in usual.text
    assert "the same split, the same recipe" not in usual.text
    assert "All networks had the same recipe" not in usual.text


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_each_network_has_two_marks_that_are_joined(layout):
    records = Records(*two_recipes())
    _, sets = gains.gain_chart(records, records.gains[0], layout)
    assert [(p["Recipe"], p["new"], p["y"]) for p in sets["points"]] == [
        (recipe, recipe == "modern", share)
        for pair in SHARES.values()
        for recipe, share in zip(("era", "modern"), pair, strict=True)
    ]
    assert [(line["y"], line["y2"]) for line in sets["lines"]] == list(SHARES.values())
    assert all(line["x"] < line["x2"] for line in sets["lines"])
    names = {text["text"] for text in sets["texts"] if text["kind"] == "label"}
    assert {"LeNet-1989", "AlexNet", "ResNet-20", "ConvNeXt"} <= names


def test_networks_of_one_year_stand_side_by_side():
    results, page = two_recipes()
    for row in results["rows"]:
        row["year"] = 2015
    for each in results["gains"][0]["networks"]:
        each["year"] = 2015
    records = Records(results, page)
    _, sets = gains.gain_chart(records, records.gains[0], WIDE)
    assert len({point["x"] for point in sets["points"]}) == 8


def test_what_is_not_decided_is_said_so():
    gain = two_recipes()[0]["gains"][0] | {"training_mean": part(0.01, 0.05)}
    assert gains.title(gain).startswith("Whether 4")
    assert gains.title(gain).endswith("is not decided here")
    lost = gain | {"training_mean": part(-0.1), "old": "vit"}
    assert "under modern instead of vit" in gains.title(lost).lower()
    assert "lose 10" in gains.title(lost)


def test_one_network_may_be_both_ends():
    records = Records(*two_recipes())
    gain = records.gains[0] | {"best": "lenet1989"}
    assert "is also the best under modern" in gains.story(records, gain)
    assert gains.orders(gain) == []


def test_each_network_under_its_era_alone():
    results, page = two_recipes()
    results["rows"] = [row | {"entry": row["model"]} for row in results["rows"] if row["recipe"] == "era"]
    results["fitted"] = {
        name.removesuffix("-era"): each for name, each in results["fitted"].items() if each["asked"] == "era"
    }
    results["plan"]["recipes"], results["gains"] = ["era"], []
    records = Records(results, page)
    assert starts.kicker(records).endswith("each trained by its own era’s recipe")
    assert records.names["resnet20_cifar"] == "ResNet-20"
    assert records.nouns == ("network", "networks")
    told = gains.context(records)
    assert (told["gains"], told["tuning"], len(told["fitted"])) == ([], "", 4)


def test_all_networks_under_one_papers_recipe():
    results, page = two_recipes()
    rows = [row for row in results["rows"] if row["recipe"] == "modern"]
    results["rows"] = [row | {"entry": row["model"], "recipe": "resnet"} for row in rows]
    results["fitted"] = {row["entry"]: results["fitted"][f"{row['entry']}-modern"] for row in results["rows"]}
    results["plan"]["recipes"], results["gains"] = ["resnet"], []
    records = Records(results, page)
    assert starts.kicker(records).endswith("each trained by resnet")
    assert gains.context(records)["alone"] == "resnet"


def test_the_title_by_year_keeps_to_one_recipe():
    told = stories.year_title(Records(*two_recipes()))
    assert told.startswith("From LeNet-1989 to ConvNeXt (2022), both under era")
