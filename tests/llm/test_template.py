"""The built-in writer: what holds for every episode in every language, and the sentences for single records."""

import re
import tomllib
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dailycast.errors import ProviderError
from dailycast.languages.table import LANGUAGES, get_language
from dailycast.learner import Course, DueReview, LearnerContext, Lesson, Mistake, QuizResult
from dailycast.llm import template
from dailycast.llm.base import Prompt
from dailycast.llm.template import Provider

LANGUAGE_CODES = ("de", "en", "es", "fr", "it", "ja")
FOLDER = Path(template.__file__).parent / "phrases"
PAUSE = "[pause 4s]"


def episode(context: LearnerContext, language: str = "en", minutes: float = 4.0) -> str:
    return Provider().complete(Prompt("", "", context, language, minutes), timeout=1).text


def spoken(script: str) -> list[str]:
    return [line for line in script.splitlines() if line and not line.startswith("#") and line != PAUSE]


def minutes_of(script: str, language: str) -> float:
    """Measured independently of the writer, to check its own measure."""
    seconds = sum(map(len, spoken(script))) / get_language(language).rate + 4 * script.splitlines().count(PAUSE)
    return seconds / 60


def repeated_sentences(script: str) -> list[str]:
    """The sentences that occur more than once; a stop of any language ends one."""
    pieces = re.split(
        r"[.!?…]+[”“»」\"'’)\s]+|[.!?…]+$|[。！？]",
        "\n".join(re.sub(r"^#+ ", "", x) for x in script.split("\n")),
        flags=re.M,
    )
    plain = [re.sub(r"^\W+|\W+$", "", part.casefold()) for piece in pieces for part in piece.split("\n")]
    return [sentence for sentence, count in Counter(plain).items() if count > 1 and sentence and sentence != "pause 4s"]


