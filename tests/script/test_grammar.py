"""The script grammar: what is spoken, what is not, where it is cut, and what is saved."""

import re

import pytest
from hypothesis import given

from dailycast.errors import LanguageError, ScriptError
from dailycast.languages.sentences import split_sentences
from dailycast.script.clips import split_into_clips
from dailycast.script.grammar import (
    Chapter,
    Pause,
    Script,
    find_title,
    normalise_completion,
    parse,
    transcript_blocks,
    validate,
)
from tests.script.texts import language_codes, no_deadline, spoken, texts

SCRIPT = """\
# Yesterday's mistakes, and one new idea
## Welcome back
Good morning, Alex.
It is a good day.

You did well.
## Practice
What is the past tense of "to go"?
[pause 4s]
It is "went".
"""


def test_a_script_becomes_its_title_its_chapters_and_their_clips_and_pauses() -> None:
    assert parse(SCRIPT, "en") == Script(
        "Yesterday's mistakes, and one new idea",
        (
            Chapter("Welcome back", ("Good morning, Alex. It is a good day.", "You did well.")),
            Chapter("Practice", ('What is the past tense of "to go"?', Pause(4.0), 'It is "went".')),
        ),
    )


def test_a_script_is_a_value() -> None:
    assert {parse(SCRIPT, "en"), parse(SCRIPT, "en")} == {parse(SCRIPT, "en")}


def test_a_script_has_its_clips_and_its_spoken_text() -> None:
    script = parse(SCRIPT, "en")
    assert script.clips == (
        "Good morning, Alex. It is a good day.",
        "You did well.",
        'What is the past tense of "to go"?',
        'It is "went".',
    )
    assert script.spoken_text == (
        'Good morning, Alex. It is a good day.You did well.What is the past tense of "to go"?It is "went".'
    )


@pytest.mark.parametrize(
    ("text", "name", "chapters"),
    [
        ("Hello.", "", [("", "Hello.")]),
        ("", "", []),
        ("# T\n## C", "T", []),
        ("# T\nHello.", "T", [("", "Hello.")]),
        ("Hello.\n# T\n## C\nBye.", "T", [("", "Hello."), ("C", "Bye.")]),
        ("# T\nHello.\n## C\nBye.", "T", [("", "Hello."), ("C", "Bye.")]),
        ("# T\n# Second\nHello.", "T", [("", "Second", "Hello.")]),
        ("# T\n## C\n# U\nHello.", "T", [("C", "U", "Hello.")]),
        ("## A\n## B\nHello.", "", [("B", "Hello.")]),
        ("  #  **T**  \n ##\tA *b*\nHello.", "T", [("A b", "Hello.")]),
        ("**# T**\n__## C__\n***### D***\nHello.", "T", [("C", "D", "Hello.")]),
        ("**## C\nHello.", "", [("", "## C Hello.")]),
        ("\ufeff# T\r\nHello.\r\n\r\nBye.", "T", [("", "Hello.", "Bye.")]),
        ("# 🎉\n# T\nHello.", "T", [("", "Hello.")]),
        ("#\n##\n#T\nHello.", "", [("", "#T Hello.")]),
        ("One\n### Sub\n###### Deep\ntwo", "", [("", "One", "Sub", "Deep", "two")]),
        ("## C [pause 2s]\nHello.", "", [("C", Pause(2.0), "Hello.")]),
    ],
)
def test_headings(text: str, name: str, chapters: list[tuple[str | Pause, ...]]) -> None:
    script = parse(text, "en")
    assert (script.title, [(chapter.title, *chapter.pieces) for chapter in script.chapters]) == (name, chapters)
    assert find_title(text) == name


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("[pause 4s]", 4.0),
        ("[pause 1.5s]", 1.5),
        ("[pause 1,5s]", 1.5),
        ("[PAUSE 4S]", 4.0),
        ("  [ Pause  4 s ]  ", 4.0),
        ("[pause4s]", 4.0),
        ("[pause 10 sec]", 10.0),
        ("[pause 2 seconds]", 2.0),
        ("[pause 1 second]", 1.0),
        ("**[pause 4s]**", 4.0),
        ("*[pause 4s]*", 4.0),
        ("_`[pause 4s]`_", 4.0),
        ("[**pause 4s**]", 4.0),
        ("[_pause_4s_]", 4.0),
        ("［ｐａｕｓｅ　４．５ｓ］", 4.5),
        ("【PAUSE 4s】", 4.0),
        ("[pause ٤s]", 4.0),
        ("- [pause 4s].", 4.0),
        ("[pause 0s]", 0.5),
        ("[pause 0.49s]", 0.5),
        ("[pause 0.5s]", 0.5),
        ("[pause 15s]", 15.0),
        ("[pause 15.1s]", 15.0),
        ("[pause 99999999999s]", 15.0),
    ],
)
def test_a_pause(line: str, seconds: float) -> None:
    assert parse(f"One\n{line}\ntwo", "en").chapters == (Chapter("", ("One", Pause(seconds), "two")),)
    assert transcript_blocks(line) == [("pause", f"{seconds:g} s")]
    assert normalise_completion(line) == f"[pause {seconds:g}s]"


