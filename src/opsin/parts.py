"""Parts of a recipe: an optimizer, a schedule, an augmentation. In TOML and JSON a `kind` says which is meant."""

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from opsin.errors import OpsinError, unknown


@dataclasses.dataclass(frozen=True)
class Part:
    """Its kind is the class's name in small letters: RandomCrop is "random_crop", AdamW "adamw"."""

    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"(?<=[a-z])(?=[A-Z][A-Za-z])", "_", cls.__name__).lower()

    def require(self, rules: dict[str, bool]) -> None:
        """Raises OpsinError with the first rule that does not hold."""
        for rule, holds in rules.items():
            if not holds:
                raise OpsinError(f"{self.kind}: {rule}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `read_part` gives an equal part back."""
        return {"kind": self.kind} | json.loads(json.dumps(dataclasses.asdict(self)))

    def __str__(self) -> str:
        own = [f for f in dataclasses.fields(self) if getattr(self, f.name) != f.default]
        values = ", ".join(f"{f.name} {told(getattr(self, f.name))}" for f in own)
        return f"{self.kind} ({values})" if values else self.kind


def told(value: Any) -> str:
    """A value of a recipe as people read it: 0.0667, 0.5/0.75, yes, none, mix (mixup 0.8, cutmix 1, probability 1)."""
    if isinstance(value, Part):
        values = told({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        return value.kind if values == "none" else f"{value.kind} ({values})"
    if value is None or value == {} or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {told(each)}" for key, each in value.items())
    if isinstance(value, tuple):
        return ("/" if all(isinstance(each, int | float) for each in value) else ", ").join(map(told, value))
    return str(value)


Kind = TypeVar("Kind", bound=Part)


def read_part(kinds: Iterable[type[Kind]], value: Any, where: str) -> Kind:
    """The part that a name ("cosine") or a table ({"kind": "steps", "factor": 0.1}) stands for; `where` is its key.

    Raises OpsinError for an unknown kind or key, naming the nearest ones, and for a value that does not fit.
    """
    known = {kind.kind: kind for kind in kinds}
    table = {"kind": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
        raise OpsinError(f"recipe: {where} must be one of {', '.join(known)}, or a table with its kind, not {value!r}")
    name = table["kind"]
    if name not in known:
        raise unknown(f"{where} of a recipe", name, known)
    return read(known[name], {key: entry for key, entry in table.items() if key != "kind"}, f"{where} {name}")


Read = TypeVar("Read")


def read(cls: type[Read], values: dict[str, Any], where: str) -> Read:
    """A dataclass of plain values, as JSON has them. Raises OpsinError, which names the key."""
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
    for key in values:
        if key not in known:
            raise unknown(f"key of {where}", key, known)
    try:
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise OpsinError(f"{where}: {key or 'it'}: {first['msg']}, not {first['input']!r}"[:200]) from None
