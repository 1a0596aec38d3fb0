"""Receptive fields of everything that a network computes, in any graph, from the trace of one forward pass.

Each tensor that depends on the images has a shadow (shadows.py), and each kind of operator says how its result's
shadow comes from those of its arguments. What no rule is for, or is indexed by data, has no receptive field from there
on: nothing is guessed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from opsin.costs import shadows
from opsin.costs.operators import base_name
from opsin.costs.rules import RULES
from opsin.costs.shadows import Shadow
from opsin.costs.trace import Call, Trace

Pair = tuple[int, int]


@dataclass(frozen=True)
class Receptive:
    """What one unit of a map sees of the image, (H, W) in px, by the arithmetic of its paths, past the border too.

    Sizes are those of the unit that sees most. `size` is over all paths, `shortest` over the one that sees least,
    `local` over those that no global operation lies on (None where none is left); where `whole`, a global operation
    lies on some path, and `size` is the image. `stride` is the distance of neighbouring units, `offset` where the
    first unit looks: the middle of what it sees through its own window, counted from the middle of the image's first
    pixel; both None where no positions are left.
    """

    size: Pair
    shortest: Pair
    local: Pair | None
    whole: bool
    stride: tuple[float, float] | None
    offset: tuple[float, float] | None


def receptive_fields(traced: Trace) -> list[Receptive | None]:
    """Of the result of every call; None for constants, and where an operator on the way is not known."""
    found = shadows_of(traced)
    summaries = {id(s): summary(s) for s in {id(s): s for s in found}.values() if s}  # many calls share one
    return [s and summaries[id(s)] for s in found]


def summary(s: Shadow) -> Receptive:
    """The numbers of a shadow that are told."""
    sides = [float((high - low).max()) + 1 for low, high in zip(s.low, s.high, strict=True)]
    local = (round(sides[0]), round(sides[1])) if sides[0] > 0 else None
    shortest = [min(px, side) if s.whole else px for px, side in zip(s.shortest, s.image, strict=True)]
    first = [at[~at.isnan()].flatten()[:1].tolist() for at in s.at]
    placed = all(first)
    return Receptive(
        size=s.image if s.whole or local is None else local,
        shortest=(round(shortest[0]), round(shortest[1])) if local else s.image,
        local=local,
        whole=s.whole,
        stride=(tidy(s.stride[0]), tidy(s.stride[1])) if placed else None,
        offset=(tidy(first[0][0]), tidy(first[1][0])) if placed else None,
    )


def tidy(x: float) -> float:
    """Without the last digits of floating point; whole numbers as int."""
    x = round(x, 4)
    return int(x) if x == int(x) else x


def shadows_of(traced: Trace) -> list[Shadow | None]:
    """The shadow of the first result of every call; None for constants, and where nobody knows."""
    book, found = Book(), []
    with torch.device("cpu"), torch.no_grad():
        book.write(traced.images, shadows.of_images(traced.images.shape))
        for call in traced.calls:
            results = [leaf for leaf in tree_leaves(call.out) if isinstance(leaf, Tensor)]
            states = of_results(call, results, book)
            for result, state in zip(results, states, strict=True):
                if call.operator.__name__.endswith("_"):
                    book.overwrite(result, state)
                else:
                    book.write(result, state)
            found.append(states[0] if states and isinstance(states[0], Shadow) else None)
    return found


LIKE = ["empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like"]
CREATES = frozenset([*LIKE, "new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full", "zero", "fill"])
"""Operators whose result has no values of their argument."""
CONSTANT: Literal["constant"] = "constant"
UNKNOWN: Literal["unknown"] = "unknown"
State = Shadow | Literal["constant", "unknown"]
"""What is known of a tensor: its shadow, that it does not depend on the images, or that nobody knows."""


class Book:
    """What is known of each tensor so far. Tensors that share memory change together."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.sharing: dict[int, list[Tensor]] = defaultdict(list)

    def __getitem__(self, x: Tensor) -> State:
        return self.states.get(id(x), CONSTANT)

    def write(self, x: Tensor, state: State) -> None:
        self.states[id(x)] = state
        self.sharing[x.untyped_storage()._cdata].append(x)

    def overwrite(self, x: Tensor, state: State) -> None:
        """Writes new values into a tensor, and so into all that share its memory."""
        before = self[x]
        if isinstance(state, Shadow) and isinstance(before, Shadow) and shadows.equal(state, before):
            return
        for other in self.sharing[x.untyped_storage()._cdata]:
            self.states[id(other)] = state if shows_the_same(other, x) else laid_over(other, self[other], x, state)
        self.states[id(x)] = state


def shows_the_same(x: Tensor, y: Tensor) -> bool:
    return (x.shape, x.stride(), x.storage_offset()) == (y.shape, y.stride(), y.storage_offset())


def laid_over(x: Tensor, old: State, part: Tensor, new: State) -> State:
    """What is known of x after `part`, which shares its memory, has new values."""
    known = next((s for s in (new, old) if isinstance(s, Shadow)), None)
    if known is None or UNKNOWN in (old, new):
        return old if old == new else UNKNOWN
    below = old if isinstance(old, Shadow) else shadows.constant(known, x.shape)
    above = new if isinstance(new, Shadow) else shadows.constant(known, part.shape)
    size = x.untyped_storage().nbytes() // x.element_size()

    def lay(under: Tensor, over: Tensor) -> Tensor:
        memory = torch.full((size,), torch.nan, dtype=under.dtype)
        memory.as_strided(x.shape, x.stride(), x.storage_offset()).copy_(under)
        memory.as_strided(part.shape, part.stride(), part.storage_offset()).copy_(over)
        return shadows.shrunk(memory.as_strided(x.shape, x.stride(), x.storage_offset()))

    return shadows.merged([below, above], x.shape, lambda arrays: lay(*arrays))


def of_results(call: Call, results: Sequence[Tensor], book: Book) -> list[State]:
    """What is known of each result of a call."""
    name = base_name(call.operator)
    states = [book[x] for x in call.tensors]
    if name == "copy":
        states = [book[x] for x in call.args[1:2]]
    if name in CREATES or all(state == CONSTANT for state in states):
        return [CONSTANT] * len(results)
    rule = RULES.get(call.operator) or RULES.get(name)
    if rule is None or UNKNOWN in states:
        return [UNKNOWN] * len(results)

    def look(x: Any) -> Shadow | None:
        return state if isinstance(x, Tensor) and isinstance(state := book[x], Shadow) else None

    try:
        found = rule(call, look)
    except (RuntimeError, IndexError, ValueError, TypeError):  # a form of the call that the rule does not have
        found = []
    found = [found] if isinstance(found, Shadow) else found[: len(results)]
    return [s if s and s.shape == x.shape else UNKNOWN for x, s in zip_longest(results, found)]
