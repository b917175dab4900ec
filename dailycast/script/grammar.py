r"""The script grammar: one text that a writer writes, a teacher edits, a voice speaks and a learner reads.

    # The title            the first line of its kind; a later one is spoken
    ## A chapter
    A paragraph, up to a blank line. It is cleaned of Markdown and spoken in clips of at most MAX_CLIP characters.
    [pause 4s]             a line of its own: `[ Pause 1,5 S ]`, bold and full-width forms mean the same

Headings and pauses are not spoken, nor is a whole line in brackets. Patterns here never look at a character more than a
few times, whatever the text: each loop either stops at the character it starts with, or is possessive.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import chain, pairwise
from typing import NamedTuple

from ..errors import ScriptError
from ..languages.table import LATIN_STOPS, get_language

MAX_CLIP = 600  # characters
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds

SPOKEN = re.compile(r"[^\W_]")  # a letter or a digit: something to say

# What no database or XML parser takes: controls, surrogates, noncharacters; and the byte order mark.
UNWRITABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17))
    + "]"
)

# Pauses are looked for in a copy of the line where full-width forms are ASCII; its characters keep their places.
HALF_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)} | str.maketrans("\u3000【】", " []")
PAUSE = re.compile(
    r"(?P<mark>[*_~`]{0,3})\[[\s*_]*pause(?![^\W\d_])(?P<length>[^\[\]]*)(?:(?P<close>\])(?!\()|(?=\[)|$)(?P=mark)",
    re.IGNORECASE,
)
SECONDS = re.compile(r"(\d+(?:[.,]\d+)?)s(?:ec(?:ond)?s?)?", re.IGNORECASE)

HEADING = re.compile(r"(#{1,6})\s")
HEADINGS = {1: "title", 2: "chapter"}
FENCE = re.compile(r"(?:`{3,}|~{3,}) ?[\w+.-]*")
RULE = re.compile(r"[-*_=#:+\s]*")  # rules, the line under a table's head, an empty heading, nothing
ITEM = re.compile(r"(?:> ?)*(?:[-*+] |[•‣◦▪●○・]|\d{1,3}[.)] |\|)")
MARKS = re.compile(r"\A(?:> ?|[-*+] |[•‣◦▪●○・] ?)+")
LABEL = re.compile(
    r"\A([*_]{0,3}) ?(?:host|narrator|speaker(?: ?\d+| [a-z])) ?([*_]{0,3}) ?[:：]([*_]{0,3}) ?", re.IGNORECASE
)
STAGE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）|［[^［］]*］|【[^【】]*】")
LANGUAGE_CODE = r"[a-z]{2,3}(?:-[a-z0-9]+)*"
LANGUAGE_END = re.compile(rf"\[/({LANGUAGE_CODE})\]", re.IGNORECASE)
LANGUAGE_MARK = re.compile(rf"\[/?({LANGUAGE_CODE})\]", re.IGNORECASE)

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

SOFT_STOPS = LATIN_STOPS  # they end a sentence only where a space follows
CLOSERS = r"""\])}"'”“’‘»«」』）】〉》］｝"""  # right after a stop; each language closes with another's opening quote
OPENERS = "«‹“„"  # French writes a space after them
ABBREVIATION = re.compile(
    r"(?<!\w)(?:[A-Za-z\u00c0-\u024f\u0370-\u052f]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sra?|Dra|Mme|Mlle|Hr|Fr|Nr|Sig|Dott|vs)$"
)
SENTENCE_SPACE = re.compile(rf"\s(?:[^{re.escape(OPENERS)}]*\s)?")  # `. "` and `! » `: what opens goes with the next
WORD = re.compile(r"(?<=\s)(?=(?:(?!\s)[\W_])*+[^\W_])")
# Before a letter or digit, and so after all that hangs on the last one: marks, selectors, joiners. Some letters hang on
# too: Hangul jamo, half-width voicing, Thai and Lao AM, and an Indic consonant after a virama (UAX 29).
GRAPHEME = re.compile(
    r"(?<![\u200d\u1100-\u115f\ua960-\ua97c\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d])"
    r"(?=[^\W_])(?![\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f\u0e33\u0eb3])"
)


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Chapter:
    """`pieces` in the order of speech: a str is one clip, cleaned, at most MAX_CLIP characters."""

    title: str
    pieces: tuple[str | Pause, ...]


@dataclass(frozen=True)
class Script:
    title: str
    chapters: tuple[Chapter, ...]

    @property
    def clips(self) -> tuple[str, ...]:
        return tuple(piece for chapter in self.chapters for piece in chapter.pieces if isinstance(piece, str))

    @property
    def text(self) -> str:
        """All that is spoken: the cleaned paragraphs with nothing between them, so its length is what a voice bills."""
        return "".join(self.clips)