ALEX = LearnerContext(
    first_name="Alex",
    language="en",
    level="A2",
    courses=(
        Course("English for work", "English", 7, 12, "Asking for a favour"),
        Course("World history", "History", 3, 4, "The long peace"),
    ),
    lessons_completed=(
        Lesson("The past simple", "English", "Regular verbs add -ed. Irregular verbs have a form of their own."),
        Lesson("Uncountable nouns", "English", "Advice and information have no plural."),
        Lesson("The fall of Rome", "History", "The western empire ended in 476. The eastern one lived on."),
    ),
    quiz_results=(QuizResult("Past simple", "English", 6, 10), QuizResult("Rome", "History", 5, 5)),
    mistakes=(
        Mistake('What is the past tense of "to go"?', "goed", "went", "English", "Go takes a form of its own."),
        Mistake("She gave me good ___. Which word is missing?", "advices", "advice", "English", "It has no plural."),
        Mistake("Did you ___ the film?", "saw", "see", "English", "After did, the verb keeps its base form."),
        Mistake("How do you ask for the bill?", "Give me the bill.", "Could I have the bill, please?", "English"),
        Mistake("When did the western empire end?", "1453", "476", "History", "In 1453 it was Constantinople."),
    ),
    due_reviews=(
        DueReview("What is a noun without a plural called?", "An uncountable noun"),
        DueReview("to take, past tense", "took"),
        DueReview("Who founded Constantinople?", "Constantine"),
        DueReview("ten words about travel"),
    ),
    weakest_subject="English",
    strongest_subject="History",
    active_days=5,
    goal="Lead a meeting in English by June",
)
MANY = replace(
    ALEX,
    mistakes=tuple(Mistake(f"How much is {n} times {n}?", f"{n + n}", f"{n * n}", "Maths") for n in range(101, 161)),
    due_reviews=tuple(DueReview(f"What is the English for colour number {n}?", f"shade {n}") for n in range(201, 241)),
)
ONE_OF_EACH = LearnerContext(
    first_name="Yuki",
    courses=(Course("Algebra", "Maths", 1, 2, "Brackets"),),
    lessons_completed=(Lesson("Equations", "Maths", "Both sides stay equal."),),
    quiz_results=(QuizResult("Warm-up", "Maths", 1, 1),),
    mistakes=(Mistake("What is 7 times 8?", "54", "56"),),
    due_reviews=(DueReview("a prime number", "a number with two divisors"),),
    active_days=1,
)
CONTEXTS = {
    "nothing": LearnerContext(),
    "a name": LearnerContext(first_name="Alex"),
    "one of each": ONE_OF_EACH,
    "rich": ALEX,
    "many": MANY,
    "a goal": LearnerContext(goal="Read a novel"),
    "active days": LearnerContext(active_days=7),
    "subjects": LearnerContext(weakest_subject="Maths", strongest_subject="Art"),
    "bare items": LearnerContext(
        courses=(Course("A"), Course(subject="B"), Course(lessons_done=1), Course(next_lesson="C")),
        lessons_completed=(Lesson("A"), Lesson(subject="B"), Lesson(summary="It is so")),
        quiz_results=(QuizResult("A"), QuizResult(correct=1, total=1), QuizResult(total=1), QuizResult(subject="B")),
        mistakes=(Mistake("A"), Mistake(learner_answer="B"), Mistake(right_answer="C"), Mistake("D", "", "", "", "E")),
        due_reviews=(DueReview("A"), DueReview(answer="F"), DueReview(subject="B")),
    ),
    "true or false": LearnerContext(mistakes=tuple(Mistake(f"Is {n} odd?", "True", "False") for n in range(2, 30, 2))),
    "same words": LearnerContext(
        lessons_completed=(Lesson("A", "", "Think first. Then write."), Lesson("B", "", "Think first. Then write.")),
        mistakes=tuple(
            Mistake(
                f"x plus {n} is 9. What is x? Take your time.",
                "It is 1. Or 2.",
                "It is less. See why.",
                "",
                "So it is.",
            )
            for n in range(1, 5)
        ),
        due_reviews=tuple(DueReview(f"次を読んでください。{n}は何ですか？", "はい。そうです。") for n in range(1, 4)),
    ),
}


@pytest.mark.parametrize("language", LANGUAGE_CODES)
@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("minutes", [2, 4, 8])
def test_every_episode_is_well_formed_and_repeats_nothing(
    context: LearnerContext, language: str, minutes: float
) -> None:
    script = episode(context, language, minutes)
    lines = script.splitlines()
    assert repeated_sentences(script) == []
    assert not re.search(r"[{}]|\bNone\b", script)
    assert not re.search(r"[?!.。]\s?[”“»」]?[.。](?!\w)|“\s*”|«\s*»|「\s*」|„\s*“|: ?[.。]", script)
    assert lines[0].startswith("# ")
    assert [line for line in lines[1:] if line.startswith("# ")] == []
    assert script.count("\n## ") >= 2
    assert not re.search(r"\b0\b", script)
    for before, line in pairwise(lines):
        assert line != PAUSE or before not in ("", PAUSE)
        assert not before.startswith("## ") or line


@pytest.mark.parametrize("language", LANGUAGE_CODES)
@pytest.mark.parametrize("minutes", [2, 4, 8])
def test_questions_are_asked_or_counted_as_carried_over(language: str, minutes: float) -> None:
    script = episode(MANY, language, minutes)
    missed = [mistake for mistake in MANY.mistakes if mistake.question in script]
    due = [review for review in MANY.due_reviews if review.item in script]
    phrases = template.load_phrases(language).once
    assert missed == list(MANY.mistakes[: len(missed)])
    assert due == list(MANY.due_reviews[: len(due)])
    assert 1 <= len(missed) < 40
    assert 1 <= len(due) < 30
    assert phrases["missed_carried"][0].replace("{n}", str(60 - len(missed))) in script
    assert phrases["due_carried"][0].replace("{n}", str(40 - len(due))) in script
    for mistake in missed:
        assert script.count(mistake.question) == 2
        assert script.count(mistake.right_answer) == 2
        assert mistake.learner_answer in script
    for review in due:
        assert review.answer in script


