"""What a model really answers: the script in it, without what the model says about the script or to itself.

Only a writer's answer passes here. What an editor saves is taken as it is, by grammar.py alone.
"""

import html
import re
from collections.abc import Iterator

from ..errors import ProviderError
from ..languages import remarks
from ..languages.characters import SPEAKABLE
from ..languages.pauses import is_pause_cue, pause_seconds
from ..languages.sentences import split_sentences
from ..languages.table import primary_subtag
from .cleaning import FENCE, RULE, normalise_lines
from .grammar import HALF_WIDTH, HEADING, MAX_PAUSE, MIN_PAUSE
from .json_answer import looks_like_json, script_from_json

MAX_LENGTH = 200_000  # characters, the thoughts included: more than any limit of tokens allows
DEFAULT_PAUSE = 4.0  # seconds, of a pause that names none
MAX_HEADING = 80  # characters
MAX_PREAMBLE = 300  # characters before a script that has no title

# <think> (DeepSeek, Qwen), <seed:think> (Seed-OSS), <thinking>, <reasoning>; [THINK] (Magistral); ◁think▷ (Kimi);
# <|START_THINKING|> (Cohere); <|begin_of_thought|> (Sky).
THOUGHT = re.compile(
    r"[<\[◁](?P<close>/?)(?:\w{1,9}:)?(?:think|thinking|thoughts?|reasoning|scratchpad)(?:\s[^<>\[\]◁▷]{0,80})?[>\]▷]"
    r"|<\|(?:START_THINKING|begin_of_(?:thought|thinking))\|>"
    r"|(?P<end><\|(?:END_THINKING|end_of_(?:thought|thinking))\|>)",
    re.IGNORECASE,
)
# gpt-oss: <|channel|>analysis<|message|>thoughts<|end|><|start|>assistant<|channel|>final<|message|>answer<|return|>
FINAL_CHANNEL = re.compile(
    r"<\|channel\|>\s*final\b[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>", re.IGNORECASE
)
ANALYSIS_WITHOUT_TOKENS = re.compile(r"\s*analysis(?=\S)", re.IGNORECASE)  # a server that left the special tokens out
FINAL_WITHOUT_TOKENS = "assistantfinal"
SPECIAL_TOKEN = re.compile(
    r"<\|[A-Za-z_]{1,40}\|>|</?(?:answer|final_answer|final|output|response|script|podcast)>|</?s>"
)
# With its semicolon only, so that AT&T stays; `&amp;amp;lt;` counts as encoded twice, however often it was.
ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|[a-zA-Z][a-zA-Z0-9]{1,31};)")
CUE = re.compile(
    r"(?P<open>[\[［【(（])(?P<words>[^\[\]［］【】()（）\n]{1,60})[\]］】)）](?!\()"
    r"|(?<![\w*_])(?P<mark>[*_]{1,3})(?P<stressed>[^*_\[\]()（）\n]{1,40})(?P=mark)(?![\w*_])"
    r"|</?(?:break|pause|silence)\b(?P<tag>[^<>]{0,80})>"
)
SQUARE = "[［【"
PAUSE_LINE = re.compile(r"\[pause [\d.]{1,8}s\]")
BOLD_LINE = re.compile(r"(\*\*|__)(?=\S)([^*_]{1,80})(?<=\S)\1[:：]?")
UNDERLINE = re.compile(r"={3,}|-{3,}")
CLOSING_STOPS = ".!?…。！？؟۔।॥"
BEFORE_CUE = CLOSING_STOPS + ":：;；–—"  # what a pause between sentences follows


def extract_script(text: str, language: str) -> str:
    """The script in a model's answer `text`, in the grammar's own headings and pauses; `language` is BCP-47.

    Raises ProviderError where the answer is no script: thoughts without an end, JSON that is no title and text.
    """
    if len(text) > MAX_LENGTH:
        raise ProviderError(f"the answer runs on, over {len(text):,} characters", permanent=True)
    code = primary_subtag(language)
    text = _unwrapped(_without_thoughts(normalise_lines(text)), code)
    if looks_like_json(text):
        text = script_from_json(text)
    text = _without_thoughts(normalise_lines(_decoded(text)))
    lines = [_with_pauses(line).strip() for line in text.split("\n")]
    lines = _without_preamble(_with_headings(lines, code), code)
    return "\n".join(_without_remarks(lines, code, language)).strip()


# Thoughts


