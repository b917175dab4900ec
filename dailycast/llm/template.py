"""The built-in writer: a script from the learner's records alone, without a key, a network or a guess.

The words stand in `phrases/<language>.toml`, so that a new language is one more file:
- `[headings]`: the chapters; `[labels]`: how a sentence about a course or a quiz begins.
- `[once]`: lists of variants. A variant is said once an episode; a CRC of the context chooses which comes first.
- `[bare]`: the plain fact, said when a list is used up. What could sound the same twice carries a number.
A phrase with an empty value is not said at all, nor is a phrase that would repeat a sentence.
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
STRETCH = 1.2  # of the minutes asked for: within it everything is told, beyond it some is carried over
RECAP_SHARE = 0.4  # of the episode for what the learner did, while questions still want the time
LONGEST_SUMMARY = 400  # characters of whole sentences; the contract speaks of a sentence or two

STOPS = LATIN_STOPS + CJK_STOPS
EXACT = ("question", "item")  # placeholders that keep their own full stop even inside a sentence
CLOSING = r"(?:[”“\"’'」』)\]]|\s?»)*"
PLACEHOLDER = re.compile(r"\{(\w+)\}((?:[”“」]|\s?»)?)([.。]?)")
STOPPED = re.compile(rf"[{STOPS}]{CLOSING}$")
SENTENCE_END = re.compile(rf"(?:[{LATIN_STOPS}]+(?:{CLOSING}(?=\s|$)|[」』])|[{CJK_STOPS}]+{CLOSING})\s*")
INNER_STOP = re.compile(rf"(?:(?P<latin>[{LATIN_STOPS}]+)(?={CLOSING}\s)|(?P<cjk>[{CJK_STOPS}]+)(?!{CLOSING}$))")
ABBREVIATION = re.compile(r"(?:^|\W)(?:\w|Dr|Mr|Mrs|Ms|Mme|Sr|Sra|St|Prof)$", re.IGNORECASE)
GRAMMAR = re.compile(
    rf"(?<!\S)#+(?!\S)|[\[［【]\s*(pause\b[^\]］】]*|/?\s*(?:{'|'.join(LANGUAGES)}))\s*[\]］】]", re.IGNORECASE
)


@dataclass(frozen=True)
class Phrases:
    """One language's file, as its tables stand."""

    headings: dict[str, str]
    labels: dict[str, str]
    once: dict[str, list[str]]
    bare: dict[str, str]


