"""Captions: cues and chapters from measured clips, and the files that carry them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dailycast.audio.captions import ChapterMark, Cue, chapter_marks, chapters_json, sentence_cues, webvtt
from dailycast.script.grammar import Chapter, Pause, Script, parse

SCRIPT = Script(
    "Yesterday",
    (
        Chapter("", ("Good morning, Alex. Go!", Pause(2.0))),
        Chapter("Practice", ("What is it?", Pause(4.0), "It is it.")),
        Chapter("Bye", ("Bye.",)),
    ),
)
TIMES = [(0.0, 2.3), (2.3, 2.016), (4.316, 1.0), (5.316, 4.008), (9.324, 0.9), (10.224, 4.1)]


def test_a_cue_for_each_sentence_in_its_share_of_the_clip() -> None:
    assert sentence_cues(SCRIPT, TIMES, "en") == [
        Cue(0.0, 2.0, "Good morning, Alex."),
        Cue(2.0, 2.3, "Go!"),
        Cue(4.316, 5.316, "What is it?"),
        Cue(9.324, 10.224, "It is it."),
        Cue(10.224, 14.324, "Bye."),
    ]


def test_the_language_decides_where_sentences_end() -> None:
    script = Script("", (Chapter("", ("行く。次。",)),))
    assert sentence_cues(script, [(1.0, 2.5)], "ja") == [Cue(1.0, 2.5, "行く。"), Cue(2.5, 3.5, "次。")]
    assert sentence_cues(script, [(1.0, 2.5)], "en") == [Cue(1.0, 3.5, "行く。次。")]


def test_times_are_in_milliseconds_and_end_with_the_clip() -> None:
    script = Script("", (Chapter("", ("One. Six. Two.", "End.")),))
    assert sentence_cues(script, [(0.0004, 1.0002), (1.0006, 4.0994)], "en") == [
        Cue(0.0, 0.358, "One."),
        Cue(0.358, 0.715, "Six."),
        Cue(0.715, 1.0, "Two."),
        Cue(1.001, 5.1, "End."),
    ]


def test_every_piece_must_have_been_measured() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        sentence_cues(SCRIPT, TIMES[:-1], "en")


def test_a_chapter_begins_with_its_first_piece_and_an_opening_without_a_title_has_the_scripts() -> None:
    assert chapter_marks(SCRIPT, TIMES) == [
        ChapterMark(0.0, "Yesterday"),
        ChapterMark(4.316, "Practice"),
        ChapterMark(10.224, "Bye"),
    ]


def test_an_opening_without_any_title_is_no_chapter() -> None:
    script = Script("", (Chapter("", ("Hello.",)), Chapter("Practice", ("Go.",))))
    assert chapter_marks(script, [(0.0, 1.0), (1.0006, 2.0)]) == [ChapterMark(1.001, "Practice")]
    assert chapter_marks(Script("T", ()), []) == []


def test_cues_and_chapter_marks_are_values() -> None:
    assert {Cue(0.0, 1.0, "a"), Cue(0.0, 1.0, "a")} == {Cue(0.0, 1.0, "a")}
    assert {ChapterMark(0.0, "a"), ChapterMark(0.0, "a")} == {ChapterMark(0.0, "a")}


def test_webvtt_escapes_markup() -> None:
    vtt = webvtt(
        [
            Cue(0.0, 1.5, 'A & B <c> --> "d"'),
            Cue(59.9996, 3661.042, "two\n\nlines\tor  more"),
            Cue(360000.0, 360001.0, ""),
        ]
    )
    assert vtt == (
        "WEBVTT\n\n"
        '00:00:00.000 --> 00:00:01.500\nA &amp; B &lt;c&gt; --&gt; "d"\n\n'
        "00:01:00.000 --> 01:01:01.042\ntwo lines or more\n\n"
        "100:00:00.000 --> 100:00:01.000\n\n"
    )
    assert webvtt([]) == "WEBVTT\n"


def test_chapters_json_is_that_of_the_podcast_namespace() -> None:
    assert chapters_json(chapter_marks(SCRIPT, TIMES)) == {
        "version": "1.2.0",
        "chapters": [
            {"startTime": 0.0, "title": "Yesterday"},
            {"startTime": 4.316, "title": "Practice"},
            {"startTime": 10.224, "title": "Bye"},
        ],
    }


durations = st.floats(0.05, 60)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["One. Two! Three?", "Dr. X.", "行く。次。", "a", "[pause 2s]"]), durations),
        max_size=9,
    )
)
def test_cues_never_go_back_and_never_leave_their_clip(plan: list[tuple[str, float]]) -> None:
    script = parse("\n\n".join(text for text, _ in plan), "en")
    starts = [sum(length for _, length in plan[:at]) for at in range(len(plan))]
    times = list(zip(starts, (length for _, length in plan), strict=True))
    found = sentence_cues(script, times, "en")
    assert " ".join(cue.text for cue in found) == " ".join(clip for clip in script.clips)
    for cue, following in pairwise(found):
        assert cue.start <= cue.end <= following.start
    clips = [at for at, (text, _) in zip(times, plan, strict=True) if text != "[pause 2s]"]
    for cue in found:
        assert any(start - 0.0005001 <= cue.start <= cue.end <= start + length + 1e-6 for start, length in clips)