def _without_thoughts(text: str) -> str:
    """`text` without a model's reasoning. Raises ProviderError where it has no end, because the script is missing."""
    text = _final_channel(text)
    rest: list[str] = []
    start, is_open = 0, False
    for mark in THOUGHT.finditer(text):
        if mark["close"] or mark["end"]:
            if not is_open:
                rest.clear()  # the opening mark was in the prompt, as in templates of DeepSeek R1
            start, is_open = mark.end(), False
        elif not is_open:
            rest.append(text[start : mark.start()])
            is_open = True
    if is_open:
        raise _cut_thoughts()
    return SPECIAL_TOKEN.sub("", "".join([*rest, text[start:]])).strip()


def _final_channel(text: str) -> str:
    if finals := list(FINAL_CHANNEL.finditer(text)):
        return text[finals[-1].end() :]
    if "<|channel|>" in text:
        raise _cut_thoughts()
    if ANALYSIS_WITHOUT_TOKENS.match(text) and FINAL_WITHOUT_TOKENS in text:
        return text.rpartition(FINAL_WITHOUT_TOKENS)[2]
    return text


def _cut_thoughts() -> ProviderError:
    return ProviderError("the answer is the model's reasoning, cut before its script", permanent=True)


# What the script is wrapped into


def _unwrapped(text: str, code: str) -> str:
    """`text` without the Markdown fence around the script or its JSON, and without what is said around that."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if FENCE.fullmatch(line.strip())]
    if len(fences) == 2:
        before, inside, after = lines[: fences[0]], lines[fences[0] + 1 : fences[1]], lines[fences[1] + 1 :]
        if _is_preamble(before, code) and _says_less(after, inside):
            return "\n".join(inside).strip()
    start = next((number for number, line in enumerate(lines) if looks_like_json(line)), 0)
    if start and _is_preamble(lines[:start], code) and looks_like_json("\n".join(lines[start:])):
        return _whole_json("\n".join(lines[start:]))
    return _whole_json(text) if looks_like_json(text) else text


def _whole_json(text: str) -> str:
    """`text` up to its last bracket: what follows it is a remark."""
    end = max(text.rfind("}"), text.rfind("]"))
    return text[: end + 1] if end > 0 and len(text) - end <= MAX_PREAMBLE else text


def _is_preamble(lines: list[str], code: str) -> bool:
    """Whether `lines` only announce a script: nothing, or a few words that end in a colon or name a script."""
    said = " ".join(line.strip() for line in lines if line.strip() and not RULE.fullmatch(line))
    if not said:
        return True
    announces = said.rstrip("*_ ").endswith((":", "：")) or remarks.names_a_script(said, code)
    return announces and len(said) <= MAX_PREAMBLE


def _says_less(lines: list[str], than: list[str]) -> bool:
    return sum(map(len, lines)) < sum(map(len, than))


def _decoded(text: str) -> str:
    """`text` with the characters that its HTML entities stand for."""
    return ENTITY.sub(lambda entity: html.unescape(f"&{entity[1]}"), text)


# Pauses


def _with_pauses(line: str) -> str:
    """`line` with each pause, however it is written, as `[pause 4s]`."""
    return CUE.sub(_standard_pause, line)


def _standard_pause(cue: re.Match[str]) -> str:
    if cue["tag"] is not None:
        return "" if cue[0].startswith("</") else _pause(cue["tag"])
    words = (cue["words"] or cue["stressed"]).translate(HALF_WIDTH)
    if not is_pause_cue(words):
        return cue[0]
    is_apart = (cue["open"] or "x") in SQUARE or _stands_apart(cue)
    return _pause(words) if is_apart or pause_seconds(words) is not None else cue[0]


def _stands_apart(cue: re.Match[str]) -> bool:
    """Whether `cue` is between sentences, and so no word of one, as in `"descanso" (pausa)`."""
    before = cue.string[max(cue.start() - 20, 0) : cue.start()]
    return before.rstrip(" *_\"'”’»」』)）")[-1:] in BEFORE_CUE


def _pause(words: str) -> str:
    seconds = pause_seconds(words)
    seconds = DEFAULT_PAUSE if seconds is None else min(max(seconds, MIN_PAUSE), MAX_PAUSE)
    return f"[pause {seconds:g}s]"


# Headings


def _with_headings(lines: list[str], code: str) -> list[str]:
    """`lines` with one title, `# `, and every other heading, however it is written, as a chapter, `## `."""
    lines = list(_with_marked_headings(_without_underlines(lines), code))
    headings = [number for number, line in enumerate(lines) if HEADING.match(line)]
    title = _title_line(lines, headings)
    for number in headings:
        words = HEADING.sub("", lines[number], count=1).strip()
        label = remarks.without_title_label(words, code)
        lines[number] = f"# {label or words}" if number == title else f"## {words}"
    return lines


def _title_line(lines: list[str], headings: list[int]) -> int | None:
    """The number of the line that is the title: the first with one `#`, else a heading with another right below."""
    first_level = [number for number in headings if lines[number].startswith("# ")]
    if first_level and first_level[0] == headings[0]:
        return first_level[0]
    if len(headings) > 1 and not _spoken(lines[headings[0] + 1 : headings[1]]):
        return headings[0]
    return None


def _without_underlines(lines: list[str]) -> list[str]:
    """A line with a line of `=` or `-` below it as a heading (setext)."""
    found = list(lines)
    for number in range(1, len(lines)):
        above = lines[number - 1]
        if not UNDERLINE.fullmatch(lines[number]) or not _can_be_heading(above):
            continue
        if number == 1 or not lines[number - 2]:
            found[number - 1 : number + 1] = [f"{'#' if lines[number][0] == '=' else '##'} {above}", ""]
    return found


def _with_marked_headings(lines: list[str], code: str) -> Iterator[str]:
    """Bold lines as headings where the script has no `## ` of its own, and `Title: ...` as the title."""
    has_chapters = any(line.startswith("##") for line in lines) or sum(map(_is_bold_heading, lines)) < 2
    first = next((number for number, line in enumerate(lines) if SPEAKABLE.search(line)), -1)
    spoken, above = "", ""  # the last line with words, and the one right above
    for number, line in enumerate(lines):
        heading = re.sub(r"\A([*_]{2,3})(#{1,6} .{1,100}?)\1\Z", r"\2", line)  # **## Chapter**
        title = remarks.without_title_label(line, code) if number == first and len(line) <= 2 * MAX_HEADING else ""
        if title and not HEADING.match(heading):
            heading = f"# {title}"
        elif not has_chapters and _is_bold_heading(line) and _ends_block(above) and not _awaits_words(spoken):
            heading = f"## {line.strip('*_:： ')}"
        yield heading
        spoken, above = line or spoken, heading


def _ends_block(line: str) -> bool:
    """Whether a heading may stand right below `line`."""
    return not line or bool(RULE.fullmatch(line) or HEADING.match(line))


def _is_bold_heading(line: str) -> bool:
    bold = BOLD_LINE.fullmatch(line)
    return bool(bold) and _can_be_heading(bold[2] if bold else "")


def _awaits_words(line: str) -> bool:
    """Whether what follows `line` is spoken: the answer to a question."""
    last_mark = "[" + line.rpartition("[")[2].strip("*_ .")
    return bool(PAUSE_LINE.fullmatch(last_mark)) or line.rstrip('*_"”»」')[-1:] in tuple(":：?？؟")


def _can_be_heading(line: str) -> bool:
    is_short = 0 < len(line) <= MAX_HEADING and bool(SPEAKABLE.search(line))
    return is_short and not HEADING.match(line) and not PAUSE_LINE.search(line) and line[-1] not in CLOSING_STOPS


def _spoken(lines: list[str]) -> str:
    return "".join(line for line in lines if not RULE.fullmatch(line))


# What the model says about the script


def _without_preamble(lines: list[str], code: str) -> list[str]:
    """`lines` without what is said before the title, or before a script that has none."""
    heading = next((number for number, line in enumerate(lines) if HEADING.match(line)), None)
    before = lines[:heading] if heading is not None else lines[: _first_paragraph_end(lines)]
    if heading is not None and lines[heading].startswith("# ") and not any(map(PAUSE_LINE.search, before)):
        if _says_less(lines[heading:], before):
            raise ProviderError("the answer says more before its title than after it", permanent=True)
        return lines[heading:]
    announces = _spoken(before).rstrip("*_ ").endswith((":", "：")) and _is_preamble(before, code)
    is_dropped = announces and (heading is not None or remarks.names_a_script(" ".join(before), code))
    return lines[len(before) :] if is_dropped else lines


def _first_paragraph_end(lines: list[str]) -> int:
    start = next((number for number, line in enumerate(lines) if line), len(lines))
    return next((number for number in range(start, len(lines)) if not lines[number]), 0)


def _without_remarks(lines: list[str], code: str, language: str) -> list[str]:
    """`lines` without the last ones that are about the script: an offer to change it, a count of its words."""
    lines = list(lines)
    while lines:
        last = lines[-1]
        plain = last.strip("*_>-–— ")
        if not SPEAKABLE.search(last) or remarks.is_count(plain, code) or remarks.is_end_mark(plain, code):
            lines.pop()
            continue
        shorter = _without_last_remarks(last, code, language)
        if shorter == last:
            break
        lines[-1:] = [shorter] if shorter else []
    return lines


def _without_last_remarks(line: str, code: str, language: str) -> str:
    if HEADING.match(line):
        return line
    sentences = split_sentences(line, language)
    count = len(sentences)
    while sentences and remarks.is_remark(sentences[-1], code):
        sentences.pop()
    return "".join(sentences).rstrip() if len(sentences) < count else line