@dataclass(frozen=True)
class Question:
    """A missed question, or something due; empty where the records do not say."""

    text: str
    answer: str
    wrong: str = ""
    why: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same question: its text and answer, or all that there is when it has no text."""
        return (self.text.casefold(), self.answer.casefold()) if self.text else ("", self.answer, self.wrong, self.why)


@dataclass(frozen=True)
class Plan:
    """What one episode holds. `recap` is how many lessons, courses and quizzes, of each, are told."""

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
        """The script for `prompt.context`; the same context gives the same bytes. `timeout` is of no concern here.

        Raises ProviderError (permanent) for a language that has no phrases.
        """
        language = get_language(prompt.language)
        text = write(prompt.context, load_phrases(language.code), language.rate, 60 * prompt.minutes)
        return Completion(text, provider=self.name, model=self.name)


@cache
def load_phrases(code: str) -> Phrases:
    """The phrases of a base language. Raises ProviderError (permanent) naming the languages that there are."""
    path = PHRASES / f"{code}.toml"
    if not path.is_file():
        known = sorted(entry.name.removesuffix(".toml") for entry in PHRASES.iterdir() if entry.name.endswith(".toml"))
        raise ProviderError(
            f"The built-in writer has no phrases for {_named(code)}, only for {', '.join(map(_named, known))}. "
            "Set OPENAI_API_KEY or GEMINI_API_KEY to have this language written by a model.",
            permanent=True,
        )
    return Phrases(**tomllib.loads(path.read_text(encoding="utf-8")))


def write(context: LearnerContext, phrases: Phrases, rate: float, limit: float) -> str:
    """The script for `context` that fills `limit` seconds, at `rate` characters a second, as far as there is material.

    Questions come before recaps once these have had their share; at least one of each is told.
    """
    context = clean(context)
    missed, due = questions(context)
    turns = in_turn(len(missed), len(due))
    seed = crc32(repr(context).encode())

    def script(recap: int, asked: int) -> str:
        told, asks = (turns[:asked].count(kind) for kind in (0, 1))
        plan = Plan(context, missed[:told], due[:asks], len(missed) - told, len(due) - asks, recap)
        return compose(Voice(phrases, seed), plan)

    def most(count: int, seconds: float, text: Callable[[int], str]) -> int:
        return bisect_right(range(1, count + 1), seconds, key=lambda number: spoken_seconds(text(number), rate))

    longest = max(len(context.lessons_completed), len(context.courses), len(context.quiz_results))
    everything = script(longest, len(turns))
    if spoken_seconds(everything, rate) <= limit * STRETCH:
        return everything
    recap = max(1, most(longest, limit * RECAP_SHARE, lambda number: script(number, 0)))
    asked = max(bool(missed) + bool(due), most(len(turns), limit, lambda number: script(recap, number)))
    return script(max(1, most(longest, limit, lambda number: script(number, asked))), asked)


def spoken_seconds(script: str, rate: float) -> float:
    """How long `script` lasts at `rate` characters a second, its pauses included."""
    lines = [line for line in script.splitlines() if not line.startswith("#")]
    pauses = lines.count(PAUSE)
    return sum(len(line) for line in lines if line != PAUSE) / rate + PAUSE_SECONDS * pauses


class Voice:
    """Speaks the phrases of one episode; remembers what was said, so that nothing is said twice."""

    def __init__(self, phrases: Phrases, seed: int) -> None:
        self.phrases = phrases
        self.left = {key: _turned(variants, crc32(key.encode(), seed)) for key, variants in phrases.once.items()}
        self.said: set[str] = set()

    def say(self, key: str, **values: str | int) -> str:
        """A variant of `key` that is new here, else its bare form; "" when a value is empty or nothing new is left."""
        texts = {name: str(value) for name, value in values.items()}
        if "" in texts.values():
            return ""
        left = self.left.get(key, [])
        for breath in (False, True):
            for phrase in (*left, self.phrases.bare.get(key, "")):
                spoken = fill(phrase, texts, breath)
                if self._remember(spoken):
                    self.left[key] = [variant for variant in left if variant != phrase]
                    return spoken
        return ""

    def count(self, key: str, number: int) -> str:
        """`key` for many, its sister `key_one` for one, "" for none."""
        if number == 1:
            return self.say(f"{key}_one")
        return self.say(key, n=number) if number else ""

    def tell(self, text: str, longest: int | None = None) -> str:
        """The sentences of `text` that are new here, closed by a stop; at most about `longest` characters of them."""
        new: list[str] = []
        length = 0
        for sentence in sentences(text):
            length += len(sentence)
            if new and longest and length > longest:
                break
            if self._remember(sentence):
                new.append(sentence)
        return closed(joined(new))

    def label(self, kind: str, title: str, subject: str) -> str:
        """How a sentence about this course or quiz begins."""
        labels = self.phrases.labels
        if title:
            return fill(labels[kind], {"title": title})
        return fill(labels[f"{kind}_subject"], {"subject": subject}) if subject else labels[f"{kind}_unnamed"]

    def _remember(self, text: str) -> bool:
        """Take `text` as said, if all its sentences are new."""
        new = [_plain(sentence) for sentence in sentences(text) if _plain(sentence)]
        if not new or len(set(new)) < len(new) or self.said.intersection(new):
            return False
        self.said.update(new)
        return True


def compose(voice: Voice, plan: Plan) -> str:
    """The whole script, chapter by chapter; a chapter with nothing to say is left out."""
    parts = [f"# {voice.say(_title(plan))}"]
    for key, chapter in CHAPTERS:
        paragraphs = [paragraph for paragraph in chapter(voice, plan) if paragraph]
        if paragraphs:
            parts.append(f"## {voice.phrases.headings[key]}\n" + "\n\n".join(paragraphs))
    return "\n\n".join(parts)


def welcome(voice: Voice, plan: Plan) -> Iterator[str]:
    yield joined(
        [
            voice.say("hello_name", name=plan.context.first_name) or voice.say("hello"),
            voice.count("agenda_missed", len(plan.missed)),
            voice.count("agenda_due", len(plan.due)),
        ]
    )


def about(voice: Voice, plan: Plan) -> Iterator[str]:
    if not plan.context.has_material:
        yield joined([voice.say("first_who"), voice.say("first_now")])
        yield voice.say("first_brings")


def standing(voice: Voice, plan: Plan) -> Iterator[str]:
    context = plan.context
    yield voice.say("active_all") if context.active_days >= 7 else voice.count("active", context.active_days)
    yield from lessons(voice, context.lessons_completed, plan.recap)
    yield joined(progress(voice, course) for course in context.courses[: plan.recap])
    yield joined(result(voice, quiz) for quiz in context.quiz_results[: plan.recap])
    weakest = context.weakest_subject if context.weakest_subject != context.strongest_subject else ""
    yield joined([voice.say("strongest", subject=context.strongest_subject), voice.say("weakest", subject=weakest)])


def lessons(voice: Voice, completed: Sequence[Lesson], recap: int) -> Iterator[str]:
    if len(completed) == 1 and completed[0].title:
        yield joined(
            [voice.say("lesson_only", title=completed[0].title), voice.tell(completed[0].summary, LONGEST_SUMMARY)]
        )
        return
    yield voice.count("lessons", len(completed))
    for lesson in completed[:recap]:
        lead = voice.say("recap" if lesson.summary else "lesson", title=lesson.title)
        yield joined([lead, voice.tell(lesson.summary, LONGEST_SUMMARY)])


def progress(voice: Voice, course: Course) -> str:
    """How far the learner is; a total of 0 means that the host does not know it."""
    done, total = course.lessons_done, course.lessons_total
    label = voice.label("course", course.title, course.subject)
    if not done and not total:
        return voice.say("course_plain", title=course.title or course.subject)
    if not total:
        key = "course_count_one" if done == 1 else "course_count"
    elif done >= total:
        key = "course_done_one" if total == 1 else "course_done"
    elif not done:
        key = "course_start_one" if total == 1 else "course_start"
    else:
        key = "course_last" if total - done == 1 else "course_going"
    return voice.say(key, course=label, done=done, total=total, left=total - done)


def result(voice: Voice, quiz: QuizResult) -> str:
    if not quiz.total:
        return voice.say("quiz_plain", title=quiz.title)
    key = "quiz_perfect" if quiz.correct >= quiz.total else "quiz_some" if quiz.correct else "quiz_none"
    if quiz.total == 1:
        key += "_one"
    return voice.say(key, quiz=voice.label("quiz", quiz.title, quiz.subject), correct=quiz.correct, total=quiz.total)


def second_look(voice: Voice, plan: Plan) -> Iterator[str]:
    if plan.missed:
        yield voice.say("missed_lead")
    for number, question in enumerate(plan.missed, 1):
        yield explained(voice, number, question)
    if not any(map(_can_be_asked, plan.missed)):
        yield voice.count("missed_carried", plan.missed_carried)


def explained(voice: Voice, number: int, question: Question) -> str:
    opening = voice.say("ask_first", question=question.text) if number == 1 else ""
    reason = voice.tell(question.why)
    unknown = "" if question.answer or question.why else voice.say("unknown", n=number)
    return joined(
        [
            opening or voice.say("ask", n=number, question=question.text) or voice.say("nameless", n=number),
            voice.say("yours", n=number, answer=question.wrong),
            voice.say("right", n=number, answer=question.answer),
            voice.say("why") if reason else "",
            reason,
            unknown,
        ]
    )


def practice(voice: Voice, plan: Plan) -> Iterator[str]:
    asked = [(number, question) for number, question in enumerate(plan.missed, 1) if _can_be_asked(question)]
    if not asked:
        return
    yield voice.say("practice_lead")
    for number, question in asked:
        answer = voice.say("reveal", n=number, answer=question.answer)
        yield _with_pause(asked_again(voice, number, question), answer)
    yield voice.count("missed_carried", plan.missed_carried)


def asked_again(voice: Voice, number: int, question: Question) -> str:
    """Every second question comes with the wrong answer named, as what it is not."""
    warned = voice.say("again_not", wrong=question.wrong, question=question.text) if number % 2 == 0 else ""
    return warned or voice.say("again", n=number, question=question.text)


def reviews(voice: Voice, plan: Plan) -> Iterator[str]:
    if plan.due:
        yield voice.say("due_lead")
    for number, question in enumerate(plan.due, 1):
        answer = voice.say("due_answer", n=number, answer=question.answer) or voice.say("due_open")
        yield _with_pause(voice.say("due", n=number, item=question.text), answer)
    yield voice.count("due_carried", plan.due_carried)


def ahead(voice: Voice, plan: Plan) -> Iterator[str]:
    context = plan.context
    if not context.has_material and not context.goal:
        yield _with_pause(voice.say("first_think"), voice.say("first_thought"))
    yield joined([voice.say("goal", goal=context.goal), step(voice, plan)])
    yield voice.say("goodbye_name", name=context.first_name) or voice.say("goodbye")


def step(voice: Voice, plan: Plan) -> str:
    """What to do next: the next lesson if one is known, else what the material allows."""
    course = next((course for course in plan.context.courses if course.next_lesson), Course())
    lesson = voice.say("next_course", lesson=course.next_lesson, course=course.title) or voice.say(
        "next", lesson=course.next_lesson
    )
    if lesson:
        return lesson
    if any(map(_can_be_asked, [*plan.missed, *plan.due])):
        return voice.say("step_questions")
    return voice.say("step_lesson" if plan.context.has_material else "first_step")


CHAPTERS: tuple[tuple[str, Callable[[Voice, Plan], Iterator[str]]], ...] = (
    ("welcome", welcome),
    ("about", about),
    ("standing", standing),
    ("missed", second_look),
    ("practice", practice),
    ("due", reviews),
    ("ahead", ahead),
)


def questions(context: LearnerContext) -> tuple[list[Question], list[Question]]:
    """The missed questions and the due ones, each once; what is missed and due counts as missed."""
    missed = [Question(m.question, m.right_answer, m.learner_answer, m.explanation) for m in context.mistakes]
    due = [Question(r.item, r.answer) if r.item else Question(r.answer or r.subject, "") for r in context.due_reviews]
    answers = {q.text.casefold(): q.answer for q in chain(reversed(due), reversed(missed)) if q.text and q.answer}
    told = distinct(missed, answers)
    return list(told.values()), [question for key, question in distinct(due, answers).items() if key not in told]


def distinct(found: Iterable[Question], answers: dict[str, str]) -> dict[tuple[str, ...], Question]:
    """Each question once, with what its twins know; one without an answer takes that of its namesake in `answers`."""
    kept: dict[tuple[str, ...], Question] = {}
    for question in found:
        question = replace(question, answer=question.answer or answers.get(question.text.casefold(), ""))
        first = kept.get(question.key, question)
        wrong = first.wrong or question.wrong
        if wrong.casefold() == question.answer.casefold():
            wrong = ""
        kept[question.key] = replace(first, wrong=wrong, why=first.why or question.why)
    return kept


def in_turn(missed: int, due: int) -> list[int]:
    """The order of telling, 0 for a missed question and 1 for a due one; every beginning holds a like share of each."""
    return [
        kind
        for _, kind in sorted((index / size, kind) for kind, size in enumerate((missed, due)) for index in range(size))
    ]


def clean(value: Any) -> Any:
    """`value` with every text on one line and free of script grammar; list items that say nothing go."""
    if isinstance(value, str):
        visible = "".join(" " if category(character) in ("Cc", "Cs") else character for character in value)
        return " ".join(GRAMMAR.sub(r"\1", visible).split())
    if isinstance(value, tuple):
        return tuple(item for item in map(clean, value) if item != type(item)())
    if isinstance(value, int):
        return value
    return replace(value, **{field.name: clean(getattr(value, field.name)) for field in fields(value)})


def fill(phrase: str, texts: dict[str, str], breath: bool = False) -> str:
    """`phrase` with its placeholders filled, and never two stops in a row: a text's own stands for the phrase's.

    With `breath` each text is said in one breath.
    """

    def filled(match: re.Match[str]) -> str:
        name, quote, stop = match.groups()
        text = one_breath(texts[name]) if breath else texts[name]
        if match.end() < len(phrase):
            dropped = STOPS if breath else "" if name in EXACT else ".。"
            text = text.rstrip(dropped) or text
        return text + quote + ("" if STOPPED.search(text) else stop)

    return PLACEHOLDER.sub(filled, phrase)


def sentences(text: str) -> list[str]:
    """`text` cut after every stop: a Latin one before white space or at the end, a CJK one anywhere."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    cuts = [0, *ends, len(text)]
    return [text[start:end].strip() for start, end in pairwise(cuts) if text[start:end].strip()]


