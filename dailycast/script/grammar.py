r"""The script grammar: one text that a writer writes, a teacher edits, a voice speaks and a learner reads.

    # The title            the first line that starts so; a later one is spoken
    ## A chapter
    A paragraph, up to a blank line. It is cleaned of Markdown and spoken in clips of at most MAX_CLIP_CHARACTERS.
    [pause 4s]             a line of its own: `[ Pause 1,5 S ]`, bold and full-width forms mean the same

Headings and pauses are not spoken, nor is a whole line in brackets. The patterns here and in cleaning.py need
linear time on any text: each loop either stops at the character it starts with, or is possessive.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from ..errors import ScriptError
from ..languages.characters import SPEAKABLE
from .cleaning import clean_line, clean_paragraph, is_list_item, normalise_lines, remove_emoji, remove_fence
from .clips import split_into_clips

LONGEST_SPOKEN_TEXT = 50_000  # characters
MIN_PAUSE, MAX_PAUSE = 0.5, 15.0  # seconds

# Pauses are looked for in a copy of the line where full-width forms are ASCII; its characters keep their places.
HALF_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)} | str.maketrans("\u3000【】", " []")
PAUSE = re.compile(
    r"(?P<mark>[*_~`]{0,3})\[[\s*_]*pause(?![^\W\d_])(?P<length>[^\[\]]*)(?:(?P<close>\])(?!\()|(?=\[)|$)(?P=mark)",
    re.IGNORECASE,
)
SECONDS = re.compile(r"(\d+(?:[.,]\d+)?)s(?:ec(?:ond)?s?)?", re.IGNORECASE)

HEADING = re.compile(r"(#{1,6})\s")
HEADINGS = {1: "title", 2: "chapter"}
LANGUAGE_CODE = r"[a-z]{2,3}(?:-[a-z0-9]+)*"
LANGUAGE_END = re.compile(rf"\[/({LANGUAGE_CODE})\]", re.IGNORECASE)
LANGUAGE_MARK = re.compile(rf"\[/?({LANGUAGE_CODE})\]", re.IGNORECASE)


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Chapter:
    """`pieces` in the order of speech: a str is one clip, cleaned, at most MAX_CLIP_CHARACTERS long."""

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
    def spoken_text(self) -> str:
        """All that is spoken: the clips joined without a separator, so its length is what a voice bills."""
        return "".join(self.clips)


class Block(NamedTuple):
    """A part of a script. `kind` is title, chapter, paragraph, pause (`text` is its seconds) or malformed_pause."""

    kind: str
    text: str
    line: int = 0


@lru_cache(maxsize=64)  # several steps of an episode parse the same script
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
                chapters[-1][1].extend(split_into_clips(block.text, language))
            case _:
                raise ScriptError(
                    f"Line {block.line}: {block.text} is not a pause. Write it as [pause 4s], "
                    f"from {MIN_PAUSE:g} to {MAX_PAUSE:g} seconds, on a line of its own."
                )
    return Script(title, tuple(Chapter(name, tuple(pieces)) for name, pieces in chapters if pieces))


def require_speakable_length(script: Script) -> None:
    """Raises ScriptError for a script that nobody would listen to, and that would cost as much as a night's edition."""
    characters = len(script.spoken_text)
    if characters > LONGEST_SPOKEN_TEXT:
        most = f"{LONGEST_SPOKEN_TEXT:,} are the most, which is about an hour"
        raise ScriptError(f"The script has {characters:,} characters to speak, and {most}: shorten it.")


def validate(text: str) -> None:
    """Raise ScriptError for what an editor has to correct: a malformed pause, nothing to speak, or far too much."""
    script = parse(text, "en")
    require_speakable_length(script)
    if not script.clips:
        raise ScriptError(
            "There is nothing to speak: write at least one sentence that is not a heading or in brackets."
        )


def normalise_completion(text: str) -> str:
    r"""A writer's answer in the form in which it is saved.

    No fence around the whole, `\n` line ends, no character that a database refuses, no spaces around a line, at most
    one blank line in a row. Each pause is written the same way on a line of its own; malformed pauses are removed.
    Normalising twice changes nothing more, and `parse` takes the result.
    """
    templates = {"malformed_pause": "", "pause": "[pause {}s]"}
    blocks = _separate_pauses(normalise_lines(text))
    lines = "\n".join(templates.get(block.kind, "{}").format(block.text) for block in blocks)
    text = re.sub(r"\n{3,}", "\n\n", lines).strip()
    while (inner := remove_fence(text)) != text:
        text = inner
    return text


