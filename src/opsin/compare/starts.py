"""What the networks of a comparison start from: the weights of others, where they are to be had, or scratch.

With `--start auto` photos start from public weights: every network that has some is probed, and the best are then
fine-tuned, as many as the time allows. Small images start from scratch, and so does all where no weights can be had.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from opsin import zoo
from opsin.compare.request import Request
from opsin.errors import OpsinError
from opsin.lineups import choose
from opsin.training.entry import Entry, scratch, started
from opsin.watch import Watch
from opsin.weights import catalogue, create, download, hub
from opsin.weights.public import Weights

PHOTO = 64
"""Images above this side, in pixels, are photos: what public weights are trained on."""


@dataclass(frozen=True)
class Chosen:
    """The entries of a comparison, network by network; `undecided` as in Plan, and what is to be said of it."""

    entries: tuple[Entry, ...]
    undecided: bool = False
    notes: tuple[str, ...] = ()


def choose_entries(request: Request, own_size: int, size: int, watch: Watch) -> Chosen:
    """Which networks meet, and what each starts from; public weights are downloaded on the way.

    Args:
        own_size: of the images, in pixels.
        size: at which networks from scratch would train, in pixels.

    Raises:
        OpsinError: a network without public weights where they were asked for; or weights that are not to be had.
    """
    starts = request.starts
    if starts == ("scratch",) or (starts is None and own_size <= PHOTO and not request.weights):
        return Chosen(scratch(choose(request.models, request.lineup, size)))
    models = choose(request.models, request.lineup or (None if request.models else "public"), size)
    if spare := [name for name in request.weights if name not in models]:
        raise OpsinError(f"--weights names {', '.join(spare)}, not among those compared: name all with --models")
    if starts is None:
        return _auto(request, models, size, watch)
    answers: dict[str, bool] = {}
    asked = {model: _asked(request, model, answers) for model in models}
    _say_downloads(asked.values(), watch)
    entries = []
    for model, wanted in asked.items():
        first = started(model, wanted, watch, request.input_size)
        entries += [Entry(model) if start == "scratch" else replace(first, start=start) for start in starts]
    return Chosen(tuple(entries))


def _auto(request: Request, models: tuple[str, ...], size: int, watch: Watch) -> Chosen:
    watch.stage("looking for public weights", len(models))
    answers: dict[str, bool] = {}
    there: dict[str, str | Weights] = {}
    for model in models:
        if asked := request.weights.get(model) or create.available(model, answers):
            there[model] = asked
        watch.advance(1)
    _say_downloads(there.values(), watch)
    found: dict[str, Entry] = {}
    notes = []
    for model, asked in there.items():
        try:
            found[model] = started(model, asked, watch, request.input_size)
        except OpsinError as error:
            if model in request.weights:
                raise
            notes.append(f"{model}: {error}")
    named = request.models or request.lineup
    without = [model for model in models if model not in found]
    if not found:
        offline = f" ({variable} is set)" if (variable := download.offline_variable()) else ""
        notes.append(f"all start from scratch: no public weights are cached, and none can be reached{offline}")
        return Chosen(scratch(choose(request.models, request.lineup, size)), notes=tuple(notes))
    if without:
        what = "from scratch" if named else "left out"
        extra = "" if hub.address("timm") else " (those of timm need: pip install 'opsin[hub]')"
        notes.append(f"{what}, since their public weights are not to be had here{extra}: {', '.join(without)}")
    entries = [found.get(model) or Entry(model) for model in models if named or model in found]
    return Chosen(tuple(entries), undecided=True, notes=tuple(notes))


def _say_downloads(wanted: Iterable[str | Weights], watch: Watch) -> None:
    missing = [row for row in wanted if isinstance(row, Weights) and not create.is_cached(row)]
    if missing and not download.offline():
        megabytes = sum(4 * zoo.card(row.model).params for row in missing) / 1e6
        networks = missing[0].model if len(missing) == 1 else f"{len(missing)} networks"
        watch.say(f"to be downloaded, once: weights of {networks}, {megabytes:,.0f} MB")


def _asked(request: Request, model: str, answers: dict[str, bool]) -> str | Weights:
    """The weights that a network is to start from. Raises OpsinError where it has none, naming the variant that has."""
    return request.weights.get(model) or create.available(model, answers) or catalogue.find(model, True)
