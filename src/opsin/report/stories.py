"""What the page says in sentences. Each is worked out from the records, and says no more than they bear."""

import re
from typing import Any

from opsin.report import scene, starts, words
from opsin.report.records import Records, Row

METRICS = {"top1": "accuracy", "balanced": "balanced accuracy", "macro_f1": "macro F1"}


def headline(records: Records) -> str:
    images = words.plural(records.n_images, "image")
    if not records.ok:
        return f"On these {images}, no network finished."
    if records.picked is None:
        return f"On these {images}, no network could be picked."
    name = records.name(records.picked["entry"])
    if len(records.ok) == 1:
        return f"One network finished on these {images}: {name}."
    return f"On these {images}, take {name}."


def standfirst(records: Records) -> str:
    """The pick's own figures in a sentence, or why there is none."""
    row = records.picked
    if row is None:
        if not records.ok:
            return "Every network failed; the table says how."
        return "The networks below were trained and measured, but the records name no pick."
    n_test = words.plural(records.results["data"]["n_test"], "test image")
    span = words.interval(row.get("top1_ci"))
    parts = [f"{words.percent(row['top1_mean'])} of {n_test} right" + (f" (95{words.GAP}%: {span})" if span else "")]
    if words.known(row["latency_ms_p50"]):
        parts.append(f"{words.milliseconds(row['latency_ms_p50'])} for an image on this machine")
    parts.append(f"{words.count(row['params'])} parameters")
    parts.append(f"{words.count(row['macs'])} MACs")
    return ", ".join(parts) + "." + (f" {starts.origin(row)}" if row["weights"] else "")


def summary(records: Records) -> list[tuple[str, str]]:
    """The strip under the headline: what it is, how much of it."""
    data, machine = (records.results[key] for key in ("data", "machine"))
    device = machine.get("gpu") or f"{machine['cpu']}, {words.plural(machine['cores'], 'core')}"
    sides = [f"{height} × {width}" for height, width, _ in data["native_sizes"][:1]]
    more = " and others" if len(data["native_sizes"]) > 1 else ""
    ran, all_rows, networks = len(records.ok), len(records.rows), len(records.networks)
    finished = str(ran) if ran == all_rows else f"{ran} of {all_rows}"
    return [
        ("Images", f"{records.n_images:,}" + (f", {sides[0]} px{more}" if sides else "")),
        ("Classes", f"{len(data['classes']):,}"),
        ("Networks", f"{networks}, in {finished} entries" if records.nouns[0] == "entry" else finished),
        ("Training", starts.training(records)),
        ("Time", words.duration(records.results["seconds"])),
        ("Machine", device),
    ]


def _close(records: Records, rows: list[Row]) -> tuple[Row, list[Row]]:
    best = max(rows, key=lambda row: row["top1_mean"])
    margin = records.results["plan"]["margin"]
    return best, [row for row in rows if best["top1_mean"] - row["top1_mean"] <= margin + 1e-12]


def operations_title(records: Records) -> str:
    rows = scene.drawable(records, scene.OPERATIONS)
    best, close = _close(records, rows)
    name = records.name(best["entry"])
    if len(rows) == 1:
        return f"{name}: {words.percent(best['top1_mean'])} with {words.count(best['macs'])} operations an image"
    cheapest = min(close, key=lambda row: (row["macs"], -row["top1_mean"]))
    margin = words.points(records.results["plan"]["margin"])
    if len(close) == 1:
        return f"{name} is the most accurate, by more than {margin}"
    if cheapest is best and any(row["macs"] == best["macs"] for row in close if row is not best):
        return f"{name} is the most accurate, and nothing within {margin} of it needs fewer operations"
    if cheapest is best:
        return f"{name} is the most accurate, and needs fewer operations than any other network within {margin}"
    share = words.sentence(words.spelled(len(close)))
    ratio = words.times(best["macs"] / cheapest["macs"])
    return (
        f"{share} of {words.spelled(len(rows))} {records.nouns[1]} lie within {margin} of the best; of these "
        f"{records.name(cheapest['entry'])} needs the fewest operations, {ratio} times fewer than {name}"
    )


def latency_title(records: Records) -> str:
    """The pair of networks that contradicts most the rule that fewer operations take less time, if any does."""
    drawn = scene.drawable(records, scene.LATENCY)
    rows = list({(row["model"], row["input_size"]): row for row in drawn}.values())  # starts alone cost nothing
    pairs = [
        ((b["macs"] / a["macs"]) * (a["latency_ms_p50"] / b["latency_ms_p50"]), a, b)
        for a in rows
        for b in rows
        if a["macs"] and b["macs"] / a["macs"] >= 1.5 and a["latency_ms_p50"] / b["latency_ms_p50"] >= 1.2
    ]
    if pairs:
        _, a, b = max(pairs, key=lambda pair: pair[0])
        fewer = words.times(b["macs"] / a["macs"])
        slower = words.times(a["latency_ms_p50"] / b["latency_ms_p50"])
        return (
            f"Fewer operations are not always faster: {_costed(records, a)} does {fewer} times fewer than "
            f"{_costed(records, b)} and takes {slower} times as long"
        )
    ordered = sorted(rows, key=lambda row: row["latency_ms_p50"])
    fast, slow = ordered[0], ordered[-1]
    first = f"{_costed(records, fast)} takes {words.milliseconds(fast['latency_ms_p50'])} for an image"
    if fast is slow:
        return first
    return f"{first}, {_costed(records, slow)} {words.milliseconds(slow['latency_ms_p50'])}"


def _costed(records: Records, row: Row) -> str:
    """The network's name; the entry's where the network's starts differ in image size, and so in cost."""
    sizes = {other["input_size"] for other in records.ok if other["model"] == row["model"]}
    return records.name(row["entry"]) if len(sizes) > 1 else records.networks[row["model"]]


