"""What both pages are made with: one file that needs no network, into whose markup no text can break."""

import base64
import hashlib
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup, escape

from opsin.errors import OpsinError
from opsin.report import words

_TEMPLATES = Path(__file__).parent / "templates"
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}\Z")


def render(
    template: str, payload: dict[str, Any] | None, scripts: tuple[str, ...], styles: tuple[str, ...], **context: Any
) -> str:
    """A page as text: `payload` is what its scripts draw from, with Vega, and they alone may run."""
    texts = (*([] if payload is None else [library()]), *map(script, scripts))
    return (
        environment()
        .get_template(template)
        .render(
            **context,
            payload=json_in_html(payload),
            scripts=texts,
            hashes=" ".join(f"'sha256-{digest(text)}'" for text in texts),
            style=stylesheet(styles),
        )
    )


def static(template: str, styles: tuple[str, ...], **context: Any) -> str:
    """A page without scripts as text."""
    return environment().get_template(template).render(**context, style=stylesheet(styles))


def stylesheet(names: tuple[str, ...]) -> str:
    return "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def write(target: Path, html: str) -> Path:
    """Writes a page, whole or not at all. Raises OpsinError where it cannot be written."""
    part = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        part.write_bytes(html.encode("utf-8", "replace"))
        part.replace(target)
    except OSError as error:
        raise OpsinError(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def check(target: Path) -> None:
    """Raises OpsinError where a page cannot be written to `target`, before the work for it is done."""
    folder = target.parent
    if target.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        why = "it is a folder" if target.is_dir() else f"there is no folder {folder} that can be written to"
        raise OpsinError(f"cannot write {target}: {why}; name another file")


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: no `<`, `>`, `&` and no line separator is left in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@lru_cache(maxsize=1)
def library() -> str:
    """Vega with all that it needs, once for all charts."""
    return safe(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def script(name: str) -> str:
    return safe((_TEMPLATES / name).read_text(encoding="utf-8"))


def coded(text: str) -> Markup:
    """A text of a card, escaped, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def safe(script: str) -> str:
    """A script as it can stand in its element, where a browser hashes it to the same digest."""
    script = script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return script.replace("\r", "\\r").replace("\0", "\\0")


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (words.percent, words.accuracy, words.points, words.number, words.count, words.duration, words.plain)
    env.filters.update({show.__name__: show for show in (*shown, words.plural, words.sentence, words.unbroken, coded)})
    env.tests["picture"] = lambda uri: isinstance(uri, str) and _PICTURE.match(uri) is not None
    return env
