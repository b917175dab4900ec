"""What an episode may know of its learner: `LearnerContext`, and how it is read from a host's plain data."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, get_args, get_origin, get_type_hints

from django.utils.functional import Promise

from ..errors import LearnerContextError
from .text import without_emails

MAX_TEXT_LENGTH = 2_000  # characters of one text; the rest is cut off


@dataclass(frozen=True)
class Course:
    title: str = ""
    subject: str = ""
    lessons_done: int = 0
    lessons_total: int = 0
    next_lesson: str = ""


@dataclass(frozen=True)
class Lesson:
    """A recently completed lesson; `summary` is what it taught, in a sentence or two."""

    title: str = ""
    subject: str = ""
    summary: str = ""


@dataclass(frozen=True)
class QuizResult:
    title: str = ""
    subject: str = ""
    correct: int = 0
    total: int = 0


@dataclass(frozen=True)
class Mistake:
    """A question that the learner missed; `explanation` says why the right answer is right, where the LMS knows."""

    question: str = ""
    learner_answer: str = ""
    right_answer: str = ""
    subject: str = ""
    explanation: str = ""


@dataclass(frozen=True)
class DueReview:
    """Something the learner should recall today: the `item` asked for and its `answer`."""

    item: str = ""
    answer: str = ""
    subject: str = ""


@dataclass(frozen=True)
class LearnerContext:
    """What the host's records say of one learner. Every field is optional, and an empty context is a valid one.

    Texts are plain and short; of a longer one the first MAX_TEXT_LENGTH characters are used. `language` and
    `native_language` are BCP-47 codes, `level` is the host's own word (such as "A2"), `active_days` counts
    the learner's active days of the last seven. There is no field for an id or an address, and e-mail addresses
    inside texts are taken out, so neither reaches a prompt. `opted_out`: this learner wants no nightly edition.
    """

    first_name: str = ""
    language: str = ""
    native_language: str = ""
    level: str = ""
    courses: tuple[Course, ...] = ()
    lessons_completed: tuple[Lesson, ...] = ()
    quiz_results: tuple[QuizResult, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    due_reviews: tuple[DueReview, ...] = ()
    weakest_subject: str = ""
    strongest_subject: str = ""
    active_days: int = 0
    goal: str = ""
    opted_out: bool = False

    @property
    def has_material(self) -> bool:
        """Whether there is anything of the learner's own to speak about."""
        return bool(self.courses or self.lessons_completed or self.quiz_results or self.mistakes or self.due_reviews)

    def as_dict(self) -> dict[str, Any]:
        """The fields that say something, as JSON-ready values."""
        return {key: value for key, value in asdict(self).items() if value}


def learner_context(data: Mapping[str, Any]) -> LearnerContext:
    """Build a LearnerContext from plain dicts and lists; None counts as not given.

    A text where an object is expected becomes that object's first field: `due_reviews=["ten words"]`.

    Raises LearnerContextError naming every key that is unknown or of the wrong type.
    """
    problems: list[str] = []
    context: LearnerContext = _read_object(LearnerContext, data, "", problems)
    if problems:
        raise LearnerContextError("The learner context is wrong: " + "; ".join(problems) + ".")
    return context


def _read_object(kind: Any, data: Mapping[str, Any], path: str, problems: list[str]) -> Any:
    hints = get_type_hints(kind)
    values = {}
    for key, value in data.items():
        if key not in hints:
            close = get_close_matches(str(key), hints, n=1)
            problems.append(f"unknown key {path}{key}" + (f" (did you mean {close[0]}?)" if close else ""))
        elif value is not None:
            values[key] = _read_value(hints[key], value, path + key, problems)
    return kind(**values)


def _read_value(hint: Any, value: Any, path: str, problems: list[str]) -> Any:
    if get_origin(hint) is tuple:
        return _read_list(get_args(hint)[0], value, path, problems)
    if hint is bool:
        if not isinstance(value, bool):
            problems.append(f"{path} must be true or false, not {value!r}")
        return value is True
    if hint is int:
        return _read_whole_number(value, path, problems)
    if not isinstance(value, (str, int, float, Decimal, Promise)):
        problems.append(f"{path} must be a text, not {type(value).__name__}")
        return ""
    return without_emails(str(value)[:MAX_TEXT_LENGTH].replace("\0", ""))  # no database stores a NUL


def _read_whole_number(value: Any, path: str, problems: list[str]) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not value >= 0 or value % 1:
        problems.append(f"{path} must be a whole number, 0 or more, not {value!r}")
        return 0
    return int(value)


def _read_list(kind: Any, value: Any, path: str, problems: list[str]) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, Mapping, Promise)) or not isinstance(value, Iterable):
        problems.append(f"{path} must be a list, not {type(value).__name__}")
        return ()
    return tuple(_read_item(kind, item, f"{path}[{index}]", problems) for index, item in enumerate(value))


def _read_item(kind: Any, value: Any, path: str, problems: list[str]) -> Any:
    if isinstance(value, (str, Promise)):
        value = {fields(kind)[0].name: value}
    elif isinstance(value, kind):
        value = asdict(value)
    if not isinstance(value, Mapping):
        problems.append(f"{path} must be a dict or a text, not {type(value).__name__}")
        return kind()
    return _read_object(kind, value, path + ".", problems)
