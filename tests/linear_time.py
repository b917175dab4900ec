"""Runs every function that reads texts of records or vendors on long texts of awkward shapes, and names each first."""

import os
from collections.abc import Callable, Iterator

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
    *("[a-", "<a ", "<a =", "<!--", "http://(", "www.a(", "[a](", "![a](", "**a ", "x\n\n", " — ", "\u200d", "e\u0301"),
)


def texts() -> Iterator[str]:
    for shape in SHAPES:
        many = (shape * LENGTH)[:LENGTH]
        yield many
        yield f"x{many}x"
    yield f"[{' ' * LENGTH}x"


def functions() -> dict[str, Callable[[str], object]]:
    from dailycast.gateway.messages import redact_and_shorten
    from dailycast.languages import sentences
    from dailycast.learner import without_emails
    from dailycast.llm import template
    from dailycast.script import cleaning, grammar
    from dailycast.tts import pico
    from dailycast.web import redaction

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