@pytest.mark.parametrize("language", LANGUAGE_CODES)
@pytest.mark.parametrize(("minutes", "least", "most"), [(2, 1.5, 2.5), (4, 3, 5), (8, 6.5, 9.6)])
def test_an_episode_has_the_length_asked_for_where_there_is_material(
    language: str, minutes: float, least: float, most: float
) -> None:
    assert least <= minutes_of(episode(MANY, language, minutes), language) <= most


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_alex_gets_three_to_five_minutes(language: str) -> None:
    assert 3 <= minutes_of(episode(ALEX, language), language) <= 5


@pytest.mark.parametrize("language", ["en", "es"])
def test_alex_hears_everything_although_spanish_takes_a_little_longer(language: str) -> None:
    script = episode(ALEX, language)
    facts = (
        [m.question for m in ALEX.mistakes]
        + [r.item for r in ALEX.due_reviews]
        + [x.summary for x in ALEX.lessons_completed]
    )
    facts += [text for m in ALEX.mistakes for text in (m.right_answer, m.explanation)]
    facts += [r.answer for r in ALEX.due_reviews] + [x.title for x in ALEX.lessons_completed]
    facts += ["Asking for a favour", "English for work", "World history", "Lead a meeting in English by June", "Alex"]
    assert [fact for fact in facts if fact not in script] == []
    assert "The long peace" not in script
    assert "next episode" not in script
    assert "próximo episodio" not in script


def test_the_shortest_episode_holds_one_of_each_and_a_longer_one_every_recap() -> None:
    shortest, longer = episode(MANY, "en", 0.1), episode(MANY, "en", 8)
    wanted = (MANY.lessons_completed, MANY.courses, MANY.quiz_results)
    assert [[item.title in shortest for item in items] for items in wanted] == [[True, False, False]] + [
        [True, False]
    ] * 2
    assert all(item.title in longer for items in wanted for item in items)
    assert ("59 more questions" in shortest, "39 more reviews" in shortest) == (True, True)


def test_lessons_fill_the_time_that_questions_leave() -> None:
    lessons = tuple(
        Lesson(f"Lesson {n}", "", f"Fact number {n} is worth an evening of your time, so keep it.") for n in range(90)
    )
    script = episode(LearnerContext(lessons_completed=lessons))
    assert 3.7 <= minutes_of(script, "en") <= 4
    assert "90" in script
    with_questions = episode(replace(MANY, lessons_completed=lessons))
    assert 3 < with_questions.count("Fact number") < 20
    assert sum(m.question in with_questions for m in MANY.mistakes) >= 3


def test_questions_without_an_answer_are_mentioned_or_counted_but_not_asked_again() -> None:
    script = episode(LearnerContext(mistakes=tuple(Mistake(f"What is {n} squared?", "1") for n in range(101, 161))))
    asked = script.count("squared?")
    assert 5 < asked < 60
    assert f"\n\n{60 - asked} more questions that went wrong wait for your next episode.\n" in script
    assert "## Your turn" not in script


def test_a_long_summary_is_cut_after_a_whole_sentence() -> None:
    summary = " ".join(f"This is sentence number {n} of a long one." for n in range(100, 140))
    script = episode(LearnerContext(lessons_completed=(Lesson("Long", "", summary),)))
    assert "sentence number 108 of a long one.\n" in script
    assert "number 109" not in script
    one = "very " * 100 + "long"
    assert f"{one}.\n" in episode(LearnerContext(lessons_completed=(Lesson("Long", "", one),)))


