"""What the entries start from, from scratch or from public weights: its marks, its sentences and its tables."""

from pathlib import PurePath
from typing import Any

from opsin.report import words
from opsin.report.gains import called
from opsin.report.records import Records, Row
from opsin.report.words import STARTS

MEANING = {
    "scratch": "begins with the initial weights of its paper and learns from these images alone",
    "probe": "public weights stay as they are; only a new last layer is fitted to these images",
    "finetune": "public weights are trained further on these images",
}
_BEFORE = "what the weights have seen before, as a rule ImageNet"


def context(records: Records) -> dict[str, Any]:
    """What the templates say of the starts."""
    return {
        "kicker": kicker(records),
        "note": note(records),
        "legend": [(start, STARTS[start], MEANING[start]) for start in records.starts] if records.mixed else [],
        "worth": worth(records),
        "table": worth_table(records),
        "ways": ways(records),
        "recipes": [
            ("of fine-tuning" if start == "finetune" else STARTS[start], recipe)
            for start, recipe in _recipes(records).items()
        ],
        "weights": weights(records),
    }


def kicker(records: Records) -> str:
    """The line above the headline: how many networks, of which years, and how they were treated."""
    years = (records.rows[:1] + records.rows[-1:]) if records.rows else []
    told = f"{words.plural(len(records.networks), 'network')} of " + " to ".join(
        dict.fromkeys(str(row["year"]) for row in years)
    )
    if records.several:
        return f"{told}, each under {words.listed(records.results['plan']['recipes'])}"
    if records.fitted:
        return f"{told}, each trained by {called(records.results['plan']['recipes'][0], 'its own')}"
    if records.mixed:
        entries = words.plural(len(records.rows), *records.nouns)
        return f"{told} in {entries}: {words.listed(STARTS[start] for start in records.starts)}"
    how = {"probe": "probed with public weights", "finetune": "fine-tuned from public weights"}
    return f"{told}, {''.join(how.get(start, 'trained') for start in records.starts)} and measured alike"


def note(records: Records) -> str:
    """What is to be borne in mind where public weights take part."""
    if not records.public:
        return ""
    if "scratch" not in records.starts:
        return (
            f"All start from public weights. Their accuracies owe much to {_BEFORE}: "
            "this is no comparison of the architectures alone."
        )
    return (
        f"Not all start alike. What starts from public weights owes much to {_BEFORE}; what starts from scratch knows "
        "these images alone. Architectures compare within one start."
    )


def origin(row: Row) -> str:
    """From which public weights an entry starts, in a sentence; none from scratch, which its name says."""
    weights = row["weights"]
    if not weights:
        return ""
    named = f"public weights ({short(weights)}, {weights['licence'] or 'licence not stated'})"
    how = "kept as they are under a new last layer" if row["start"] == "probe" else "trained further on these images"
    return f"It starts from {named}, {how}."


def short(weights: dict[str, Any]) -> str:
    """The name of weights; of a file on a disk, its last part."""
    local = weights["name"] and "://" not in weights["file"]
    return PurePath(weights["name"].replace("\\", "/")).name or weights["name"] if local else weights["name"]


def training(records: Records) -> str:
    """How long was trained, for the strip under the headline."""
    recipes = _recipes(records)
    seeds = words.plural(len(records.results["plan"]["seeds"]), "seed")
    if records.fitted:
        epochs = sorted({own["recipe"]["epochs"] for own in records.fitted.values()})
        few = f"{epochs[0]} to " if len(epochs) > 1 else ""
        return f"{few}{words.plural(epochs[-1], 'epoch')}, {seeds}"
    if not recipes:
        return "the last layer alone"
    told = [
        words.plural(recipe["epochs"], "epoch") + (f" {STARTS[start]}" if records.mixed else "")
        for start, recipe in recipes.items()
    ]
    return f"{', '.join(told)}{';' if len(told) > 1 else ','} {seeds}"


def resampled(records: Records) -> str | None:
    """What the intervals resample; None where there are none."""
    over = {row["start"]: row["ci_over"] for row in reversed(records.ok) if row.get("ci_over")}
    probed = over.pop("probe", None)
    trained = next(iter(over.values()), probed)
    return f"{trained} ({probed} alone where entries are probed)" if probed and probed != trained else trained


def _recipes(records: Records) -> dict[str, dict[str, Any]]:
    """The recipe of each start that trains."""
    recipes = records.results["recipes"]
    return {start: recipes[start] for start in records.starts if start in recipes}


def _of(records: Records, start: str) -> dict[str, Row]:
    return {row["model"]: row for row in records.ok if row["start"] == start}


def worth(records: Records) -> list[str]:
    """What one start brings over another to the same networks: points and times, a sentence a pair."""
    base, *others = records.starts or ("scratch",)
    told = []
    for start in reversed(others):
        before, after = _of(records, base), _of(records, start)
        both = [(before[model], after[model]) for model in before if model in after]
        if both:
            told.append(_gain(records, both))
    return told


