"""Runs every function that reads texts of records or vendors on long texts of awkward shapes, and names each first."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

LENGTH = 100_000  # characters; at a quadratic pattern's speed each shape would take minutes
SHAPES = (
    *(
        "_",
        "a",
        ".",
        "!",
        "。",
        "…",
        "-",
        "(",
        ")",
        "[",
        "]",
        "<",
        "*",
        "`",
        "|",
        "#",
        " ",
        "\n",
        "»",
        "“",
        "@",
        "🎉",
        "\u3000",
    ),
    *("a.", "a@", "a@b", "a@b.", "_a", ". ", "a. ", "! »", "。」", "Dr. ", "[pause", "[pause ", "[pause 4s]", "[ja]"),
    *(
        "<think>",
        "</think>",
        "<|channel|>",
        "<|channel|> ",
        "&amp;",
        "amp;",
        "&#",
        "&a",
        '{"a":',
        "```\n",
        "**a**\n",
        "a\n=\n",
    ),
    *(
        "(pause",
        "(pause)",
        "（間",
        "*pause",
        "*pause* ",
        "<break ",
        "# a\n",
        "Word count: ",
        "script hope ",
        "a:",
        "[{",
        "1",
        "1.",
    ),
    *("[a-", "<a ", "<a =", "<!--", "http://(", "www.a(", "[a](", "![a](", "**a ", "x\n\n", " — ", "\u200d", "e\u0301"),
)


def texts() -> Iterator[str]:
    for shape in SHAPES:
        many = (shape * LENGTH)[:LENGTH]
        yield many
        yield f"x{many}x"
    yield f"[{' ' * LENGTH}x"


def functions() -> dict[str, Callable[[str], object]]:
    from dailycast.errors import ProviderError
    from dailycast.gateway.answers import clean_text
    from dailycast.gateway.messages import redact_and_shorten
    from dailycast.languages import pauses, remarks, sentences
    from dailycast.learner import without_emails
    from dailycast.llm import template
    from dailycast.script import cleaning, grammar, json_answer, model_answer
    from dailycast.tts import pico
    from dailycast.web import redaction

    def refusing(function: Callable[[str], object]) -> Callable[[str], None]:
        def call(text: str) -> None:
            with suppress(ProviderError):
                function(text)

        return call

    return {
        "without_emails": without_emails,
        "clean_records": template.clean_records,
        "fill_phrase": lambda text: template.fill_phrase("{a}. {a}.", {"a": text}, True),
        "template.split_sentences": template.split_sentences,
        "with_final_stop": template.with_final_stop,
        "new_sentences": lambda text: template.PhraseBook(template.load_phrases("en"), 0).new_sentences(text),
        "split_sentences": lambda text: sentences.split_sentences(text, "ja"),
        "split_words": sentences.split_words,
        "normalise_lines": cleaning.normalise_lines,
        "clean_line": cleaning.clean_line,
        "clean_paragraph": cleaning.clean_paragraph,
        "remove_emoji": cleaning.remove_emoji,
        "normalise_completion": grammar.normalise_completion,
        "pronounceable_text": lambda text: pico.pronounceable_text(text, "en-US"),
        "extract_script": refusing(lambda text: model_answer.extract_script(text, "en")),
        "extract_script, Japanese": refusing(lambda text: model_answer.extract_script(text, "ja")),
        "script_from_json": refusing(json_answer.script_from_json),
        "is_pause_cue": pauses.is_pause_cue,
        "pause_seconds": pauses.pause_seconds,
        "is_count": lambda text: remarks.is_count(text, "en"),
        "names_a_script": lambda text: remarks.names_a_script(text, "en"),
        "clean_text": clean_text,
        "redact_and_shorten": redact_and_shorten,
        "redacted": redaction._redacted,
    }


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    for name, function in functions().items():
        print(name, flush=True)
        for text in texts():
            function(text)
    print("done")


if __name__ == "__main__":
    main()
