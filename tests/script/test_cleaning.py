"""What is spoken of a writer's Markdown, HTML, emoji and addresses."""

import re

import pytest
from hypothesis import given

from dailycast.script.grammar import (
    parse,
    transcript_blocks,
)
from tests.script.texts import no_deadline, spoken, texts


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
def test_text_that_is_no_mark_stays(text: str) -> None:
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
def test_a_line_with_nothing_to_say_is_removed(line: str) -> None:
    assert transcript_blocks(line) == []
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
def test_an_emoji_is_removed(emoji: str) -> None:
    assert spoken(f"a {emoji} b") == ["a b"]


@pytest.mark.parametrize("sign", "©®‼⁉™ℹ↔↕↖↗↘↙↩↪Ⓜ▪▫▶◀◻◼♀♂♾〰〽㊗㊙⤴⤵⬅⬆⬇➡⌘⏻★♪♯✓✗❶➔→½②\U0001efff\U0001fb00")
def test_a_sign_that_is_no_emoji_stays(sign: str) -> None:
    assert spoken(f"a {sign} b") == [f"a {sign} b"]


@pytest.mark.parametrize("bullet", "•‣◦▪●○・")
def test_a_bullet_opens_a_paragraph(bullet: str) -> None:
    assert spoken(f"one\n{bullet} two\n{bullet}three\nmore") == ["one", "two", "three more"]


@pytest.mark.parametrize("rule", [*(mark * 3 for mark in "-*_=~#>|:+`"), "= = =", "````python", "~~~~ c++", "``` .a-b"])
def test_a_rule_separates_paragraphs(rule: str) -> None:
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
def test_a_web_address_is_removed_up_to_its_end(part: str) -> None:
    assert spoken(f"go https://x.org/a{part} on") == ["go on"]
    assert spoken(f"go (ftp://x.org/a{part}), <http://x.org{part}>, www.x.org/{part}") == ["go,,"]


@pytest.mark.parametrize(
    ("after", "left"), [*((stop, stop) for stop in ".,;:!?)"), *((mark, f" {mark}") for mark in "'\"*_~]")]
)
def test_what_follows_a_web_address_stays(after: str, left: str) -> None:
    assert spoken(f"go https://x.org/{after} on") == [f"go{left} on"]


@pytest.mark.parametrize("after", " _.,;:!?)]")
def test_a_blank_to_fill_in_stays(after: str) -> None:
    assert spoken(f"a _{after} b_ c") == [f"a _{after} b_ c".replace("  ", " ")]


@no_deadline
@given(texts)
def test_nothing_is_spoken_that_a_voice_cannot_take(text: str) -> None:
    for paragraph in spoken(text):
        assert not re.search(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff\U0001f000-\U0001faff\ufe0f`]", paragraph)
