"""Texts that are hard for the grammar, for tests with hypothesis."""

from hypothesis import settings
from hypothesis import strategies as st

from dailycast.script.grammar import (
    transcript_blocks,
)

# Parts that are hard for the grammar; texts are built of them.
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
language_codes = st.sampled_from(["en", "ja", "fr", "hi", "ar", "ko"])
no_deadline = settings(deadline=None)  # a slow machine is no failure


def spoken(text: str) -> list[str]:
    """The paragraphs that a voice speaks."""
    return [words for kind, words in transcript_blocks(text) if kind == "paragraph"]