class Block(NamedTuple):
    """A part of a script: `kind` is title, chapter, paragraph, pause (its seconds) or broken (a malformed pause)."""

    kind: str
    text: str
    line: int = 0


@lru_cache(maxsize=64)  # a script is asked about at several steps of an episode
def parse(text: str, language: str) -> Script:
    """The script that `text` means; clips are split by the rules of the BCP-47 `language`.

    Text before the first chapter is a chapter with an empty title; a chapter with nothing in it is left out.

    Raises ScriptError naming the line of a malformed pause, LanguageError for an unknown language.
    """
    title = ""
    chapters: list[tuple[str, list[str | Pause]]] = [("", [])]
    for block in _blocks(text):
        match block.kind:
            case "title":
                title = block.text
            case "chapter":
                chapters.append((block.text, []))
            case "pause":
                chapters[-1][1].append(Pause(float(block.text)))
            case "paragraph":
                chapters[-1][1].extend(split(block.text, language))
            case _:
                raise ScriptError(
                    f"Line {block.line}: {block.text} is not a pause. Write it as [pause 4s], "
                    f"from {SHORTEST_PAUSE:g} to {LONGEST_PAUSE:g} seconds, on a line of its own."
                )
    return Script(title, tuple(Chapter(name, tuple(pieces)) for name, pieces in chapters if pieces))


def check(text: str) -> None:
    """Raise ScriptError for what an editor has to mend: a malformed pause, or nothing to speak."""
    if not parse(text, "en").clips:
        raise ScriptError(
            "There is nothing to speak: write at least one sentence that is not a heading or in brackets."
        )


def from_completion(text: str) -> str:
    r"""What a writer answered, as it is saved: no fence around the whole, `\n` line ends, no character that a database
    refuses, no spaces around a line, no more than one blank line; pauses are canonical, each on its own line, malformed
    ones are gone. `from_completion(from_completion(text)) == from_completion(text)`, and `parse` takes the result.
    """
    blank = {"broken": "", "pause": "[pause {}s]"}
    lines = "\n".join(blank.get(row.kind, "{}").format(row.text) for row in _rows(_plain(text)))
    text = re.sub(r"\n{3,}", "\n\n", lines).strip()
    while (inner := _unfenced(text)) != text:
        text = inner
    return text


def readable(text: str) -> list[tuple[str, str]]:
    """The transcript: (kind, text) where kind is title, chapter, paragraph or pause (`4 s`). Never raises."""
    return [
        (block.kind, f"{block.text} s" if block.kind == "pause" else block.text)
        for block in _blocks(text)
        if block.text and block.kind != "broken"
    ]


def title(text: str) -> str:
    """The script's title, or "" if it has none."""
    return next((block.text for block in _blocks(text) if block.kind == "title"), "")


def split(text: str, language: str) -> list[str]:
    """Cut a cleaned paragraph into clips: at sentence ends, else between words, else between graphemes.

    `"".join(split(text, language)) == text`: the space at a cut stays with the clip before it.
    """
    stops = get_language(language).stops
    return _packed(text, (partial(_sentences, stops=stops), _words, _graphemes, list))


def sentences(text: str, language: str) -> list[str]:
    """The sentences of `text`, each with the quotes that close it and the space after it; joined they equal `text`."""
    return _sentences(text, get_language(language).stops)


def _plain(text: str) -> str:
    return UNWRITABLE.sub("", "\n".join(text.splitlines()))


def _rows(plain: str) -> Iterator[Block]:
    """Lines with each pause on a line of its own: kinds line, pause, broken."""
    for number, line in enumerate(plain.split("\n"), 1):
        pauses = list(PAUSE.finditer(line.translate(HALF_WIDTH)))
        edges = [0, *chain.from_iterable(match.span() for match in pauses), len(line)]
        texts = [_mended(line[start:end].strip()) for start, end in zip(edges[::2], edges[1::2], strict=True)]
        for words, match in zip(texts, [*pauses, None], strict=True):
            if SPOKEN.search(words) or not pauses:  # a bullet or a full stop beside a pause says nothing
                yield Block("line", words, number)
            if match:
                yield _pause(match, line, number)


def _pause(match: re.Match[str], line: str, number: int) -> Block:
    length = SECONDS.fullmatch("".join(match["length"].strip("*_ ").split()))
    if not length or not match["close"]:
        return Block("broken", line[match.start() : match.end()].strip(), number)
    seconds = min(max(float(length[1].replace(",", ".")), SHORTEST_PAUSE), LONGEST_PAUSE)
    return Block("pause", f"{seconds:g}", number)