@pytest.mark.parametrize(
    "line",
    [
        *("[pause]", "[pause soon]", "[pause -3s]", "[pause 4]", "[pause 4m]", "[pause s]", "[pause 4s", "[Pause: 4s]"),
        *(
            "[pause 1.2.3s]",
            "**[pause]**",
            "【pause】",
            "[pause 4s 5s]",
            "[pause 4ss]",
            "[pause 4secss]",
            "[pause .5s]",
        ),
    ],
)
def test_a_malformed_pause_is_an_error_for_an_editor_and_gone_from_a_completion(line: str) -> None:
    with pytest.raises(ScriptError) as error:
        parse(f"# T\n\nHello.\n{line}\nBye.", "en")
    assert str(error.value) == (
        f"Line 4: {line} is not a pause. Write it as [pause 4s], from 0.5 to 15 seconds, on a line of its own."
    )
    assert normalise_completion(f"Hello.\n{line}\nBye.") == "Hello.\n\nBye."
    assert transcript_blocks(f"Hello.\n{line}\nBye.") == [("paragraph", "Hello."), ("paragraph", "Bye.")]


def test_a_malformed_pause_inside_a_line_is_separated_from_its_text() -> None:
    with pytest.raises(ScriptError, match=r"^Line 1: \[pause\] is not a pause"):
        parse("Think. [pause] Now.", "en")
    assert normalise_completion("Think. [pause] Now.") == "Think.\n\nNow."
    with pytest.raises(ScriptError, match=r"^Line 1: \[pause is not a pause"):
        parse("a [pause [b] c", "en")
    assert normalise_completion("a [pause [b] c") == "a\n\n[b] c"


@pytest.mark.parametrize("text", ["[Pause](https://x.org) it", "[pauses] it", "The [pausing] it", "Pause 4s it"])
def test_what_only_resembles_a_pause_is_text(text: str) -> None:
    assert normalise_completion(text) == text
    validate(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Think. [pause 3s] Now.", ("Think.", Pause(3.0), "Now.")),
        ("**Think [pause 3s] now.**", ("Think", Pause(3.0), "now.")),
        ("A **[pause 3s]** b [pause 4s] [pause 5s] c", ("A", Pause(3.0), "b", Pause(4.0), Pause(5.0), "c")),
        ("One\n[pause 1s]\n\n[pause 2s]\n\ntwo\n", ("One", Pause(1.0), Pause(2.0), "two")),
    ],
)
def test_a_pause_inside_a_line_splits_it(text: str, pieces: tuple[str | Pause, ...]) -> None:
    assert parse(text, "en").chapters == (Chapter("", pieces),)


@pytest.mark.parametrize("mark", ["*", "_", "~", "`", "***", "**"])
def test_a_pause_moves_to_its_own_line_without_the_marks_around_it(mark: str) -> None:
    assert normalise_completion(f"a {mark}[pause 4s]{mark} b") == "a\n[pause 4s]\nb"


def test_a_script_with_nothing_to_speak_is_an_error_for_an_editor() -> None:
    validate("Hello.")
    for text in ("", "# T\n## C\n[pause 4s]\n(laughs)"):
        with pytest.raises(ScriptError, match=r"^There is nothing to speak"):
            validate(text)
    with pytest.raises(ScriptError, match=r"^Line 2: \[pause x\] is not a pause"):
        validate("Hello.\n[pause x]")


