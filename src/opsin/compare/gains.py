"""What the architectures gained and what the training gained, where the same networks meet under several recipes.

Between an old recipe and a new one, a network's gain is the difference of its accuracies under both: that is the
training's. The difference of two networks under one recipe is the architecture's. On the way from the oldest network
under the old recipe to the best one under the new recipe there are two orders, first the training or first the
architecture, and what each step gains depends on the order, since a network may gain more from a recipe than another:
both are told, and their mean, which is Shapley's value of each. All intervals are paired in images and in seeds. They
say nothing of other data, and nothing of other choices of network or recipe.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from opsin import zoo
from opsin.compare.statistics import Resampled
from opsin.training.entry import Entry

Weights = dict[str, float]


def gains(entries: Sequence[Entry], on_test: Resampled, on_val: Mapping[str, float]) -> list[dict[str, Any]]:
    """Of each recipe over the first one: what results.json has under `gains`.

    `on_test` has the entries that ended well; of its networks those count that did under both recipes. The best one is
    the best under the new recipe by `on_val`, the mean score of each entry on validation.
    """
    by_recipe: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if entry.recipe:
            by_recipe[entry.recipe][entry.model] = entry.name
    old, *others = by_recipe or [""]
    found = []
    for new in others:
        both = [model for model in by_recipe[old] if model in by_recipe[new]]
        ended = [model for model in both if {by_recipe[each][model] for each in (old, new)} <= set(on_test.models)]
        if ended:
            before, after = ({model: by_recipe[each][model] for model in ended} for each in (old, new))
            left_out = [model for model in both if model not in ended]
            found.append({"old": old, "new": new, "left_out": left_out} | between(before, after, on_test, on_val))
    return found


def between(
    old: Mapping[str, str], new: Mapping[str, str], on_test: Resampled, on_val: Mapping[str, float]
) -> dict[str, Any]:
    """The gains between two recipes; `old` and `new` give the entry of each network under them."""
    models = sorted(old, key=lambda model: (zoo.card(model).year, model))

    def gain(*steps: Weights) -> dict[str, Any]:
        """The sum of weighted scores, with its interval."""
        total: Weights = defaultdict(float)
        for step in steps:
            for entry, weight in step.items():
                total[entry] += weight
        value, interval = on_test.contrast(total)
        return {"top1": value, "ci": [interval.low, interval.high], "ci_over": interval.over}

    first, best = models[0], max(models, key=lambda model: on_val[new[model]])
    training = {model: difference(new[model], old[model]) for model in models}
    steps = {
        "training first": (training[first], difference(new[best], new[first])),
        "architecture first": (training[best], difference(old[best], old[first])),
    }
    half = [{entry: weight / 2 for entry, weight in part.items()} for way in steps.values() for part in way]
    everywhere = [{entry: weight / len(models) for entry, weight in part.items()} for part in training.values()]
    return {
        "oldest": first,
        "best": best,
        "networks": [
            {
                "model": model,
                "year": zoo.card(model).year,
                "training": gain(training[model]),
                "architecture": {
                    "old": gain(difference(old[model], old[first])) if model != first else None,
                    "new": gain(difference(new[model], new[first])) if model != first else None,
                },
            }
            for model in models
        ],
        "training_mean": gain(*everywhere),
        "whole": gain(difference(new[best], old[first])),
        "orders": {way: {"training": gain(t), "architecture": gain(a)} for way, (t, a) in steps.items()},
        "mean": {"training": gain(half[0], half[2]), "architecture": gain(half[1], half[3])},
    }


def difference(entry: str, base: str) -> Weights:
    """One entry's score less another's; nothing where they are the same."""
    return {entry: 1.0, base: -1.0} if entry != base else {}
