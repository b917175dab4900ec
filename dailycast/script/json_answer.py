"""A script that a model has wrapped into JSON, though nobody asked for that."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import ProviderError

JSON_START = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{])")
TITLES = ("title", "name", "heading", "chapter", "chapter_title", "section_title")
TEXTS = ("script", "text", "content", "body", "narration", "transcript", "spoken_text", "speech", "paragraphs", "lines")
SECTIONS = ("sections", "chapters", "segments", "parts")
IGNORED = ("language", "lang", "type", "format", "voice", "speaker", "host", "duration", "tone", "date", "id")
WRAPPERS = ("podcast", "episode", "podcast_script", "result", "response", "output", "answer", "data")


def looks_like_json(text: str) -> bool:
    return bool(JSON_START.match(text))


def script_from_json(text: str) -> str:
    """The script in the JSON value `text`: a title, and a text or sections that have a title and a text each.

    Raises ProviderError for any other JSON, and for what only begins like it.
    """
    try:
        return "\n\n".join(_object_lines(json.loads(text, strict=False), level=1))
    except (ValueError, RecursionError, _Unknown) as error:
        message = "the answer is JSON that holds no title and text, not a script: try another model."
        raise ProviderError(message, permanent=True) from error


class _Unknown(Exception):  # noqa: N818  # never leaves this module
    """A value whose meaning is a guess."""


def _object_lines(value: Any, level: int) -> Iterator[str]:
    """A title as a heading of `level`, then the text or the sections of an object."""
    if isinstance(value, list):
        yield from _text_lines(value, 2)
        return
    fields = _unwrapped(value)
    texts = [name for name in (*TEXTS, *SECTIONS) if fields.get(name)]
    titles = [name for name in TITLES if isinstance(fields.get(name), str)]
    if len(texts) != 1 or any(_says_more(name, fields[name], texts + titles[:1]) for name in fields):
        raise _Unknown
    if titles and (title := " ".join(fields[titles[0]].split())):
        yield f"{'#' * level} {title.lstrip('# ')}"
    yield from _text_lines(fields[texts[0]], level + 1)


def _unwrapped(value: Any) -> dict[str, Any]:
    for _ in range(3):
        if not isinstance(value, dict):
            raise _Unknown
        if len(value) != 1 or not isinstance(inner := next(iter(value.values())), dict):
            break
        if str(next(iter(value))).lower() not in WRAPPERS + TEXTS:
            raise _Unknown
        value = inner
    return {str(name).lower(): field for name, field in value.items()}


def _text_lines(value: Any, level: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and level <= 3:
        for part in value:
            yield from [part] if isinstance(part, str) else _object_lines(part, min(level, 2))
    else:
        raise _Unknown


def _says_more(name: str, value: Any, known: list[str]) -> bool:
    """Whether a field beside the `known` ones may be a part of the script; a number, or what is IGNORED, is none."""
    return name not in known and name not in IGNORED and isinstance(value, str | list | dict) and bool(value)
