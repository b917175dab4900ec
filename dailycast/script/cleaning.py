"""A text cleaned for speech: no Markdown, addresses, HTML tags or emoji, no character that a database refuses."""

import re

from ..languages.characters import UNWRITABLE

# From Unicode's emoji-data.txt. SIGNS are text unless U+FE0F follows; note, sharp and circled digits are no emoji.
PICTURES = (
    r"\U0001f000-\U0001faff\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25fd\u25fe\u2600-\u2604\u260e\u2611\u2614\u2615\u2618"
    r"\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f\u2638-\u263a\u2648-\u2653\u265f-\u2668\u267b\u267f\u2692-\u26fd"
    r"\u2702\u2705\u2708-\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2757"
    r"\u2763\u2764\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
)


SIGNS = "©®‼⁉™ℹ↔↕↖↗↘↙↩↪Ⓜ▪▫▶◀◻◼♀♂♾〰〽㊗㊙⤴⤵⬅⬆⬇➡"


EMOJI = re.compile(
    rf" ?(?:(?:[{PICTURES}]|[{SIGNS}]\ufe0f)(?:\u200d[{SIGNS}]?|[\ufe0e\ufe0f\U000e0020-\U000e007f])*+ ?)++"
)


EMOJI_PARTS = re.compile(r"[\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]")  # left of a keycap, and strays


LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*+\)")


# ASCII only, since Japanese writes on without a space; it never ends in a sentence's own punctuation.
ADDRESS = r"""(?:https?://|ftp://|(?<!\w)www\.)(?:[.,;:!?'"*_~]*+(?:(?![()<>`\[\]])[!-~]|\([!-'*-~]*\)))*+"""


URL = re.compile(rf" ?(?P<mark>[*_]{{0,3}})(?:\({ADDRESS}\)|<{ADDRESS}>|{ADDRESS})(?P=mark)", re.IGNORECASE)


TAG = re.compile(r"<!--[^<>]*-->|</?([a-z][\w:-]*|[A-Z]+\d*)(?:\s[^<>=]*=[^<>]*|\s*/?)>")  # not `List<String>`


INLINE_TAGS = {"a", "b", "code", "em", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u"}


EMPHASIS = (
    re.compile(r"(?<!\w)(?<!\w\*)(\*{1,3})(?![\s*])([^*]+)(?<!\s)\1", re.ASCII),  # not 2*3*4
    re.compile(r"(?<!\w)(_{1,3})(?![\s_.,;:!?)\]])((?:[^_]|(?<=[^\W_])_+(?=[^\W_]))+)(?<!\s)\1(?!\w)"),
    re.compile(r"(~~)([^~]+)\1"),
)


LOOSE_BOLD = re.compile(r"(?<!\S)\*\*(?=[^\s*])|(?<=[^\s*])\*\*(?!\S)")  # its other half is in another paragraph


WIDE = r"\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"  # written without spaces


WIDE_BREAK = re.compile(rf"(?<=[{WIDE}])\n(?=[{WIDE}])")


def _plain(text: str) -> str:
    return UNWRITABLE.sub("", "\n".join(text.splitlines()))


def _speech(text: str) -> str:
    """A paragraph without Markdown, addresses and HTML tags, on one line."""
    text = LINK.sub(lambda link: "" if link[1] else link[2], text)
    text = TAG.sub(lambda tag: "" if tag[1] and tag[1].lower() in INLINE_TAGS else " ", URL.sub(_gap, text))
    text = text.replace("`", "")
    for pattern in EMPHASIS * 3:  # marks within marks
        text = pattern.sub(r"\2", text)
    return " ".join(WIDE_BREAK.sub("", LOOSE_BOLD.sub("", text)).split())


def _gap(match: re.Match[str]) -> str:
    """What stays where something is taken out: a space between words, nothing before a stop."""
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    if after in ".,;:!?…)":
        return ""
    return " " if " " in match[0] or (before.isalnum() and after.isalnum()) else ""
