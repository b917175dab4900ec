r"""The script grammar: one text that a writer writes, a teacher edits, a voice speaks and a learner reads.

    # The title            the first line of its kind; a later one is spoken
    ## A chapter
    A paragraph, up to a blank line. It is cleaned of Markdown and spoken in clips of at most MAX_CLIP characters.
    [pause 4s]             a line of its own: `[ Pause 1,5 S ]`, bold and full-width forms mean the same

Headings and pauses are not spoken, nor is a whole line in brackets. Patterns here never look at a character more than a
few times, whatever the text: each loop either stops at the character it starts with, or is possessive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from ..errors import ScriptError
from ..languages.characters import SPOKEN
from .cleaning import EMOJI, EMOJI_PARTS, _gap, _plain, _speech
from .clips import split

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds


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