def _mended(line: str) -> str:
    """`**# Title**`, as writers like to put it, is `# Title`."""
    inner = line.lstrip("*_")
    mark = line[: len(line) - len(inner)]
    return inner.removesuffix(mark).strip() if line.endswith(mark) and HEADING.match(inner) else line


def _unfenced(text: str) -> str:
    first, *rest = text.split("\n")
    closing = [at for at, line in enumerate(rest, 1) if line.startswith(first[:3]) and not line.strip(first[0])]
    return "\n".join(rest[:-1]).strip() if FENCE.fullmatch(first) and closing == [len(rest)] else text


def _blocks(text: str) -> Iterator[Block]:
    lines: list[str] = []  # of the paragraph that is open
    for block in chain(_lines(text), [Block("blank", "")]):
        if block.kind != "text":
            paragraph = _speech("\n".join(lines))
            lines = []
            if SPOKEN.search(paragraph):
                yield Block("paragraph", paragraph)
        if block.kind in ("text", "item"):
            lines.append(block.text)
        elif block.kind != "blank":
            yield block


def _lines(text: str) -> Iterator[Block]:
    """Every line as what it is: text, item (text that opens a paragraph), blank, title, chapter, pause, broken."""
    plain = _plain(text)
    languages = {code.lower() for code in LANGUAGE_END.findall(plain)}
    titled = False
    for row in _rows(plain):
        if row.kind != "line":
            yield row
            continue
        line = EMOJI_PARTS.sub("", EMOJI.sub(_gap, row.text))
        line = LANGUAGE_MARK.sub(lambda mark: "" if mark[1].lower() in languages else mark[0], line)
        kind, words = _kind(" ".join(line.split()))
        if kind == "heading" or (kind == "title" and titled):
            yield from (Block("item", words), Block("blank", ""))
        elif kind in ("title", "chapter"):
            titled = titled or kind == "title"
            yield Block(kind, _speech(words))
        else:
            yield Block(kind, words)


def _kind(line: str) -> tuple[str, str]:
    """The kind of a line and what is left of it without the marks that say so."""
    heading = HEADING.match(line)
    if heading:
        return HEADINGS.get(len(heading[1]), "heading"), line[heading.end() :]
    words = LABEL.sub(lambda label: "" if label[2] or label[3] else label[1], MARKS.sub("", line))
    if words.startswith("|") and words.endswith("|"):
        words = words.replace("|", " ")
    if RULE.fullmatch(words) or FENCE.fullmatch(words) or STAGE.fullmatch(words.strip("*_~` ")):
        return "blank", ""
    return "item" if ITEM.match(line) else "text", words


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


def _packed(text: str, cutters: tuple[Callable[[str], list[str]], ...]) -> list[str]:
    """`text` in as few parts as the cutters allow, coarse ones first; the last must cut everything."""
    if len(text) <= MAX_CLIP:
        return [text]
    packed = [""]
    for unit in cutters[0](text):
        for part in _packed(unit, cutters[1:]):
            if len(packed[-1]) + len(part) <= MAX_CLIP:
                packed[-1] += part
            else:
                packed.append(part)
    return packed


def _sentences(text: str, stops: str) -> list[str]:
    return _cut(text, (_sentence_end(match, stops) for match in _stop_pattern(stops).finditer(text)))


def _words(text: str) -> list[str]:
    return _cut(text, (match.start() for match in WORD.finditer(text)))


def _graphemes(text: str) -> list[str]:
    return _cut(text, (match.start() for match in GRAPHEME.finditer(text)))


def _cut(text: str, places: Iterable[int]) -> list[str]:
    """`text` cut at the places inside it that leave something to say before them."""
    first = SPOKEN.search(text)
    inside = [place for place in places if first and first.start() < place < len(text)]
    return [text[start:end] for start, end in pairwise([0, *inside, len(text)])]


@cache
def _stop_pattern(stops: str) -> re.Pattern[str]:
    """A stop and everything up to the next letter or digit: `run` is the stops and what closes with them."""
    stop = re.escape(stops)
    return re.compile(rf"(?P<run>[{stop}][{stop}{CLOSERS}]*+)(?P<rest>[\W_]*+)")


def _sentence_end(match: re.Match[str], stops: str) -> int:
    """Where in the text the next sentence begins; 0 if the stop does not end a sentence."""
    run, rest = match["run"], match["rest"]
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    soft = SOFT_STOPS if "." in stops else ""
    if any(stop in stops and stop not in soft for stop in run):
        decimal = run == "．" and not rest and before.isdigit() and after.isdigit()
        return 0 if decimal else match.end() - len(rest.lstrip())
    if after.islower() or (run == "." and ABBREVIATION.search(match.string, max(match.start() - 4, 0), match.start())):
        return 0
    spaces = SENTENCE_SPACE.match(rest)
    return match.start("rest") + spaces.end() if spaces else 0
