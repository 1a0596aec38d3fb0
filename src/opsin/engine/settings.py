"""A recipe as text: `key=value` changes of it, and TOML to copy."""

import json
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from opsin.engine.recipe import PARTS, Recipe
from opsin.errors import OpsinError, unknown


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with changes such as "learning_rate=0.1", "schedule=cosine", "optimizer.momentum=0.8".

    Values are TOML's; what is none of them is text, so that names need no quotes. A dotted key reaches into a part, or
    into the one of several augmentations that it names: "augment.erase.probability=0.5". They act in turn, and only
    the whole is checked: "schedule=steps" "schedule.at=[0.5, 0.75]".

    Raises:
        OpsinError: a key that is not there, with the nearest ones, or a value that does not fit.
    """
    values = recipe.to_dict()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise OpsinError(f"setting {setting!r}: write key=value, such as learning_rate=0.1")
        change(values, key.strip().split("."), value_of(text.strip()), setting)
    return Recipe.from_dict(values)


def change(values: dict[str, Any], path: list[str], value: Any, setting: str) -> None:
    """Sets the entry at `path` of a recipe's plain `values`."""
    top = path[0]
    if top not in values:
        raise unknown("key of a recipe", top, values)
    if top in PARTS:
        if len(path) > 1 and values[top] is None:
            kinds = [kind.kind for kind in PARTS[top]]
            if len(kinds) > 1:
                raise OpsinError(f"setting {setting!r}: {top} is none; set {top}={' or '.join(kinds)} first")
            values[top] = {"kind": kinds[0]}
        elif len(path) == 1 and isinstance(value, str) and value != "none":
            value = {"kind": value}
    if top == "augment" and len(path) == 1 and isinstance(value, list):
        value = [{"kind": each} if isinstance(each, str) else each for each in value]
    place: Any = values
    for key in path[:-1]:
        place = inside(place, key, setting)
    if not isinstance(place, dict):
        raise OpsinError(f"setting {setting!r}: {'.'.join(path[:-1])} is {place!r} and has no {path[-1]}")
    place[path[-1]] = value


def inside(place: Any, key: str, setting: str) -> Any:
    """What a table has at `key`, or a list of parts of that kind."""
    found = {part.get("kind"): part for part in place if isinstance(part, dict)} if isinstance(place, list) else place
    if not isinstance(found, dict):
        raise OpsinError(f"setting {setting!r}: {place!r} has no {key}")
    if key not in found:
        if not found:
            raise OpsinError(f"setting {setting!r}: there is no {key}, for there is none at all")
        raise unknown(f"key in {setting!r}", key, map(str, found))
    return found[key]


def value_of(text: str) -> Any:
    """A TOML value; the text itself where it is none."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = found["value"]
    return value if len(found) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def to_toml(recipe: Recipe) -> str:
    """All of a recipe, a line a key; `Recipe.read` gives an equal one back."""
    return "".join(f"{key} = {toml(value)}\n" for key, value in recipe.to_dict().items())


def toml(value: Any) -> str:
    """A plain value in TOML, on one line; None is "none"."""
    if value is None:
        return '"none"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml(key)