def test_the_same_context_gives_the_same_bytes_and_another_day_another_choice() -> None:
    days = [replace(ALEX, active_days=days) for days in range(1, 7)]
    assert [episode(day) for day in days] == [episode(day) for day in days]
    assert len({episode(day).splitlines()[0] for day in days}) > 1
    assert len({episode(day).splitlines()[3].split(". ")[0] for day in days}) > 1


def test_the_completion_says_who_wrote_it() -> None:
    completion = Provider().complete(Prompt("", "", ALEX, "en-GB", 4.0), timeout=1)
    assert (completion.provider, completion.model) == ("template", "template")
    assert (completion.prompt_tokens, completion.completion_tokens) == (None, None)
    assert completion.text == episode(ALEX, "en")
    assert (Provider.name, Provider().missing()) == ("template", "")


GOLDEN = """# Second chances

## Welcome
Hi, Yuki, it is good to have you here. One question went wrong, and today we go back to it together. And there is something due for review.

## Where you stand
In the last seven days, you found time to study once.

You finished the lesson “Equations”. Both sides stay equal.

In the course “Algebra”, you have done 1 of 2 lessons, so just one is left.

In the quiz “Warm-up”, there was one question, and you got it right.

## A second look
Let us see what happened, calmly and one thing at a time.

We begin here: “What is 7 times 8?” You tried “54”. It should be “56”.

## Your turn
Now the same ground again, and this time you answer first, aloud, in the pause.

See if you have it: “What is 7 times 8?”
[pause 4s]
Compare yours with mine: “56”.

## Due for review
Some things fade unless you call them back, so here comes your review, with a pause for your answer each time.

Do you remember this: “a prime number”.
[pause 4s]
The answer here is “a number with two divisors”.

## Before you go
Tomorrow, go on in “Algebra” with the lesson “Brackets”.

That is it for today, Yuki, take care, and until next time."""  # noqa: E501


def test_golden_episode() -> None:
    assert episode(ONE_OF_EACH) == GOLDEN


NEW = """# Let us begin

## Welcome
Hi there, Yuki, here is your episode for today.

## About this episode
You are listening to your own podcast, a few minutes made from what you learn. Your lessons and answers have not reached me yet, so let us use this time for a good start.

From your first lesson on, you will hear a recap of what you learned, the reason behind each wrong answer, a few questions with time to think, and what to do next.

## Before you go
Picture this for a moment: where will you use what you learn?
[pause 4s]
Hold on to that thought, because it will help you choose what to study.

Here is one small step for today: open one lesson, read for five minutes, and then say aloud in one sentence what it was about.

Well done for taking the time, Yuki, goodbye for now."""  # noqa: E501


def test_a_learner_without_records_gets_an_honest_first_episode() -> None:
    assert episode(LearnerContext(first_name="Yuki")) == NEW


@pytest.mark.parametrize("language", LANGUAGE_CODES)
@pytest.mark.parametrize("name", ["", "Yuki"])
def test_a_first_episode_claims_nothing(language: str, name: str) -> None:
    script = episode(LearnerContext(first_name=name), language)
    assert script.count("## ") == 3
    assert script.count(PAUSE) == 1
    assert script.count("Yuki") == (2 if name else 0)
    assert minutes_of(script, language) < 1.3
    assert ("Yukiさん" in script) == (language == "ja" and bool(name))


def first_variants() -> template.PhraseBook:
    """English phrases, each list in the order of its file."""
    tables = template.load_phrases("en")
    book = template.PhraseBook(tables, 0)
    book.unused = {key: list(variants) for key, variants in tables.once.items()}
    return book


