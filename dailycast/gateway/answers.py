"""What a vendor answers: texts that every database takes, figures that are whole and sane, errors of one kind.

Whatever writes or speaks, also a host's own provider, passes here before anything is stored.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import extract_tb

from ..errors import ProviderError, Units
from ..languages.characters import UNWRITABLE

# Tokens or characters of one call. Our longest prompt has some 160,000 bytes, and a token is at least one byte. Two
# figures of this size at the dearest price that we accept cost $8,000; a row's cost holds less than $10,000.
MAX_FIGURE = 400_000
MAX_MESSAGE_LENGTH = 2_000  # characters of an error
MAX_NAME_LENGTH = 100  # characters of a provider's or a model's name, as the rows hold them
# What code raises that reads an answer of another form than it expects; json raises RecursionError for 200,000 `[`.
FORM_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
logger = logging.getLogger("dailycast")


def clean_text(text: object) -> str:
    r"""`text` with `\n` line ends and without what no database takes: NUL, other controls, lone surrogates.

    Tabs and line ends stay. Anything but a text gives "".
    """
    if not isinstance(text, str):
        return ""
    return UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_name(name: object) -> str:
    """The name of a provider or a model, on one line and as long as a row holds it."""
    return " ".join(clean_text(name).split())[:MAX_NAME_LENGTH]


def sane_figure(figure: object) -> int | None:
    """A number of tokens or characters as an int; None, which means unknown, for what cannot be one.

    Whole and from 0 to MAX_FIGURE: not 900.5, -900, 10**20, NaN, True, "12".
    """
    if isinstance(figure, bool) or not isinstance(figure, int | float) or not 0 <= figure <= MAX_FIGURE:
        return None
    return int(figure) if figure == int(figure) else None


def sane_units(units: object) -> Units | None:
    """What an error says is billed: figures, () for nothing, None where that or the first figure is unknown."""
    figures = tuple(map(sane_figure, units)) if isinstance(units, tuple | list) else (None,)
    return None if figures[:1] == (None,) else figures


def without_odd_figures(body: bytes, field: str, names: tuple[str, ...]) -> bytes:
    """A JSON `body` whose object `field` has only the figures `names`; without the field where one of them is not sane.

    For an SDK that refuses the whole answer over one figure. Lone surrogates go as well, and any other body stays.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(answer, dict):
        return body
    usage = answer.pop(field, None)
    figures = {name: usage[name] for name in names if usage.get(name) is not None} if isinstance(usage, dict) else {}
    if figures and None not in map(sane_figure, figures.values()):
        answer[field] = figures
    return json.dumps(answer, ensure_ascii=False).encode(errors="ignore")


@contextmanager
def provider_errors_only(name: str) -> Iterator[None]:
    """Whatever goes wrong in this block, a call to the provider `name`, is a ProviderError that can be stored."""
    try:
        yield
    except ProviderError as error:
        error.args = (clean_text(str(error))[:MAX_MESSAGE_LENGTH],)
        error.billed, error.retry_after = sane_units(error.billed), _sane_seconds(error.retry_after)
        raise
    except FORM_ERRORS as error:
        place = f"{type(error).__name__} in {extract_tb(error.__traceback__)[-1].name}"
        logger.exception("Dailycast: the answer of %s could not be read", name)
        message = f"{name} gave an answer that could not be read ({place}): try again later."
        raise ProviderError(message, permanent=False) from error


def _sane_seconds(seconds: object) -> float | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        return None
    return float(min(seconds, 10**9))
