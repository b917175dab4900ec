"""The built-in writer: a script from the learner's records alone, without a key or a network.

The words are in `phrases/<language>.toml`, so that a new language is one more file:
- `[headings]`: the chapters; `[labels]`: how a sentence about a course or a quiz begins.
- `[once]`: lists of variants. Each is used once in an episode; a CRC of the context chooses the first.
- `[bare]`: the plain fact, used when no variant is left. A phrase that could sound the same twice has a number.
A phrase with an empty value is left out, and so is one that would repeat a sentence.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from itertools import chain, pairwise
from typing import Any
from unicodedata import category
from zlib import crc32

from ..errors import ProviderError
from ..languages.characters import is_cjk
from ..languages.table import CJK_STOPS, LANGUAGES, LATIN_STOPS, get_language
from ..learner import Course, LearnerContext, Lesson, QuizResult
from .base import Completion, LLMProvider, Prompt

PHRASES = files("dailycast.llm") / "phrases"
PAUSE_SECONDS = 4
PAUSE = f"[pause {PAUSE_SECONDS}s]"
LENGTH_TOLERANCE = 1.2  # a script with all material is used if it is at most this many times the requested length
RECAP_SHARE = 0.4  # of the length: what the recap takes first, before questions are chosen for the rest
MAX_SUMMARY_CHARACTERS = 400  # in whole sentences; a host should give a sentence or two

STOPS = LATIN_STOPS + CJK_STOPS
KEEPS_FULL_STOP = ("question", "item")  # placeholders that keep their own full stop even inside a sentence
CLOSING = r"(?:[”“\"’'」』)\]]|\s?»)*"
PLACEHOLDER = re.compile(r"\{(\w+)\}((?:[”“」]|\s?»)?)([.。]?)")
ENDS_WITH_STOP = re.compile(rf"[{STOPS}]{CLOSING}$")
# From its first stop only, so that a long run of stops takes linear time; "…" is a CJK stop as well.
LATIN_RUN = rf"(?<![.!?])[{LATIN_STOPS}]++"
SENTENCE_END = re.compile(rf"(?:{LATIN_RUN}(?:{CLOSING}(?=\s|$)|[」』])|[{CJK_STOPS}]+{CLOSING})\s*")
INNER_STOP = re.compile(rf"(?:(?P<latin>{LATIN_RUN})(?={CLOSING}\s)|(?P<cjk>[{CJK_STOPS}]+)(?!{CLOSING}$))")
ABBREVIATION = re.compile(r"(?:^|\W)(?:\w|Dr|Mr|Mrs|Ms|Mme|Sr|Sra|St|Prof)$", re.IGNORECASE)
LONGEST_ABBREVIATION = len(" Prof")
WORDS = re.compile(r"\w(?:.*\w)?", re.DOTALL)
GRAMMAR = re.compile(
    r"(?<!\S)#++(?!\S)|[\[［【]\s*+"
    rf"(?:(pause\b[^\[\]［］【】]*+)(?:[\]］】]|(?=[\[［【]))|(/?+\s*+(?:{'|'.join(LANGUAGES)}))\s*+[\]］】])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PhraseTables:
    """The tables of one language's file."""

    headings: dict[str, str]
    labels: dict[str, str]
    once: dict[str, list[str]]
    bare: dict[str, str]