@pytest.mark.parametrize(
    ("course", "sentence"),
    [
        (Course("Algebra", "Maths", 2, 5), "In the course “Algebra”, you have done 2 of 5 lessons, so 3 are left."),
        (
            Course("Algebra", "Maths", 4, 5),
            "In the course “Algebra”, you have done 4 of 5 lessons, so just one is left.",
        ),
        (
            Course("Algebra", "", 0, 5),
            "In the course “Algebra”, you are at the beginning, with 5 lessons ahead of you.",
        ),
        (Course("Algebra", "", 0, 1), "In the course “Algebra”, there is one lesson, and it is still ahead of you."),
        (Course("Algebra", "", 5, 5), "In the course “Algebra”, you have finished all 5 lessons."),
        (Course("Algebra", "", 6, 5), "In the course “Algebra”, you have finished all 5 lessons."),
        (Course("Algebra", "", 1, 1), "In the course “Algebra”, you have finished the one lesson that there is."),
        (Course("Algebra", "", 3, 0), "In the course “Algebra”, you have done 3 lessons so far."),
        (Course("Algebra", "", 1, 0), "In the course “Algebra”, you have done one lesson so far."),
        (Course("Algebra", "", 0, 0), "You are taking the course “Algebra”."),
        (Course("What now?", "", 0, 0), "You are taking the course “What now?”"),
        (Course("", "Maths", 3, 3), "In Maths, you have finished all 3 lessons."),
        (Course("", "", 3, 3), "In your course, you have finished all 3 lessons."),
    ],
)
def test_progress_in_plain_words(course: Course, sentence: str) -> None:
    assert template.course_sentence(first_variants(), course) == sentence


@pytest.mark.parametrize(
    ("quiz", "sentence"),
    [
        (QuizResult("Verbs", "English", 3, 5), "In the quiz “Verbs”, you got 3 of 5 right."),
        (QuizResult("Verbs", "English", 5, 5), "In the quiz “Verbs”, you got all 5 right, well done!"),
        (QuizResult("Verbs", "", 7, 5), "In the quiz “Verbs”, you got all 5 right, well done!"),
        (QuizResult("Verbs", "", 0, 5), "In the quiz “Verbs”, none of the 5 answers was right this time."),
        (QuizResult("Verbs", "", 1, 1), "In the quiz “Verbs”, there was one question, and you got it right."),
        (QuizResult("Verbs", "", 0, 1), "In the quiz “Verbs”, there was one question, and it went wrong this time."),
        (QuizResult("Verbs", "", 0, 0), "You took the quiz “Verbs”."),
        (QuizResult("", "English", 2, 5), "In a quiz on English, you got 2 of 5 right."),
        (QuizResult("", "", 2, 5), "In a quiz, you got 2 of 5 right."),
        (QuizResult("", "English", 0, 0), ""),
    ],
)
def test_quiz_results_in_plain_words(quiz: QuizResult, sentence: str) -> None:
    assert template.quiz_sentence(first_variants(), quiz) == sentence


