"""A writer's text cleaned for speech.

Markdown, HTML tags, web addresses, emoji, speaker labels and stage directions go, and so does every character that a
database refuses. What makes the text a script, say headings and pauses, is in grammar.py.
"""

import re

from ..languages.characters import UNWRITABLE

# From Unicode's emoji-data.txt. EMOJI_SIGNS are text unless U+FE0F follows; note, sharp, circled digits are no emoji.
EMOJI_CHARACTERS = (
    r"\U0001f000-\U0001faff\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25fd\u25fe\u2600-\u2604\u260e\u2611\u2614\u2615\u2618"
    r"\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f\u2638-\u263a\u2648-\u2653\u265f-\u2668\u267b\u267f\u2692-\u26fd"
    r"\u2702\u2705\u2708-\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2757"
    r"\u2763\u2764\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
)
EMOJI_SIGNS = "©®‼⁉™ℹ↔↕↖↗↘↙↩↪Ⓜ▪▫▶◀◻◼♀♂♾〰〽㊗㊙⤴⤵⬅⬆⬇➡"
EMOJI = re.compile(
    rf" ?(?:(?:[{EMOJI_CHARACTERS}]|[{EMOJI_SIGNS}]\ufe0f)"
    rf"(?:\u200d[{EMOJI_SIGNS}]?|[\ufe0e\ufe0f\U000e0020-\U000e007f])*+ ?)++"
)
EMOJI_PARTS = re.compile(r"[\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f]")  # what is left of a keycap, and loose ones
LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*+\)")
# ASCII only, since Japanese goes on without a space; it never ends in the punctuation of its sentence.
URL_TEXT = r"""(?:https?://|ftp://|(?<!\w)www\.)(?:[.,;:!?'"*_~]*+(?:(?![()<>`\[\]])[!-~]|\([!-'*-~]*\)))*+"""
URL = re.compile(rf" ?(?P<mark>[*_]{{0,3}})(?:\({URL_TEXT}\)|<{URL_TEXT}>|{URL_TEXT})(?P=mark)", re.IGNORECASE)
TAG = re.compile(r"<!--[^<>]*-->|</?([a-z][\w:-]*|[A-Z]+\d*)(?:\s[^<>=]*=[^<>]*|\s*/?)>")  # not `List<String>`
INLINE_TAGS = {"a", "b", "code", "em", "i", "mark", "s", "small", "span", "strong", "sub", "sup", "u"}
EMPHASIS = (
    re.compile(r"(?<!\w)(?<!\w\*)(\*{1,3})(?![\s*])([^*]+)(?<!\s)\1", re.ASCII),  # not 2*3*4
    re.compile(r"(?<!\w)(_{1,3})(?![\s_.,;:!?)\]])((?:[^_]|(?<=[^\W_])_+(?=[^\W_]))+)(?<!\s)\1(?!\w)"),
    re.compile(r"(~~)([^~]+)\1"),
)
UNPAIRED_BOLD = re.compile(r"(?<!\S)\*\*(?=[^\s*])|(?<=[^\s*])\*\*(?!\S)")  # its other half is in another paragraph
UNSPACED = r"\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"  # written without spaces
UNSPACED_LINE_BREAK = re.compile(rf"(?<=[{UNSPACED}])\n(?=[{UNSPACED}])")

FENCE = re.compile(r"(?:`{3,}|~{3,}) ?[\w+.-]*")
RULE = re.compile(r"[-*_=#:+\s]*")  # rules, the line under a table's head, an empty heading, nothing
LIST_ITEM = re.compile(r"(?:> ?)*(?:[-*+] |[•‣◦▪●○・]|\d{1,3}[.)] |\|)")
LINE_MARKS = re.compile(r"\A(?:> ?|[-*+] |[•‣◦▪●○・] ?)+")
SPEAKER_LABEL = re.compile(
    r"\A([*_]{0,3}) ?(?:host|narrator|speaker(?: ?\d+| [a-z])) ?([*_]{0,3}) ?[:：]([*_]{0,3}) ?", re.IGNORECASE
)
STAGE_DIRECTION = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）|［[^［］]*］|【[^【】]*】")


def normalise_lines(text: str) -> str:
    r"""`text` with `\n` line ends and without characters that a database refuses."""
    return UNWRITABLE.sub("", "\n".join(text.splitlines()))


def remove_fence(text: str) -> str:
    """`text` without the Markdown fence around the whole of it, if there is one."""
    first, *rest = text.split("\n")
    closing = [number for number, line in enumerate(rest, 1) if line.startswith(first[:3]) and not line.strip(first[0])]
    return "\n".join(rest[:-1]).strip() if FENCE.fullmatch(first) and closing == [len(rest)] else text


def remove_emoji(line: str) -> str:
    return EMOJI_PARTS.sub("", EMOJI.sub(_gap, line))


def is_list_item(line: str) -> bool:
    """Whether `line` is an item of a list or a row of a table, and so a paragraph of its own."""
    return bool(LIST_ITEM.match(line))


def clean_line(line: str) -> str:
    """`line` without list marks, table bars and a speaker's label; "" for a rule, a fence or a stage direction."""
    words = SPEAKER_LABEL.sub(lambda label: "" if label[2] or label[3] else label[1], LINE_MARKS.sub("", line))
    if words.startswith("|") and words.endswith("|"):
        words = words.replace("|", " ")
    if RULE.fullmatch(words) or FENCE.fullmatch(words) or STAGE_DIRECTION.fullmatch(words.strip("*_~` ")):
        return ""
    return words


def clean_paragraph(text: str) -> str:
    """A paragraph on one line, without inline Markdown, addresses and HTML tags."""
    text = LINK.sub(lambda link: "" if link[1] else link[2], text)
    text = TAG.sub(lambda tag: "" if tag[1] and tag[1].lower() in INLINE_TAGS else " ", URL.sub(_gap, text))
    text = text.replace("`", "")
    for pattern in EMPHASIS * 3:  # marks within marks
        text = pattern.sub(r"\2", text)
    return " ".join(UNSPACED_LINE_BREAK.sub("", UNPAIRED_BOLD.sub("", text)).split())


def _gap(match: re.Match[str]) -> str:
    """What replaces a removed part: a space between words, nothing before a stop."""
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    if after in ".,;:!?…)":
        return ""
    return " " if " " in match[0] or (before.isalnum() and after.isalnum()) else ""