@dataclass(frozen=True)
class Question:
    """A question that was missed or is due; a field is empty where the records do not have it."""

    text: str
    answer: str
    wrong_answer: str = ""
    explanation: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for the same question: its text and answer, or all its other fields when it has no text."""
        if self.text:
            return self.text.casefold(), self.answer.casefold()
        return "", self.answer, self.wrong_answer, self.explanation


@dataclass(frozen=True)
class Plan:
    """The contents of one episode. `recap` is the number of lessons, of courses and of quizzes in it."""

    context: LearnerContext
    missed: Sequence[Question]
    due: Sequence[Question]
    missed_carried: int
    due_carried: int
    recap: int


class Provider(LLMProvider):
    name = "template"
    remote = False

    def missing(self) -> str:
        return ""

    def unbilled(self) -> bool:
        return True

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        """The script for `prompt.context`; the same context gives the same bytes. `timeout` is not used.

        Raises ProviderError (permanent) for a language that has no phrases.
        """
        language = get_language(prompt.language)
        text = write_script(prompt.context, load_phrases(language.code), language.rate, 60 * prompt.minutes)
        return Completion(text, provider=self.name, model=self.name)


@cache
def load_phrases(code: str) -> PhraseTables:
    """The phrases of a base language. Raises ProviderError (permanent) naming the languages that have some."""
    path = PHRASES / f"{code}.toml"
    if not path.is_file():
        known = sorted(entry.name.removesuffix(".toml") for entry in PHRASES.iterdir() if entry.name.endswith(".toml"))
        languages = ", ".join(map(_language_label, known))
        raise ProviderError(
            f"The built-in writer has no phrases for {_language_label(code)}, only for {languages}. "
            "Set OPENAI_API_KEY or GEMINI_API_KEY to have this language written by a model.",
            permanent=True,
        )
    return PhraseTables(**tomllib.loads(path.read_text(encoding="utf-8")))


def write_script(context: LearnerContext, tables: PhraseTables, rate: float, limit: float) -> str:
    """The script for `context` that fills `limit` seconds, at `rate` characters a second, as far as there is material.

    Questions come before more recaps once these have their share; at least one of each is included.
    """
    context = clean_records(context)
    missed, due = collect_questions(context)
    turns = interleave(len(missed), len(due))
    seed = crc32(repr(context).encode())

    def script(recap: int, asked: int) -> str:
        missed_count, due_count = (turns[:asked].count(kind) for kind in (0, 1))
        carried = len(missed) - missed_count, len(due) - due_count
        plan = Plan(context, missed[:missed_count], due[:due_count], *carried, recap)
        return compose_script(PhraseBook(tables, seed), plan)

    def most_that_fit(count: int, seconds: float, text: Callable[[int], str]) -> int:
        return bisect_right(range(1, count + 1), seconds, key=lambda number: spoken_seconds(text(number), rate))

    longest = max(len(context.lessons_completed), len(context.courses), len(context.quiz_results))
    everything = script(longest, len(turns))
    if spoken_seconds(everything, rate) <= limit * LENGTH_TOLERANCE:
        return everything
    recap = max(1, most_that_fit(longest, limit * RECAP_SHARE, lambda number: script(number, 0)))
    asked = max(bool(missed) + bool(due), most_that_fit(len(turns), limit, lambda number: script(recap, number)))
    return script(max(1, most_that_fit(longest, limit, lambda number: script(number, asked))), asked)


def spoken_seconds(script: str, rate: float) -> float:
    """How long `script` lasts at `rate` characters a second, its pauses included."""
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    pauses = lines.count(PAUSE)
    return sum(len(line) for line in lines if line != PAUSE) / rate + PAUSE_SECONDS * pauses


class PhraseBook:
    """The phrases of one episode; no sentence is used twice."""

    def __init__(self, tables: PhraseTables, seed: int) -> None:
        self.tables = tables
        self.unused = {key: _rotated(variants, crc32(key.encode(), seed)) for key, variants in tables.once.items()}
        self.used_sentences: set[str] = set()

    def phrase(self, key: str, **values: str | int) -> str:
        """An unused variant of `key`, else its bare form; "" when a value is empty or every form was used."""
        texts = {name: str(value) for name, value in values.items()}
        if "" in texts.values():
            return ""
        unused = self.unused.get(key, [])
        for as_one in (False, True):
            for phrase in (*unused, self.tables.bare.get(key, "")):
                spoken = fill_phrase(phrase, texts, as_one)
                if self._use(spoken):
                    self.unused[key] = [variant for variant in unused if variant != phrase]
                    return spoken
        return ""

    def count_phrase(self, key: str, number: int) -> str:
        """The phrase `key` for several, `key_one` for one, "" for none."""
        if number == 1:
            return self.phrase(f"{key}_one")
        return self.phrase(key, n=number) if number else ""

    def new_sentences(self, text: str, limit: int | None = None) -> str:
        """The unused sentences of `text`, with a stop at the end; at most about `limit` characters of them."""
        new: list[str] = []
        length = 0
        for sentence in split_sentences(text):
            length += len(sentence)
            if new and limit and length > limit:
                break
            if self._use(sentence):
                new.append(sentence)
        return with_final_stop(join_sentences(new))

    def label(self, kind: str, title: str, subject: str) -> str:
        """The beginning of a sentence about this course or quiz."""
        labels = self.tables.labels
        if title:
            return fill_phrase(labels[kind], {"title": title})
        return fill_phrase(labels[f"{kind}_subject"], {"subject": subject}) if subject else labels[f"{kind}_unnamed"]

    def _use(self, text: str) -> bool:
        """Whether all sentences of `text` are unused; then they count as used."""
        new = [_comparable(sentence) for sentence in split_sentences(text) if _comparable(sentence)]
        if not new or len(set(new)) < len(new) or self.used_sentences.intersection(new):
            return False
        self.used_sentences.update(new)
        return True


def compose_script(book: PhraseBook, plan: Plan) -> str:
    """The whole script, chapter by chapter; a chapter with nothing to say is left out."""
    parts = [f"# {book.phrase(_title_key(plan))}"]
    for key, chapter in CHAPTERS:
        paragraphs = [paragraph for paragraph in chapter(book, plan) if paragraph]
        if paragraphs:
            parts.append(f"## {book.tables.headings[key]}\n" + "\n\n".join(paragraphs))
    return "\n\n".join(parts)


def welcome_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    yield join_sentences(
        [
            book.phrase("hello_name", name=plan.context.first_name) or book.phrase("hello"),
            book.count_phrase("agenda_missed", len(plan.missed)),
            book.count_phrase("agenda_due", len(plan.due)),
        ]
    )


def about_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    if not plan.context.has_material:
        yield join_sentences([book.phrase("first_who"), book.phrase("first_now")])
        yield book.phrase("first_brings")


def recap_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    context = plan.context
    yield book.phrase("active_all") if context.active_days >= 7 else book.count_phrase("active", context.active_days)
    yield from lesson_paragraphs(book, context.lessons_completed, plan.recap)
    yield join_sentences(course_sentence(book, course) for course in context.courses[: plan.recap])
    yield join_sentences(quiz_sentence(book, quiz) for quiz in context.quiz_results[: plan.recap])
    weakest = context.weakest_subject if context.weakest_subject != context.strongest_subject else ""
    strongest = book.phrase("strongest", subject=context.strongest_subject)
    yield join_sentences([strongest, book.phrase("weakest", subject=weakest)])


def lesson_paragraphs(book: PhraseBook, completed: Sequence[Lesson], recap: int) -> Iterator[str]:
    if len(completed) == 1 and completed[0].title:
        lead = book.phrase("lesson_only", title=completed[0].title)
        yield join_sentences([lead, book.new_sentences(completed[0].summary, MAX_SUMMARY_CHARACTERS)])
        return
    yield book.count_phrase("lessons", len(completed))
    for lesson in completed[:recap]:
        lead = book.phrase("recap" if lesson.summary else "lesson", title=lesson.title)
        yield join_sentences([lead, book.new_sentences(lesson.summary, MAX_SUMMARY_CHARACTERS)])


def course_sentence(book: PhraseBook, course: Course) -> str:
    """The learner's progress in `course`; a total of 0 means that the host does not know it."""
    done, total = course.lessons_done, course.lessons_total
    label = book.label("course", course.title, course.subject)
    if not done and not total:
        return book.phrase("course_plain", title=course.title or course.subject)
    if not total:
        key = "course_count_one" if done == 1 else "course_count"
    elif done >= total:
        key = "course_done_one" if total == 1 else "course_done"
    elif not done:
        key = "course_start_one" if total == 1 else "course_start"
    else:
        key = "course_last" if total - done == 1 else "course_going"
    return book.phrase(key, course=label, done=done, total=total, left=total - done)