@pytest.mark.parametrize(
    ("context", "present", "absent"),
    [
        (LearnerContext(active_days=1), r"one day|once", "7"),
        (LearnerContext(active_days=3), "3 of the last 7 days", "once"),
        (LearnerContext(active_days=7), "every one of the last 7 days|not miss a single one", "on 7|On 7"),
        (LearnerContext(active_days=9), "every one of the last 7 days|not miss a single one", "9"),
        (LearnerContext(lessons_completed=(Lesson("Verbs"),)), r"(lesson|The lesson) “Verbs”", "lessons"),
        (LearnerContext(lessons_completed=(Lesson("Verbs"), Lesson("Nouns"))), r"2 (finished )?lessons", "What “"),
        (LearnerContext(lessons_completed=(Lesson(summary="Add -ed"),)), r"finished a lesson\.\n\nAdd -ed\.", "“"),
        (LearnerContext(weakest_subject="Art", strongest_subject="Art"), "Art", "(?s)Art.*Art"),
        (LearnerContext(weakest_subject="Art"), "Art", "strongest|best"),
        (LearnerContext(goal="See Rome."), "“See Rome.” ", "month|first place|will you use"),
        (LearnerContext(courses=(Course("A", next_lesson="B"),)), "“A” .*“B”|“B”.*“A”", "one lesson"),
        (LearnerContext(courses=(Course("A"), Course(next_lesson="B"))), "(with|is) the lesson “B”", "your course"),
        (
            LearnerContext(mistakes=(Mistake("Q?", "a"),)),
            "“Q\\?”.*“a”.*not have the right answer",
            r"\[pause|heard here",
        ),
        (LearnerContext(mistakes=(Mistake("Q?", "", "b"),)), "“Q\\?” [^“]*“b”", "not have"),
        (LearnerContext(mistakes=(Mistake("Q?", "B", "b"),)), "“Q\\?” [^“]*“b”", "“B”"),
        (LearnerContext(mistakes=(Mistake("Q?", "a", "", "", "Because"),)), "“a”.*Because\\.\n", "not have|pause"),
        (LearnerContext(mistakes=(Mistake("Q?", "a", "b", "", "…"),)), "“Q\\?”[^“]*“a”[^“]*“b”\\.\n", "…"),
        (LearnerContext(mistakes=(Mistake("", "a", "b"),)), "without its text.*“a”.*“b”", "pause"),
        (LearnerContext(mistakes=(Mistake(subject="Art"),)), "without its text", "“"),
        (LearnerContext(mistakes=(Mistake(), Mistake("Q?", "a", "b"))), "“Q\\?”", "without its text"),
        (LearnerContext(due_reviews=(DueReview("Q?"),)), "“Q\\?”\n\\[pause 4s\\]\n\\w", "“”"),
        (LearnerContext(due_reviews=(DueReview(answer="b"),)), "“b”\\.\n\\[pause 4s\\]\n\\w", "(?s)“b”.*“b”"),
    ],
)
def test_single_records(context: LearnerContext, present: str, absent: str) -> None:
    script = episode(context)
    assert re.search(present, script)
    assert not re.search(absent, script)


