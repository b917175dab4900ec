"""The script grammar: what is spoken, what is not, where it is cut, and what is saved."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dailycast.errors import LanguageError, ScriptError
from dailycast.languages.sentences import sentences
from dailycast.script.clips import MAX_CLIP, split
from dailycast.script.grammar import Chapter, Pause, Script, check, from_completion, parse, readable, title

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

# Texts made of what a grammar can stumble over.
FRAGMENTS = [
    *("[pause 4s]", "[pause]", "[pause soon]", "[Pause 1,5 S", "【pause 9s】", "[pause 4s](x)", "[pause ", "pause 4s]"),
    *("# ", "## ", "### ", "**# T**", "__## C__", "- ", "> ", "1. ", "* * *", "|", "Host: ", "**Narrator:** "),
    *(
        "```",
        "~~~",
        "```md",
        "**",
        "*",
        "_",
        "`",
        "~~",
        "[",
        "]",
        "(",
        ")",
        "(laughs)",
        "[t](u)",
        "![i](j)",
        "[/ja]",
        "[ja]",
    ),
    *(
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "\u3000",
        "\u2028",
        "\x00",
        "\x0b",
        "\ud800",
        "\ufffe",
        "\ufeff",
        "\U0001ffff",
    ),
    *(
        "word",
        "3.14",
        "Dr. ",
        "U.S. ",
        "Go! ",
        "e.g. ",
        "«Oui» ",
        "« Non ! » ",
        "行く。",
        "「はい」",
        "एक।",
        "क्‍ष",
        "é",
        "안녕",
        "각",
    ),
    *(
        "🎉",
        "👩🏽‍🏫",
        "1️⃣",
        "🇯🇵",
        "♂️",
        "<b>",
        "<br/>",
        "3 < 5",
        "https://x.org/a_(b).",
        "www.x.org",
        "x" * 599,
        "言" * 601,
    ),
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join) | st.text(max_size=80)
languages = st.sampled_from(["en", "ja", "fr", "hi", "ar", "ko"])
unhurried = settings(deadline=None)  # a busy machine is no failure


def spoken(text: str) -> list[str]:
    return [words for kind, words in readable(text) if kind == "paragraph"]


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


def test_a_script_tells_its_clips_and_its_text() -> None:
    script = parse(SCRIPT, "en")
    assert script.clips == (
        "Good morning, Alex. It is a good day.",
        "You did well.",
        'What is the past tense of "to go"?',
        'It is "went".',
    )
    assert script.text == (
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
    assert title(text) == name


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
    assert readable(line) == [("pause", f"{seconds:g} s")]
    assert from_completion(line) == f"[pause {seconds:g}s]"


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
    assert from_completion(f"Hello.\n{line}\nBye.") == "Hello.\n\nBye."
    assert readable(f"Hello.\n{line}\nBye.") == [("paragraph", "Hello."), ("paragraph", "Bye.")]


def test_a_malformed_pause_inside_a_line_is_told_from_its_text() -> None:
    with pytest.raises(ScriptError, match=r"^Line 1: \[pause\] is not a pause"):
        parse("Think. [pause] Now.", "en")
    assert from_completion("Think. [pause] Now.") == "Think.\n\nNow."
    with pytest.raises(ScriptError, match=r"^Line 1: \[pause is not a pause"):
        parse("a [pause [b] c", "en")
    assert from_completion("a [pause [b] c") == "a\n\n[b] c"


@pytest.mark.parametrize("text", ["[Pause](https://x.org) it", "[pauses] it", "The [pausing] it", "Pause 4s it"])
def test_what_only_resembles_a_pause_is_none(text: str) -> None:
    assert from_completion(text) == text
    check(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Think. [pause 3s] Now.", ("Think.", Pause(3.0), "Now.")),
        ("**Think [pause 3s] now.**", ("Think", Pause(3.0), "now.")),
        ("A **[pause 3s]** b [pause 4s] [pause 5s] c", ("A", Pause(3.0), "b", Pause(4.0), Pause(5.0), "c")),
        ("One\n[pause 1s]\n\n[pause 2s]\n\ntwo\n", ("One", Pause(1.0), Pause(2.0), "two")),
    ],
)
def test_a_pause_inside_a_line_parts_it(text: str, pieces: tuple[str | Pause, ...]) -> None:
    assert parse(text, "en").chapters == (Chapter("", pieces),)


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("one *two\nthree* four", ["one two three four"]),
        ("one\ntwo\n\nthree\n \t\n\nfour", ["one two", "three", "four"]),
        ("one\r\ntwo\r\r\nthree\u2028four", ["one two", "three four"]),
        ("これは\n日本語、\n「です」\nOK\nね", ["これは日本語、「です」 OK ね"]),
        ("漢字**太字**\n**次**\nー\uff11\n𠀋\n々", ["漢字太字次ー\uff11𠀋々"]),
        ("안녕\n하세요", ["안녕 하세요"]),
        (
            "one\n- two\nmore\n* three\n+ four\n• five\n・六\n2. seven\n10) eight",
            ["one", "two more", "three", "four", "five", "六", "2. seven", "10) eight"],
        ),
        ("one\n> two\n> > three\n>\n> four", ["one two three", "four"]),
        ("> - one\n> - two\n>- three\n>four", ["one", "two", "three four"]),
        ("one\n1.5 two\n. three", ["one 1.5 two . three"]),
        (
            "\u3400\n\u9fff\n\uf900\n\ufa0e\n\ufaff\n\uff01\n\uffef\n\U00020000",
            ["\u3400\u9fff\uf900\ufa0e\ufaff\uff01\uffef\U00020000"],
        ),
        (
            "one\n---\ntwo\n* * *\nthree\n===\nfour\n```python\nfive\n```\nsix\n~~~\nseven",
            ["one", "two", "three", "four", "five", "six", "seven"],
        ),
        ("| go | went |\n|----|:--:|\n| see | saw |", ["go went", "see saw"]),
        ("one\n(laughs)\ntwo", ["one", "two"]),
        ("one\n🎉\n…\ntwo\n\n?!\n\n___\n\nthree", ["one", "… two", "three"]),
        ("1990. A year\n1234. A number", ["1990. A year 1234. A number"]),
    ],
)
def test_paragraphs(text: str, paragraphs: list[str]) -> None:
    assert spoken(text) == paragraphs


STAYS = [
    "numbers 1,000.5 and -5 and +1 and 50%",
    "Dr. X and JFK",
    "snake_case and __file and a_b_c_",
    "2 * 3 = 6 and 4 * 5, and 2*3*4, and 2**10, x**2 + y**2",
    "C# and #1 and C++ and F♯ and A* and f***",
    "e.g. this, i.e. that",
    "$5 and €5 and 5 > 3 and 3 < 5 and 7 > 2, a<5",
    "it's Alex's \"book\" – and — so (on) [or] {not}",
    "The past of go is ____. And (___) or (___)?",
    "~5 and a|b and a/b and x^2 and 50 ~~ 60",
    "List<String> and <3",
    "© ® ™ ✓ → ♪ ❶ ½ 5 × 3 ÷ 2",
    "Zoë Šimůnek Ελένη Ольга محمد नमस्ते 안녕 こんにちは",
    "क्‍ष می‌خواهم बच्‍चा",
    "葛\U000e0100城",
    "Hosts: two, Speakers: three, hostess: four",
    "example.com and a:b and 12:30",
    "[ja] and [it], left open",
    "<Say-as> and <b and c> and <- a -> and <!-- a -> and <!- a --> and <!--a<2--> and <1> and </",
    "A*b*c, Z*b*c, a*b*c, z*b*c, 0*b*c, 9*b*c, A**b + c**d and ** e and ***e f",
    "[a](b(c(d)e) f and [a] b](c)",
    "http:/x and https:/y and ftp:/z and wwwx.y",
    "####### seven",
    *("(a (b)", "(a) b)", "[a [b]", "[a] b]", "（a（b）", "（a）b）", "［a［b］", "［a］b］", "【a【b】", "【a】b】"),
]


@pytest.mark.parametrize("text", STAYS)
def test_what_is_no_mark_stays(text: str) -> None:
    assert spoken(text) == [text]
    assert parse(text, "en").clips == (text,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**bold** and *it* and ***both*** here", "bold and it and both here"),
        ("__bold__ and _it_ and ___both___ here", "bold and it and both here"),
        ("**Bold**er and (*it*) and «_so_»", "Bolder and (it) and «so»"),
        ("**bold *it* bold** and _**so**_ and *a **b***", "bold it bold and so and a b"),
        ("_use snake_case here_ or _a_, _b_!", "use snake_case here or a, b!"),
        ("*_~~**four**~~_* marks", "four marks"),
        ("これは**大事**な*こと*です", "これは大事なことです"),
        ("**open and close** and half** of", "open and close and half of"),
        ("an **open half", "an open half"),
        ("*a **b *c* b** a*", "a b c b a"),
        ("~~struck~~ out", "struck out"),
        ("call `print` and ``x``", "call print and x"),
        ("see [the page](https://x.org/a_(b)) now", "see the page now"),
        ('see [it](x "a title"), [two](y) now', "see it, two now"),
        ("an ![image](i.png) here", "an here"),
        ("go https://x.org/a?b=c&d=1#e now", "go now"),
        ("go to https://x.org. Or HTTP://Y.ORG/a/, or www.z.com!", "go to. Or, or!"),
        ("(https://x.org/a) and <https://y.org> and ftp://z.org/(b) so", "and and so"),
        ("**https://x.org** then _https://x.org_ and ***https://x.org***", "then and"),
        ("go https://x.org<br>on `https://x.org` so", "go on so"),
        ("見てhttps://x.orgをね", "見て をね"),
        ("xwww.a.b stays", "xwww.a.b stays"),
        ('<b>bold</b>, <A HREF="x">link</A>, H<sub>2</sub>O', "bold, link, H2O"),
        ("one<br>two<br/>three<p class=x data-a='b'>four</p>", "one two three four"),
        ("one<!-- a note -->two", "one two"),
        ('<H1 id="a">one</H1> <say-as x="y>z">two</say-as> <b >three</b >', 'one z">two three'),
        ("<x:y_1 a = 'b' c/>one", "one"),
        ("Great 🎉! And 🎉 so 🎉🎊 on.", "Great! And so on."),
        ("Hi👋there and hi👋 there 👋", "Hi there and hi there"),
        ("so «🎉oui» then", "so «oui» then"),
        ("(a👋b) and a👋«b»", "(a b) and a«b»"),
        ("a 👩🏽‍🏫 b 👨‍👩‍👧‍👦 c 🏴󠁧󠁢󠁥󠁮󠁧󠁿 d 🇯🇵🇫🇷 e ❤️‍🔥 f 🏃‍♀️ g 🙂‍↔️ h", "a b c d e f g h"),
        ("press 1️⃣ or #️⃣ ☀️ ☎ ©️ ▶️ ♂️", "press 1 or #"),
        ("text\ufe0e \U000e0041marks", "text marks"),
        ("Hi 🏴\U000e0067\U000e0062\U000e007f! Hi ☎\ufe0e!", "Hi! Hi!"),
        ("a\x00b\x1bc\x7fd\x9fe\ud800f\ufffeg\ufdd0h\U0003ffffi\ufeffj", "abcdefghij"),
        ("a\tb  c\u3000d\xa0e", "a b c d e"),
        ("Host: hi", "hi"),
        ("**Host:** hi", "hi"),
        ("**NARRATOR**： hi", "hi"),
        ("*speaker 12*: hi", "hi"),
        ("Speaker A:hi", "hi"),
        ("Speaker2: hi", "hi"),
        ("**Host: hi**", "hi"),
        ("*Host: hi*", "hi"),
        ("*Host:* hi", "hi"),
        ("- 🎙️ **Host:** hi", "hi"),
        ("> Narrator: hi", "hi"),
        ("one\nHost: two", "one two"),
        ("the Host: two", "the Host: two"),
        ("say [ja]こんにちは[/ja] or [pt-BR] olá [/PT-br] to [it]", "say こんにちは or olá to [it]"),
        ("[fr]\nBonjour\n[/fr]", "Bonjour"),
        ("***Host:*** hi", "hi"),
        ("___Narrator___ : hi", "hi"),
        ("** Host ** : hi", "hi"),
        ("Speaker m: hi", "hi"),
        ("(a) and (b)", "(a) and (b)"),
        ("[a](b) [c]() [d [e](f) [g] [h](i)", "a c [d e [g] h"),
        ("[zh-Hans-CN]x[/zh-Hans-CN] [es-419]y[/es-419]", "x y"),
        ("[b]x[/b] [abcd]y[/abcd]", "[b]x[/b] [abcd]y[/abcd]"),
        ("[a] and [b]", "[a] and [b]"),
        ("[text](x)", "text"),
        ("|x| is 5", "|x| is 5"),
        ("It is a|", "It is a|"),
    ],
)
def test_cleaning_for_speech(text: str, said: str) -> None:
    assert spoken(text) == [said]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "[music]",
            "(laughs)",
            "（笑い）",
            "［音楽］",
            "【音楽】",
            "**[Music]**",
            "*(softly)*",
            "_[x]_",
            "[ music, 3 s ]",
        ),
        *(
            "- [music]",
            "Host: (laughs)",
            "🎵 [music]",
            "**Host:**",
            "https://x.org",
            "🎉",
            "***",
            "![i](j)",
            "\x00",
            "|---|",
        ),
    ],
)
def test_a_line_with_nothing_to_say_goes(line: str) -> None:
    assert readable(line) == []
    assert spoken(f"one\n\n{line}\n\ntwo") == ["one", "two"]


@pytest.mark.parametrize("tag", [*"abisu", "code", "em", "mark", "small", "span", "strong", "sub", "sup"])
def test_a_tag_inside_a_word_leaves_the_word_whole(tag: str) -> None:
    assert spoken(f"un<{tag}>believ</{tag}>able<{tag.upper()}>!") == ["unbelievable!"]


@pytest.mark.parametrize(
    "emoji",
    [
        *"\U0001f000\U0001f44b\U0001faff⌚⌛⌨⏏⏩⏰⏺◽◾☀☂☄☎☑☔☕☘☝☠☢☣☦☪☮☯☸☹☺♈♎♓♟♣♨♻♿⚒⚠⛽✂✅✈✊✏✒✔✖✝✡✨✳✴❄❇❌❎❓❔❗❣❤➕➖➗➰➿⬛⬜⭐⭕",
        *(sign + "\ufe0f" for sign in "©®‼⁉™ℹ↔↕↖↗↘↙↩↪Ⓜ▪▫▶◀◻◼♀♂♾〰〽㊗㊙⤴⤵⬅⬆⬇➡"),
        *("👩\u200d" + sign + "\ufe0f" for sign in "♀♂➡"),
        *("👩\u200d" + sign for sign in "♀♂➡"),
    ],
)
def test_an_emoji_goes(emoji: str) -> None:
    assert spoken(f"a {emoji} b") == ["a b"]


@pytest.mark.parametrize("sign", "©®‼⁉™ℹ↔↕↖↗↘↙↩↪Ⓜ▪▫▶◀◻◼♀♂♾〰〽㊗㊙⤴⤵⬅⬆⬇➡⌘⏻★♪♯✓✗❶➔→½②\U0001efff\U0001fb00")
def test_a_sign_that_is_no_emoji_stays(sign: str) -> None:
    assert spoken(f"a {sign} b") == [f"a {sign} b"]


@pytest.mark.parametrize("bullet", "•‣◦▪●○・")
def test_a_bullet_opens_a_paragraph(bullet: str) -> None:
    assert spoken(f"one\n{bullet} two\n{bullet}three\nmore") == ["one", "two", "three more"]


@pytest.mark.parametrize("rule", [*(mark * 3 for mark in "-*_=~#>|:+`"), "= = =", "````python", "~~~~ c++", "``` .a-b"])
def test_a_rule_parts_paragraphs(rule: str) -> None:
    assert spoken(f"one\n{rule}\ntwo") == ["one", "two"]


@pytest.mark.parametrize(
    "part",
    [
        "-b",
        "_b",
        "~b",
        "*b",
        "'b",
        '"b',
        ";b",
        ",b",
        ":b",
        "!b",
        "?b=c&d",
        "%20",
        "#$+@Z09^{|}\\z",
        "(b-c)d",
        "(!b'*-~)f",
    ],
)
def test_an_address_goes_to_its_end(part: str) -> None:
    assert spoken(f"go https://x.org/a{part} on") == ["go on"]
    assert spoken(f"go (ftp://x.org/a{part}), <http://x.org{part}>, www.x.org/{part}") == ["go,,"]


@pytest.mark.parametrize(
    ("after", "left"), [*((stop, stop) for stop in ".,;:!?)"), *((mark, f" {mark}") for mark in "'\"*_~]")]
)
def test_what_follows_an_address_stays(after: str, left: str) -> None:
    assert spoken(f"go https://x.org/{after} on") == [f"go{left} on"]


@pytest.mark.parametrize("mark", ["*", "_", "~", "`", "***", "**"])
def test_a_pause_goes_onto_its_own_line_without_the_marks_around_it(mark: str) -> None:
    assert from_completion(f"a {mark}[pause 4s]{mark} b") == "a\n[pause 4s]\nb"


@pytest.mark.parametrize("after", " _.,;:!?)]")
def test_a_blank_to_fill_in_stays(after: str) -> None:
    assert spoken(f"a _{after} b_ c") == [f"a _{after} b_ c".replace("  ", " ")]


@pytest.mark.parametrize(
    "short",
    [
        *(
            "Dr",
            "Mr",
            "Mrs",
            "Ms",
            "Prof",
            "St",
            "Jr",
            "Sr",
            "Sra",
            "Dra",
            "Mme",
            "Mlle",
            "Hr",
            "Fr",
            "Nr",
            "Sig",
            "Dott",
        ),
        *("vs", *"AMZamzÀñɏͰΩяԯ"),
    ],
)
def test_an_abbreviation_ends_no_sentence(short: str) -> None:
    assert sentences(f"So {short}. Xu ging. Ja", "en") == [f"So {short}. Xu ging. ", "Ja"]
    assert sentences(f"So a{short}. Xu 5{short}. Ja", "en") == [f"So a{short}. ", f"Xu 5{short}. ", "Ja"]


@pytest.mark.parametrize("closer", "])}\"'”“’‘»«」』）】〉》］｝")
def test_what_closes_a_sentence_stays_with_it(closer: str) -> None:
    assert sentences(f"Yes.{closer} No.", "en") == [f"Yes.{closer} ", "No."]
    assert sentences(f"行。{closer}次。", "ja") == [f"行。{closer}", "次。"]


@pytest.mark.parametrize("opener", "«‹“„")
def test_what_opens_a_sentence_goes_with_it(opener: str) -> None:
    assert sentences(f"Non ! {opener} Oui.", "fr") == ["Non ! ", f"{opener} Oui."]
    assert sentences(f"Non. {opener}Oui.", "fr") == ["Non. ", f"{opener}Oui."]


def test_an_editor_is_told_that_there_is_nothing_to_speak() -> None:
    check("Hello.")
    for text in ("", "# T\n## C\n[pause 4s]\n(laughs)"):
        with pytest.raises(ScriptError, match=r"^There is nothing to speak"):
            check(text)
    with pytest.raises(ScriptError, match=r"^Line 2: \[pause x\] is not a pause"):
        check("Hello.\n[pause x]")


def test_a_language_that_we_do_not_know_is_an_error() -> None:
    for use in (parse, sentences, split):
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
    assert from_completion(answer) == saved


def test_the_transcript_is_readable_also_where_an_editor_broke_it() -> None:
    assert readable("# T\n## C\n**One** two.\n[pause 4.0s]\n[pause ever]\n### Sub\n- item\n## \n## ![i](j)") == [
        ("title", "T"),
        ("chapter", "C"),
        ("paragraph", "One two."),
        ("pause", "4 s"),
        ("paragraph", "Sub"),
        ("paragraph", "item"),
    ]
    assert readable("long " * 200) == [("paragraph", ("long " * 200).strip())]


@pytest.mark.parametrize(
    ("language", "text", "parts"),
    [
        ("en", "", [""]),
        ("en", "! ? ! ?", ["! ? ! ?"]),
        ("en", "One. Two! Three? Four… Five", ["One. ", "Two! ", "Three? ", "Four… ", "Five"]),
        ("en", "It is 3.14. Or 2.5? Yes.", ["It is 3.14. ", "Or 2.5? ", "Yes."]),
        ("en", "See e.g. Paris. And i.e. that etc. too.", ["See e.g. Paris. ", "And i.e. that etc. too."]),
        (
            "en",
            "Dr. X and Prof. Y met Mrs. Z. vs. U.S. Steel. Ok.",
            ["Dr. X and Prof. Y met Mrs. Z. vs. U.S. Steel. ", "Ok."],
        ),
        ("en", "Is it Dr? No. I hear. Mid. It is.", ["Is it Dr? ", "No. ", "I hear. ", "Mid. ", "It is."]),
        (
            "en",
            'He said "Go!" Then (yes.) So "Why?" he said.',
            ['He said "Go!" ', "Then (yes.) ", 'So "Why?" he said.'],
        ),
        ("en", 'Stop. "Why?" (Ok.) [No] ¿Sí?', ["Stop. ", '"Why?" ', "(Ok.) ", "[No] ¿Sí?"]),
        ("en", "Ok. ¿Sí? No.", ["Ok. ", "¿Sí? ", "No."]),
        ("en", "Wait... What?! !! No", ["Wait... ", "What?! !! ", "No"]),
        ("en", "... Hello. Bye", ["... Hello. ", "Bye"]),
        ("en", "Well... maybe. A.b C", ["Well... maybe. ", "A.b C"]),
        ("en", "One.Two.—Three", ["One.Two.—Three"]),
        ("en", "行く。次", ["行く。次"]),
        ("fr", "« Non ! » Il part ! « Oui » Fin.", ["« Non ! » ", "Il part ! ", "« Oui » Fin."]),
        ("de", "Er ging. »Ja.« Und „Gut.“ Ende.", ["Er ging. ", "»Ja.« ", "Und „Gut.“ ", "Ende."]),
        ("el", "Ο κ. Α. Ναι. Ok", ["Ο κ. Α. Ναι. ", "Ok"]),
        ("ja", "行く。「はい。」と！？ 次……終", ["行く。", "「はい。」", "と！？ ", "次……", "終"]),
        ("ja", "円は３．１４です．次", ["円は３．１４です．", "次"]),
        ("ja", "３． １４．a．５", ["３． ", "１４．", "a．", "５"]),
        ("ja", "Go. Now! 次", ["Go. Now! 次"]),
        ("ja", "約３．１次。３。４", ["約３．１次。", "３。", "４"]),
        ("zh-CN", "你好。再见！", ["你好。", "再见！"]),
        ("ko", "네. 좋아요! 行。次", ["네. ", "좋아요! ", "行。", "次"]),
        ("ar", "نعم؟ لا. ربما۔ثم", ["نعم؟ ", "لا. ", "ربما۔", "ثم"]),
        ("hi", "एक। दो॥तीन. चार", ["एक। ", "दो॥", "तीन. ", "चार"]),
    ],
)
def test_sentences(language: str, text: str, parts: list[str]) -> None:
    assert sentences(text, language) == parts


def test_a_paragraph_of_the_longest_length_is_one_clip_and_one_more_character_makes_two() -> None:
    assert MAX_CLIP == 600
    assert split("a" * 600, "en") == ["a" * 600]
    assert split("a" * 601, "en") == ["a" * 600, "a"]


def test_a_long_paragraph_is_cut_at_sentence_ends_and_clips_are_filled() -> None:
    sentence = "a" * 197 + ". "  # 199 characters, lower case after a stop would not end it
    text = (sentence.capitalize() * 7).strip()
    first = sentence.capitalize() * 3
    assert split(text, "en") == [first, first, sentence.capitalize().strip()]
    assert [len(clip) for clip in split(text, "en")] == [597, 597, 198]
    assert split("「" + "言" * 300 + "。」" + "語" * 300 + "。", "ja") == [
        "「" + "言" * 300 + "。」",
        "語" * 300 + "。",
    ]


def test_a_long_sentence_is_cut_between_words_and_what_is_left_is_filled() -> None:
    words = "abcdef " * 100  # 700 characters, and 85 words are 595
    assert split(words + "end. Then " + "xyz " * 100 + "stop. Last.", "en") == [
        "abcdef " * 85,
        "abcdef " * 15 + "end. Then " + "xyz " * 100 + "stop. Last.",
    ]


@pytest.mark.parametrize(
    ("text", "clips"),
    [
        ("a" * 600 + " !!!", ["a" * 599, "a !!!"]),
        ("a" * 598 + ' "b" c', ["a" * 598 + " ", '"b" c']),
        ("a" * 596 + ' — "b" c', ["a" * 596 + " — ", '"b" c']),
        ("a" * 596 + " __ b c", ["a" * 596 + " __ ", "b c"]),
        ("— " + "言" * 700, ["— " + "言" * 598, "言" * 102]),
        ("a" * 598 + " — b", ["a" * 597, "a — b"]),
        ("a" * 598 + " __ b", ["a" * 597, "a __ b"]),
        ("a" * 596 + " __b c", ["a" * 596 + " ", "__b c"]),
        ("a" * 600 + "___", ["a" * 599, "a___"]),
        ("e\u0301" * 301, ["e\u0301" * 300, "e\u0301"]),
        ("a" + "e\u0301" * 300, ["a" + "e\u0301" * 299, "e\u0301"]),
        ("a" * 599 + "葛\U000e0100", ["a" * 599, "葛\U000e0100"]),
        ("a" * 598 + "क्ष", ["a" * 598, "क्ष"]),
        ("a" * 598 + "क्\u200dष", ["a" * 598, "क्\u200dष"]),
        ("a" * 598 + "می\u200cخ", ["a" * 598 + "م", "ی\u200cخ"]),
        ("a" * 598 + "\u1100\u1161\u11a8", ["a" * 598, "\u1100\u1161\u11a8"]),
        ("a" * 599 + "\uac00\u11a8", ["a" * 599, "\uac00\u11a8"]),
        ("a" * 599 + "\u1100\uac00", ["a" * 599, "\u1100\uac00"]),
        ("a" * 599 + "\ua960\u1160", ["a" * 599, "\ua960\u1160"]),
        ("a" * 599 + "\uac00\ud7cb", ["a" * 599, "\uac00\ud7cb"]),
        ("a" * 599 + "\uac00\uac00", ["a" * 599 + "\uac00", "\uac00"]),
        ("a" * 599 + "ﾊﾞ", ["a" * 599, "ﾊﾞ"]),
        ("a" * 599 + "กำ", ["a" * 599, "กำ"]),
        ("a" * 598 + "👩🏽‍🏫b", ["a" * 597, "a👩🏽‍🏫b"]),
        ("a" + "\u0301" * 700, ["a" + "\u0301" * 599, "\u0301" * 101]),
    ],
)
def test_what_has_no_spaces_is_cut_between_graphemes_and_no_clip_is_mere_punctuation(
    text: str, clips: list[str]
) -> None:
    assert split(text, "en") == clips


@pytest.mark.parametrize("leading", "\u1100\u1112\u115f\ua960\ua970\ua97c")
def test_a_leading_jamo_is_not_parted_from_what_follows(leading: str) -> None:
    assert split("a" * 599 + leading + "\uac00", "ko") == ["a" * 599, leading + "\uac00"]


@pytest.mark.parametrize(
    "hanging",
    [
        *"\u1160\u1175\u11a8\u11ff\ud7b0\ud7cb\ud7fb\uff9e\uff9f\u0e33\u0eb3",
        *"\u0301\u093e\u200d\ufe0f\U000e0100\U0001f3fd",
    ],
)
def test_what_hangs_on_a_letter_is_not_parted_from_it(hanging: str) -> None:
    assert split("a" * 599 + "b" + hanging, "en") == ["a" * 599, "b" + hanging]


@pytest.mark.parametrize("joiner", "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u200d")
def test_letters_that_are_joined_are_not_parted(joiner: str) -> None:
    assert split("a" * 598 + f"k{joiner}s", "hi") == ["a" * 598, f"k{joiner}s"]


@unhurried
@given(texts, languages)
def test_no_text_is_lost_and_no_clip_is_too_long(text: str, language: str) -> None:
    text = from_completion(text)
    clips = parse(text, language).clips
    assert "".join(clips) == "".join(spoken(text))
    assert all(0 < len(clip) <= 600 for clip in clips)
    assert all(re.search(r"[^\W_]", clip) for clip in clips)


@unhurried
@given(texts, languages)
def test_sentences_joined_are_the_text(text: str, language: str) -> None:
    assert "".join(sentences(text, language)) == text
    assert "".join(split(text, language)) == text


@unhurried
@given(texts)
def test_a_completion_is_normalised_once_for_all_and_can_be_stored_and_parsed(text: str) -> None:
    saved = from_completion(text)
    assert from_completion(saved) == saved
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", saved)
    parse(saved, "en")
    readable(text)


@unhurried
@given(texts)
def test_nothing_is_spoken_that_a_voice_cannot_take(text: str) -> None:
    for paragraph in spoken(text):
        assert not re.search(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff\U0001f000-\U0001faff\ufe0f`]", paragraph)


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
    assert spoken(from_completion(line))
    assert "".join(split(line, "en")) == line