def quiz_sentence(book: PhraseBook, quiz: QuizResult) -> str:
    if not quiz.total:
        return book.phrase("quiz_plain", title=quiz.title)
    key = "quiz_perfect" if quiz.correct >= quiz.total else "quiz_some" if quiz.correct else "quiz_none"
    if quiz.total == 1:
        key += "_one"
    return book.phrase(key, quiz=book.label("quiz", quiz.title, quiz.subject), correct=quiz.correct, total=quiz.total)


def mistakes_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    if plan.missed:
        yield book.phrase("missed_lead")
    for number, question in enumerate(plan.missed, 1):
        yield explain_mistake(book, number, question)
    if not any(map(_can_be_asked, plan.missed)):
        yield book.count_phrase("missed_carried", plan.missed_carried)


def explain_mistake(book: PhraseBook, number: int, question: Question) -> str:
    opening = book.phrase("ask_first", question=question.text) if number == 1 else ""
    reason = book.new_sentences(question.explanation)
    unknown = "" if question.answer or question.explanation else book.phrase("unknown", n=number)
    return join_sentences(
        [
            opening or book.phrase("ask", n=number, question=question.text) or book.phrase("nameless", n=number),
            book.phrase("yours", n=number, answer=question.wrong_answer),
            book.phrase("right", n=number, answer=question.answer),
            book.phrase("why") if reason else "",
            reason,
            unknown,
        ]
    )