@pytest.mark.parametrize(
    ("mistakes", "due", "heard"),
    [
        ([Mistake("Q?", "a", "b"), Mistake("q?", "c", "b")], [], {"“Q?”": 2, "“b”": 2, "“a”": 1, "“c”": 0}),
        ([Mistake("Q?", "", "b"), Mistake("Q?", "c", "", "", "So.")], [], {"“Q?”": 2, "“b”": 2, "“c”": 1, "So.": 1}),
        ([Mistake("Q?", "a")], [DueReview("Q?", "b")], {"“Q?”": 2, "“b”": 2, "“a”": 1}),
        ([Mistake("Q?", "a")], [DueReview("Q?", "b"), DueReview("Q?", "d")], {"“Q?”": 3, "“b”": 2, "“d”": 1}),
        ([Mistake("Q?", "a", "b")], [DueReview("Q?")], {"“Q?”": 2, "“b”": 2}),
        ([Mistake("Choose.", "a", "b"), Mistake("Choose.", "c", "d")], [], {"“Choose.”": 4, "“b”": 2, "“d”": 2}),
        ([], [DueReview("Q?"), DueReview("Q?", "b")], {"“Q?”": 1, "“b”": 1}),
    ],
)
def test_the_same_question_is_asked_once(mistakes: list[Mistake], due: list[DueReview], heard: dict[str, int]) -> None:
    script = episode(LearnerContext(mistakes=tuple(mistakes), due_reviews=tuple(due)))
    assert {text: script.count(text) for text in heard} == heard


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("# What is a heading?", "What is a heading?"),
        ("One\n## Two\n[pause 4s]\nthree?", "One Two pause 4s three?"),
        ("Say ［Pause 9s］ now", "Say pause 9s now"),
        ("Say [ja] this [/ja]", "Say ja this /ja"),
        ("Is C# older than [is/are] #1?", "Is C# older than [is/are] #1?"),
        ("a\u2028b\x00c\ud800d", "a b c d"),
        ("What does {} or {n} mean?", "What does {} or {n} mean?"),
    ],
)
def test_text_that_looks_like_grammar_cannot_break_the_script(text: str, plain: str) -> None:
    script = episode(LearnerContext(first_name="# Bo\n", mistakes=(Mistake(text, text, text, "", text),)))
    assert plain.casefold() in script.casefold()
    assert [line for line in script.splitlines() if line.startswith("# ")] == script.splitlines()[:1]
    assert [x for x in script.splitlines() if x.startswith("## ")] == [
        "## Welcome",
        "## A second look",
        "## Your turn",
        "## Before you go",
    ]
    assert script.splitlines().count(PAUSE) == 1
    script.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What is it?", "What is it?"),
        ("She likes ___. Which word?", "She likes ___: Which word?"),
        ("He said “Go.” Where to?", "He said “Go:” Where to?"),
        ("Who was Dr. Smith?", "Who was Dr Smith?"),
        ("The U.S. is large.", "The U.S is large."),
        ("She ... to school.", "She ___ to school."),
        ("It costs 3.50 today.", "It costs 3.50 today."),
        ("読んでください。何ですか？", "読んでください、何ですか？"),
    ],
)
def test_a_question_of_several_sentences_is_asked_again_as_one_sentence(text: str, said: str) -> None:
    script = episode(LearnerContext(mistakes=(Mistake(text, "", "yes"),)))
    assert text in script.split("## Your turn")[0]
    assert said in script.split("## Your turn")[1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It is so. Is it?", ["It is so.", "Is it?"]),
        ("It costs 3.50 (or less.) Why?!", ["It costs 3.50 (or less.)", "Why?!"]),
        ("«\u00a0Tu viens\u00a0?\u00a0» Oui.", ["«\u00a0Tu viens\u00a0?\u00a0»", "Oui."]),
        ("「何？」と聞く。はい", ["「何？」", "と聞く。", "はい"]),
        ("「What?」と聞く。", ["「What?」", "と聞く。"]),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, parts: list[str]) -> None:
    assert template.split_sentences(text) == parts


def test_a_phrase_is_used_once_and_then_the_bare_facts() -> None:
    script = episode(MANY, "en", 30)
    table = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    openings = [phrase.split("{")[0] for phrase in table["once"]["ask"]]
    assert [script.count(opening) for opening in openings] == [1] * 8
    assert "Question 10: “How much is 110 times 110?”" in script
    assert "Question 9: " not in script


def test_every_second_question_names_the_wrong_answer() -> None:
    script = episode(LearnerContext(mistakes=(Mistake("Q one?", "a", "b"), Mistake("Q two?", "c", "d"))))
    one, two = [line for line in script.split("## Your turn")[1].splitlines() if "“Q " in line]
    assert "“a”" not in one
    assert "“c”" in two


def test_questions_keep_their_language_in_a_japanese_episode() -> None:
    script = episode(ALEX, "ja", 8)
    assert '「What is the past tense of "to go"?」' in script
    assert "Alexさん" in script
    assert "次のレッスン" in script or "明日は" in script
    assert not re.search("[。？」] ", episode(MANY, "ja", 30))


def test_there_are_never_two_stops_in_a_row() -> None:
    context = LearnerContext(
        first_name="Al Jr.",
        goal="Win!",
        mistakes=(Mistake("Done.", "No.", "Yes."), Mistake("And so...", "Wait...", "a.")),
    )
    script = episode(context)
    assert "“Done.” " in script
    assert not re.search(r"\.”[.,:]|!”\.", script)


def test_a_language_without_phrases_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ProviderError) as caught:
        episode(ALEX, "ko-KR")
    assert caught.value.permanent
    assert str(caught.value) == (
        "The built-in writer has no phrases for Korean (ko), only for German (de), English (en), Spanish (es), "
        "French (fr), Italian (it), Japanese (ja). "
        "Set OPENAI_API_KEY or GEMINI_API_KEY to have this language written by a model."
    )