def transcript_blocks(text: str) -> list[tuple[str, str]]:
    """The transcript: (kind, text) where kind is title, chapter, paragraph or pause (`4 s`). Never raises."""
    return [
        (block.kind, f"{block.text} s" if block.kind == "pause" else block.text)
        for block in _blocks(text)
        if block.text and block.kind != "malformed_pause"
    ]


def find_title(text: str) -> str:
    """The script's title, or "" if it has none."""
    return next((block.text for block in _blocks(text) if block.kind == "title"), "")


def _separate_pauses(text: str) -> Iterator[Block]:
    """The lines of `text` with each pause as a block of its own: kinds line, pause, malformed_pause."""
    for number, line in enumerate(text.split("\n"), 1):
        pauses = list(PAUSE.finditer(line.translate(HALF_WIDTH)))
        edges = [0, *chain.from_iterable(match.span() for match in pauses), len(line)]
        texts = [line[start:end].strip() for start, end in zip(edges[::2], edges[1::2], strict=True)]
        for words, match in zip(map(_plain_heading, texts), [*pauses, None], strict=True):
            if SPEAKABLE.search(words) or not pauses:  # a bullet or a full stop beside a pause says nothing
                yield Block("line", words, number)
            if match:
                yield _pause_block(match, line, number)


def _pause_block(match: re.Match[str], line: str, number: int) -> Block:
    length = SECONDS.fullmatch("".join(match["length"].strip("*_ ").split()))
    if not length or not match["close"]:
        return Block("malformed_pause", line[match.start() : match.end()].strip(), number)
    seconds = min(max(float(length[1].replace(",", ".")), MIN_PAUSE), MAX_PAUSE)
    return Block("pause", f"{seconds:g}", number)


def _plain_heading(line: str) -> str:
    """`**# Title**`, which some writers answer, as `# Title`; any other line as it is."""
    inner = line.lstrip("*_")
    mark = line[: len(line) - len(inner)]
    return inner.removesuffix(mark).strip() if line.endswith(mark) and HEADING.match(inner) else line


def _blocks(text: str) -> Iterator[Block]:
    """The blocks of a script in their order; lines of one paragraph are joined and cleaned for speech."""
    lines: list[str] = []  # of the paragraph that is open
    for block in chain(_classified_lines(text), [Block("blank", "")]):
        if block.kind != "text":
            paragraph = clean_paragraph("\n".join(lines))
            lines = []
            if SPEAKABLE.search(paragraph):
                yield Block("paragraph", paragraph)
        if block.kind in ("text", "item"):
            lines.append(block.text)
        elif block.kind != "blank":
            yield block


def _classified_lines(text: str) -> Iterator[Block]:
    """Each line with its kind: that of a Block, or text, item (text that opens a paragraph), blank."""
    text = normalise_lines(text)
    closed_languages = {code.lower() for code in LANGUAGE_END.findall(text)}
    has_title = False
    for block in _separate_pauses(text):
        if block.kind != "line":
            yield block
            continue
        line = _without_language_marks(remove_emoji(block.text), closed_languages)
        kind, words = _classify(" ".join(line.split()))
        if kind == "heading" or (kind == "title" and has_title):
            yield from (Block("item", words), Block("blank", ""))
        elif kind in ("title", "chapter"):
            has_title = has_title or kind == "title"
            yield Block(kind, clean_paragraph(words))
        else:
            yield Block(kind, words)


def _without_language_marks(line: str, languages: set[str]) -> str:
    """`line` without `[ja]` and `[/ja]`, for the `languages` that the script closes somewhere."""
    return LANGUAGE_MARK.sub(lambda mark: "" if mark[1].lower() in languages else mark[0], line)


def _classify(line: str) -> tuple[str, str]:
    """The kind of a line, and its words without the marks that show the kind."""
    heading = HEADING.match(line)
    if heading:
        return HEADINGS.get(len(heading[1]), "heading"), line[heading.end() :]
    words = clean_line(line)
    if not words:
        return "blank", ""
    return "item" if is_list_item(line) else "text", words