def practice_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    asked = [(number, question) for number, question in enumerate(plan.missed, 1) if _can_be_asked(question)]
    if not asked:
        return
    yield book.phrase("practice_lead")
    for number, question in asked:
        answer = book.phrase("reveal", n=number, answer=question.answer)
        yield _with_pause(ask_again(book, number, question), answer)
    yield book.count_phrase("missed_carried", plan.missed_carried)


def ask_again(book: PhraseBook, number: int, question: Question) -> str:
    """The question once more; every second one names the wrong answer as wrong."""
    warning = book.phrase("again_not", wrong=question.wrong_answer, question=question.text) if number % 2 == 0 else ""
    return warning or book.phrase("again", n=number, question=question.text)


def reviews_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    if plan.due:
        yield book.phrase("due_lead")
    for number, question in enumerate(plan.due, 1):
        answer = book.phrase("due_answer", n=number, answer=question.answer) or book.phrase("due_open")
        yield _with_pause(book.phrase("due", n=number, item=question.text), answer)
    yield book.count_phrase("due_carried", plan.due_carried)


def outlook_chapter(book: PhraseBook, plan: Plan) -> Iterator[str]:
    context = plan.context
    if not context.has_material and not context.goal:
        yield _with_pause(book.phrase("first_think"), book.phrase("first_thought"))
    yield join_sentences([book.phrase("goal", goal=context.goal), next_step(book, plan)])
    yield book.phrase("goodbye_name", name=context.first_name) or book.phrase("goodbye")


def next_step(book: PhraseBook, plan: Plan) -> str:
    """What to do next: the next lesson if one is known, else what the material allows."""
    course = next((course for course in plan.context.courses if course.next_lesson), Course())
    lesson = book.phrase("next_course", lesson=course.next_lesson, course=course.title)
    lesson = lesson or book.phrase("next", lesson=course.next_lesson)
    if lesson:
        return lesson
    if any(map(_can_be_asked, [*plan.missed, *plan.due])):
        return book.phrase("step_questions")
    return book.phrase("step_lesson" if plan.context.has_material else "first_step")


CHAPTERS: tuple[tuple[str, Callable[[PhraseBook, Plan], Iterator[str]]], ...] = (
    ("welcome", welcome_chapter),
    ("about", about_chapter),
    ("standing", recap_chapter),
    ("missed", mistakes_chapter),
    ("practice", practice_chapter),
    ("due", reviews_chapter),
    ("ahead", outlook_chapter),
)


def collect_questions(context: LearnerContext) -> tuple[list[Question], list[Question]]:
    """The missed questions and the due ones, each once; what is missed and due counts as missed."""
    missed = [Question(m.question, m.right_answer, m.learner_answer, m.explanation) for m in context.mistakes]
    due = [Question(r.item, r.answer) if r.item else Question(r.answer or r.subject, "") for r in context.due_reviews]
    answers = {q.text.casefold(): q.answer for q in chain(reversed(due), reversed(missed)) if q.text and q.answer}
    merged = merge_questions(missed, answers)
    only_due = [question for key, question in merge_questions(due, answers).items() if key not in merged]
    return list(merged.values()), only_due