def test_an_unknown_language_is_an_error() -> None:
    for use in (parse, split_sentences, split_into_clips):
        with pytest.raises(LanguageError):
            use("Hello.", "xx")


@pytest.mark.parametrize(
    ("answer", "saved"),
    [
        ("```markdown\n# T\nHello.\n```", "# T\nHello."),
        ("\n~~~\n\n# T\n\n~~~\n", "# T"),
        ("```\n~~~ md\n# T\n~~~\n```", "# T"),
        ("```\na\n```\nb\n```\nc\n```", "```\na\n```\nb\n```\nc\n```"),
        ("```\na", "```\na"),
        ("```\na\n```py\nb\n```", "a\n```py\nb"),
        ("```\n``\na\n```", "``\na"),
        ("```\na\n~~~", "```\na\n~~~"),
        ("``\na\n``", "``\na\n``"),
        ("Here:\n```\na\n```", "Here:\n```\na\n```"),
        ("```python code here\na\n```", "```python code here\na\n```"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("a\n\n\n\nb\n\nc\n", "a\n\nb\n\nc"),
        ("  a  \n\tb\tc\t\n", "a\nb\tc"),
        ("a\x00b\x08c\x1b\x7f\ud83d\udc4b\uffffd\ufeff", "abcd"),
        ("**# T**\n**## C **\n__# U__\n**# V\n**W**", "# T\n## C\n# U\n**# V\n**W**"),
        ("Think. **[ Pause 4 S ]** Now: {x}", "Think.\n[pause 4s]\nNow: {x}"),
        ("a [pause 99s] **# T**", "a\n[pause 15s]\n# T"),
        ("*a* [pause 1.50s], ok", "*a*\n[pause 1.5s]\n, ok"),
        ("[pause]\n```\na\n```", "a"),
        ("**Bold** 🎉 [x](y) (laughs) Host: hi", "**Bold** 🎉 [x](y) (laughs) Host: hi"),
    ],
)
def test_a_completion_is_normalised_for_saving(answer: str, saved: str) -> None:
    assert normalise_completion(answer) == saved


def test_the_transcript_of_a_malformed_script_is_still_readable() -> None:
    assert transcript_blocks(
        "# T\n## C\n**One** two.\n[pause 4.0s]\n[pause ever]\n### Sub\n- item\n## \n## ![i](j)"
    ) == [
        ("title", "T"),
        ("chapter", "C"),
        ("paragraph", "One two."),
        ("pause", "4 s"),
        ("paragraph", "Sub"),
        ("paragraph", "item"),
    ]
    assert transcript_blocks("long " * 200) == [("paragraph", ("long " * 200).strip())]


@no_deadline
@given(texts, language_codes)
def test_no_text_is_lost_and_no_clip_is_too_long(text: str, language: str) -> None:
    text = normalise_completion(text)
    clips = parse(text, language).clips
    assert "".join(clips) == "".join(spoken(text))
    assert all(0 < len(clip) <= 600 for clip in clips)
    assert all(re.search(r"[^\W_]", clip) for clip in clips)


@no_deadline
@given(texts)
def test_normalising_a_completion_twice_changes_nothing_and_it_can_be_stored_and_parsed(text: str) -> None:
    saved = normalise_completion(text)
    assert normalise_completion(saved) == saved
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", saved)
    parse(saved, "en")
    transcript_blocks(text)


RUNS = [
    *(
        "*",
        "_",
        "[",
        "(",
        "`",
        "~",
        "#",
        ">",
        "|",
        "-",
        " ",
        "<",
        "!",
        "。",
        "🎉",
        "\u0301",
        "[pause",
        "[pause 4s]",
        "[x",
    ),
    *(
        "[a](b(",
        "**a",
        "_a ",
        "_a_b",
        "a_",
        "~~a",
        "http://",
        "www.",
        "..a",
        "<a b=c ",
        "<!--",
        "! ",
        "[/ja]",
        "🎉a",
        "- ",
    ),
]


@pytest.mark.parametrize("run", RUNS)
def test_a_hostile_line_of_100_000_characters_is_read_to_its_end(run: str) -> None:
    line = "a" + run * (100_000 // len(run)) + "b"
    assert spoken(normalise_completion(line))
    assert "".join(split_into_clips(line, "en")) == line