def _dated(name: str, row: Row) -> str:
    year = str(row["year"])
    return name if name.endswith(year) else f"{name} ({year})"


def _alike(records: Records) -> list[Row]:
    """The finished entries of the start and recipe that span the most years; all where none spans two."""
    kinds = dict.fromkeys((row["start"], row["recipe"]) for row in records.ok)
    ordered = sorted(kinds, key=lambda kind: records.starts.index(kind[0]))
    groups = [[row for row in records.ok if (row["start"], row["recipe"]) == kind] for kind in ordered]
    widest = max(groups, key=lambda rows: len({row["year"] for row in rows}))
    return widest if len({row["year"] for row in widest}) > 1 else records.ok


def year_title(records: Records) -> str:
    rows = _alike(records)
    old, new, best = rows[0], rows[-1], records.best
    alike = (old["start"], old["recipe"]) == (new["start"], new["recipe"])
    first, last = (_dated(records.networks[r["model"]] if alike else records.name(r["entry"]), r) for r in (old, new))
    both = f", both {words.STARTS[old['start']]}" if records.mixed and alike else ""
    both = f", both under {old['recipe']}" if records.several and alike else both
    told = f"From {first} to {last}{both}: {words.percent(old['top1_mean'])} to {words.percent(new['top1_mean'])}"
    if best is None or best is new or best is old:
        return told
    return f"{told}. The best is from {best['year']}: {records.name(best['entry'])}"


def baseline_story(records: Records) -> str:
    """How the methods from before 2012 do beside the networks, without sparing either."""
    done = {b["name"]: b for b in records.results["baselines"] if b["status"] == "ok" and words.known(b["top1"])}
    told = []
    majority = done.pop("majority class", None)
    best = records.best
    if done and best is not None:
        top = max(done.values(), key=lambda b: b["top1"])
        told.append(_against(records, best, top))
        told += [
            f"{words.sentence(_article(b['name']))} gets {words.percent(b['top1'])}."
            for b in done.values()
            if b is not top
        ]
    if majority:
        told.append(f"Always naming the largest class would get {words.percent(majority['top1'])}.")
    if told and records.public:
        told.append("A baseline sees these images alone; public weights have seen others before.")
    return " ".join(told)


def _article(name: str) -> str:
    return f"an {name}" if name[:3] == "RBF" else f"a {name}" if name.startswith(("k-", "linear")) else name


def _against(records: Records, best: Row, top: dict[str, Any]) -> str:
    beaten = [row for row in records.ok if row["top1_mean"] < top["top1"]]
    share = f"{words.spelled(len(beaten))} of the {words.spelled(len(records.ok))} {records.nouns[1]}"
    first = (
        f"{words.sentence(_article(top['name']))}, fitted in {words.duration(top['seconds'])}, "
        f"gets {words.accuracy(top['top1'], top.get('top1_ci'))}"
    )
    era = "That was the state of the field before 2012."
    ends = best.get("top1_ci")
    low = min(ends[0], best["top1_mean"]) if ends and words.known(ends[0]) else best["top1_mean"]
    if top["top1"] >= best["top1_mean"]:
        return f"{first}: no network here does better. {era}"
    if top["top1"] >= low:
        behind = words.points(best["top1_mean"] - top["top1"])
        ahead = f", ahead of {share}" if beaten else ""
        inside = f"inside the interval of the best network ({records.name(best['entry'])}), {behind} behind its mean"
        return f"{first}: {inside}{ahead}. {era}"
    errors = (1 - top["top1"]) / max(1 - best["top1_mean"], 1 / (2 * records.results["data"]["n_test"]))
    ahead = f"It is ahead of {share}; " if beaten else ""
    rest = f"{records.name(best['entry'])} makes {words.times(errors)} times fewer mistakes."
    return f"{first}. {ahead}{rest} {era}"


def confusion_title(name: str, pairs: list[dict[str, Any]]) -> str:
    if not pairs:
        return f"{name} makes no mistake on the test images"
    worst = pairs[0]
    if worst["count"] == 1:
        return f"{name}’s mistakes are scattered: no confusion occurs twice"
    often = "twice" if worst["count"] == 2 else f"{worst['count']} times"
    return (
        f"{name}’s most frequent confusion: {worst['truth']} taken for {worst['predicted']}, {often} in {worst['of']}"
    )


def why(records: Records) -> str:
    """The reasons as recorded, with the networks called as the page calls them."""
    text = records.pick.get("why") or ""
    names = sorted(records.names, key=len, reverse=True)
    found = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, names)) + r")(?!\w)")
    return words.sentence(found.sub(lambda match: records.name(match[0]), text))


def deficit_title(records: Records) -> str:
    """How far the pick lies behind the best on validation."""
    pick = records.pick
    name, deficit = records.name(pick.get("entry", "")), pick.get("deficit")
    if not words.known(deficit) or deficit is None or len(records.ok) == 1:
        return ""
    if deficit == 0:
        return f"No {records.nouns[0]} does better than {name} on validation"
    return f"{name} is {words.points(deficit)} behind the best on validation"


def pick_note(records: Records) -> str | None:
    """A word of caution where the data could not show a deficit as small as the margin."""
    visible = records.pick.get("smallest_visible_deficit")
    margin = records.results["plan"]["margin"]
    if visible is None or not words.known(visible) or visible <= margin:
        return None
    return (
        f"These images could not have shown a deficit smaller than {words.points(visible)}: the margin of "
        f"{words.points(margin)} is finer than what they can tell. More images, or more seeds, would sharpen it."
    )