def merge_questions(questions: Iterable[Question], answers: dict[str, str]) -> dict[tuple[str, ...], Question]:
    """Each question once, with the fields of its duplicates; a missing answer comes from `answers`, by the text."""
    merged: dict[tuple[str, ...], Question] = {}
    for question in questions:
        question = replace(question, answer=question.answer or answers.get(question.text.casefold(), ""))
        first = merged.get(question.key, question)
        wrong = first.wrong_answer or question.wrong_answer
        if wrong.casefold() == question.answer.casefold():
            wrong = ""
        merged[question.key] = replace(first, wrong_answer=wrong, explanation=first.explanation or question.explanation)
    return merged


def interleave(missed: int, due: int) -> list[int]:
    """The order of the questions: 0 for a missed one, 1 for a due one, evenly mixed from the start."""
    return [
        kind
        for _, kind in sorted((index / size, kind) for kind, size in enumerate((missed, due)) for index in range(size))
    ]


def clean_records(value: Any) -> Any:
    """`value` with every text on one line and without script grammar; empty items of lists are removed."""
    if isinstance(value, str):
        visible = "".join(" " if category(character) in ("Cc", "Cs") else character for character in value)
        return " ".join(GRAMMAR.sub(r"\1\2", visible).split())
    if isinstance(value, tuple):
        return tuple(item for item in map(clean_records, value) if item != type(item)())
    if isinstance(value, int):
        return value
    return replace(value, **{field.name: clean_records(getattr(value, field.name)) for field in fields(value)})


def fill_phrase(phrase: str, texts: dict[str, str], as_one: bool = False) -> str:
    """`phrase` with its placeholders filled, and never two stops in a row: a text's own stop replaces the phrase's.

    With `as_one` each text becomes one sentence.
    """

    def value_of(match: re.Match[str]) -> str:
        name, quote, stop = match.groups()
        text = as_one_sentence(texts[name]) if as_one else texts[name]
        if match.end() < len(phrase):
            dropped = STOPS if as_one else "" if name in KEEPS_FULL_STOP else ".。"
            text = text.rstrip(dropped) or text
        return text + quote + ("" if ENDS_WITH_STOP.search(text) else stop)

    return PLACEHOLDER.sub(value_of, phrase)


def split_sentences(text: str) -> list[str]:
    """`text` split after every stop: a Latin one before white space or at the end, a CJK one anywhere."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    cuts = [0, *ends, len(text)]
    return [text[start:end].strip() for start, end in pairwise(cuts) if text[start:end].strip()]


def as_one_sentence(text: str) -> str:
    """`text` as one sentence: an inner stop becomes ":" (CJK "、"), the dots of a gap "___"; "Dr." becomes "Dr"."""

    def replacement(match: re.Match[str]) -> str:
        start = match.start()
        if match["cjk"]:
            return "、"
        if not start or text[start - 1].isspace():
            return "___"
        return "" if ABBREVIATION.search(text, max(start - LONGEST_ABBREVIATION, 0), start) else ":"

    return INNER_STOP.sub(replacement, text)


def join_sentences(parts: Iterable[str]) -> str:
    """The parts that say something, with a space between them where the script uses spaces."""
    text = ""
    for part in filter(None, parts):
        text += ("" if not text or text[-1] in "。！？」" else " ") + part
    return text


def with_final_stop(text: str) -> str:
    """`text` with a stop at its end."""
    if not text or ENDS_WITH_STOP.search(text):
        return text
    return text.rstrip(" ,;:、") + ("。" if is_cjk(text[-1]) else ".")


def _comparable(sentence: str) -> str:
    """`sentence` without case and outer marks, which make no difference to the ear."""
    words = WORDS.search(sentence.casefold())
    return words[0] if words else ""


def _rotated(variants: Sequence[str], seed: int) -> list[str]:
    start = seed % len(variants)
    return [*variants[start:], *variants[:start]]


def _title_key(plan: Plan) -> str:
    if plan.missed or plan.missed_carried:
        return "title_missed"
    if plan.due or plan.due_carried:
        return "title_due"
    return "title_standing" if plan.context.has_material else "title_first"


def _can_be_asked(question: Question) -> bool:
    return bool(question.text and question.answer)


def _with_pause(question: str, answer: str) -> str:
    return "\n".join(filter(None, (question, PAUSE, answer)))


def _language_label(code: str) -> str:
    return f"{LANGUAGES[code].name} ({code})" if code in LANGUAGES else code