def test_a_language_is_added_by_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "en.toml").read_text(encoding="utf-8").replace("Welcome", "Bem-vindo")
    (tmp_path / "pt.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(template, "PHRASES", tmp_path)
    template.load_phrases.cache_clear()
    try:
        assert "## Bem-vindo\n" in episode(ALEX, "pt-BR")
        with pytest.raises(ProviderError, match="only for Portuguese"):
            episode(ALEX, "en")
    finally:
        template.load_phrases.cache_clear()


def tables(language: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def every_phrase(language: str) -> list[tuple[str, str]]:
    found = tables(language)
    return [
        (key, phrase)
        for table in ("once", "bare")
        for key, value in found[table].items()
        for phrase in ([value] if isinstance(value, str) else value)
    ]


def test_the_six_files_are_there() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == sorted(LANGUAGE_CODES)
    assert set(LANGUAGE_CODES) <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_phrases_agree_with_english(language: str) -> None:
    shape: dict[str, Any] = {}
    for name in (language, "en"):
        shape[name] = {
            table: {
                key: {
                    frozenset(re.findall(r"\{(\w+)\}", text)) for text in ([value] if isinstance(value, str) else value)
                }
                for key, value in entries.items()
            }
            for table, entries in tables(name).items()
        }
    assert shape[language] == shape["en"]
    assert all(len(sets) == 1 for entries in shape["en"].values() for sets in entries.values())


@pytest.mark.parametrize("language", LANGUAGE_CODES)
def test_phrases_can_be_spoken_and_occur_once(language: str) -> None:
    phrases = every_phrase(language)
    sentences = [phrase for key, phrase in phrases if not key.startswith("title_")]
    assert [phrase for phrase in sentences if not re.search(r"[.!?。]$", phrase)] == []
    assert [phrase for _, phrase in phrases if re.search(r"[()/*_#%&;\[\]（）–—]|\.\.", phrase)] == []
    assert [text for text, count in Counter(phrase.casefold() for _, phrase in phrases).items() if count > 1] == []
    headings = list(tables(language)["headings"].values())
    assert len(set(headings)) == 7


words = st.text(st.sampled_from("ab?.!…。？「」“” \n#[]{}1漢") | st.characters(codec="utf-8"), max_size=25)
records = st.builds(
    LearnerContext,
    first_name=words,
    courses=st.lists(st.builds(Course, words, words, st.integers(0, 3), st.integers(0, 3), words), max_size=3).map(
        tuple
    ),
    lessons_completed=st.lists(st.builds(Lesson, words, words, words), max_size=3).map(tuple),
    quiz_results=st.lists(st.builds(QuizResult, words, words, st.integers(0, 3), st.integers(0, 3)), max_size=3).map(
        tuple
    ),
    mistakes=st.lists(st.builds(Mistake, words, words, words, words, words), max_size=6).map(tuple),
    due_reviews=st.lists(st.builds(DueReview, words, words, words), max_size=6).map(tuple),
    weakest_subject=words,
    strongest_subject=words,
    active_days=st.integers(0, 9),
    goal=words,
)


@settings(max_examples=150, deadline=None)
@given(context=records, language=st.sampled_from(LANGUAGE_CODES), minutes=st.sampled_from([0.1, 1.0, 4.0]))
def test_no_record_breaks_the_structure(context: LearnerContext, language: str, minutes: float) -> None:
    script = episode(context, language, minutes)
    headings = tables(language)["headings"].values()
    assert [line for line in script.splitlines() if line.startswith("# ")] == script.splitlines()[:1]
    assert [line for line in script.split("\n") if line.startswith("## ") and line[3:] not in headings] == []
    for line in script.split("\n"):
        assert "pause 4s]" not in line or line == PAUSE
        assert line == line.strip()