def _gain(records: Records, pairs: list[tuple[Row, Row]]) -> str:
    """A sentence on the same networks (before, after) from two starts."""
    gains = sorted(after["top1_mean"] - before["top1_mean"] for before, after in pairs)
    before, after = pairs[0]
    one = len(pairs) == 1
    who = records.networks[before["model"]] if one else f"the same {words.spelled(len(pairs))} networks"
    sized = any(first["input_size"] != then["input_size"] for first, then in pairs)
    known = after.get("gain") if one and after.get("gain") and after["gain"]["over"] == before["entry"] else None
    sure = f" (95{words.GAP}%: {words.span_of_points(known['ci'])})" if known else ""
    told = (
        f"{words.sentence(STARTS[after['start']])}, {who} {'gets' if one else 'get'} {_more(gains[0], gains[-1])} "
        f"{STARTS[before['start']] if before['start'] == 'scratch' else 'when ' + STARTS[before['start']]}{sure}"
        f"{' at another image size' if sized else ''}"
    )
    spent = [[row["train_seconds"] for row in rows] for rows in zip(*pairs, strict=True)]
    if not all(words.known(seconds) and seconds > 0 for rows in spent for seconds in rows):
        return told
    old, new = (words.duration(sum(seconds)) for seconds in spent)
    took = f"{new}, the same time" if new == old else f"{new} instead of {old}"
    return f"{told}, and {'takes' if one else 'take'} {took}{'' if one else ' in all'}"


def _more(low: float, high: float) -> str:
    """(0.1, 0.12) -> "10 to 12 points more than"."""
    if low < 0 < high:
        return f"from {words.points(-low)} less to {words.points(high)} more than"
    least, most = sorted((abs(low), abs(high)))
    far = words.points(most)
    if words.points(least) != far:
        far = f"{words.points(least).split(words.GAP)[0]} to {far}"
    return f"{far} {'less' if low < 0 else 'more'} than"


def worth_table(records: Records) -> dict[str, Any] | None:
    """Accuracy, training time and gain of each network by start; None where no network has two."""

    def told(row: Row | None) -> tuple[str, str, str]:
        if row is None:
            return words.NONE, words.NONE, ""
        return words.accuracy(row["top1_mean"], row.get("top1_ci")), words.duration(row["train_seconds"]), _gained(row)

    rows = []
    for model, name in records.networks.items():
        found = [_of(records, start).get(model) for start in records.starts]
        if sum(row is not None for row in found) > 1:
            rows.append((name, [told(row) for row in found]))
    return {"starts": [words.sentence(STARTS[start]) for start in records.starts], "rows": rows} if rows else None


def _gained(row: Row) -> str:
    """What a start gains over the first one of its network, "+9.7 (+6.9 to +12.7 points)"."""
    gain = row.get("gain")
    return "" if gain is None else f"{words.signed(gain['top1'])} ({words.span_of_points(gain['ci'])})"


def ways(records: Records) -> list[tuple[str, str]]:
    """How entries of each start were made, where any starts from public weights."""
    if not records.public:
        return []
    recipes = _recipes(records)
    last = "the weights of the last epoch count, validation picks no epoch"
    told = {"probe": _probing(records)}
    if recipe := recipes.get("scratch"):
        told["scratch"] = (
            f"The network begins with the initial weights of its paper and trains for "
            f"{words.plural(recipe['epochs'], 'epoch')}; {last}."
        )
    if recipe := recipes.get("finetune"):
        head, stem = min(recipe.get("head_epochs") or 0, recipe["epochs"] - 1), recipe.get("stem_rate") or 1.0
        first = f", the first{f' {head}' if head > 1 else ''} of them the new last layer alone" if head else ""
        slow = f"; its first layer learns at {stem:g} of the last one’s rate" if stem < 1 else ""
        told["finetune"] = (
            f"The network begins with public weights and a new last layer, and trains for "
            f"{words.plural(recipe['epochs'], 'epoch')}{first}{slow}; {last}."
        )
    return [(words.sentence(STARTS[start]), told[start]) for start in records.starts if start in told]


def _probing(records: Records) -> str:
    ways = {row["probe_chosen_on"] for row in records.ok if row.get("probe_chosen_on")}
    told = {"validation part": "on the validation part"}
    chosen = [told.get(way, f"by cross-validation inside the training part ({way})") for way in sorted(ways)]
    return (
        "The network begins with public weights, which stay as they are. One pass over all images gives what its last "
        "layer sees; a regularised logistic regression on that takes the last layer’s place. Its strength C is chosen "
        f"{words.listed(chosen or ['on images left out'])}. Nothing but the folds is drawn at random: one run stands "
        "for all seeds."
    )


def weights(records: Records) -> list[dict[str, Any]]:
    """The public weights in use, each once: name, file, licence, SHA-256, and the networks that start from them."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in records.rows:
        if row["weights"]:
            each = row["weights"]
            kept = found.setdefault((each["name"], each["sha256"]), {**each, "networks": {}, "short": short(each)})
            kept["networks"][records.networks[row["model"]]] = row["input_size"]
            kept["link"] = each["file"] if each["file"].startswith(("https://", "http://")) else None
    return list(found.values())