def one_breath(text: str) -> str:
    """`text` as one sentence: a stop inside becomes a colon, a gap's dots a line; an abbreviation loses its dot."""

    def softened(match: re.Match[str]) -> str:
        before = text[: match.start()]
        if match["cjk"]:
            return "、"
        if not before or before[-1].isspace():
            return "___"
        return "" if ABBREVIATION.search(before) else ":"

    return INNER_STOP.sub(softened, text)


def joined(parts: Iterable[str]) -> str:
    """The parts that say something, with a space between them where the script uses spaces."""
    text = ""
    for part in filter(None, parts):
        text += ("" if not text or text[-1] in "。！？」" else " ") + part
    return text


def closed(text: str) -> str:
    """`text` with a stop at its end."""
    if not text or STOPPED.search(text):
        return text
    return text.rstrip(" ,;:、") + ("。" if is_cjk(text[-1]) else ".")


def _plain(sentence: str) -> str:
    """`sentence` as the ear compares it: no case, no marks around it."""
    return re.sub(r"^\W+|\W+$", "", sentence.casefold())


def _turned(variants: Sequence[str], seed: int) -> list[str]:
    start = seed % len(variants)
    return [*variants[start:], *variants[:start]]


def _title(plan: Plan) -> str:
    if plan.missed or plan.missed_carried:
        return "title_missed"
    if plan.due or plan.due_carried:
        return "title_due"
    return "title_standing" if plan.context.has_material else "title_first"


def _can_be_asked(question: Question) -> bool:
    return bool(question.text and question.answer)


def _with_pause(question: str, answer: str) -> str:
    return "\n".join(filter(None, (question, PAUSE, answer)))


def _named(code: str) -> str:
    return f"{LANGUAGES[code].name} ({code})" if code in LANGUAGES else code
