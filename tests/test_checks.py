from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR

from dailycast.checks import check_dailycast

ADAPTER = "examples.academy.adapter.learner_context"
COMPLETE = {
    "DAILYCAST_LEARNER_CONTEXT": ADAPTER,
    "OPENAI_API_KEY": "k",
    "DAILYCAST_LLM_PROVIDERS": ["openai"],
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "s",
}


@pytest.fixture
def check(settings: Any, media: Path) -> Any:
    """Runs the checks with these settings."""

    def run(**values: Any) -> list[tuple[str, str, str]]:
        if not media.exists():
            media.mkdir()
        for name, value in {**COMPLETE, **values}.items():
            setattr(settings, name, value)
        messages = check_dailycast()
        assert all(message.level < ERROR for message in messages)
        return [(str(message.id), message.msg, str(message.hint)) for message in messages]

    return run


def test_a_complete_configuration_has_no_messages(check: Any) -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("values", "code", "text", "hint"),
    [
        (
            {"DAILYCAST_MINUTES": "four"},
            "W001",
            "DAILYCAST_MINUTES must be a number above 0, not 'four'.",
            "operations.md",
        ),
        (
            {"DEFAULT_FILE_STORAGE": "storages.backends.s3.S3Storage"},
            "W003",
            "DEFAULT_FILE_STORAGE is set.",
            '"default": {"BACKEND": \'storages.backends.s3.S3Storage\'}',
        ),
        (
            {"DAILYCAST_LLM_PROVIDERS": ["openai", "opnai"]},
            "W004",
            "unknown provider, dailycast.llm.opnai.Provider",
            "docs/providers.md",
        ),
        ({"DAILYCAST_TTS_PROVIDERS": ["polly", "a.b.C"]}, "W004", "unknown provider, a.b.C", "docs/providers.md"),
        ({"DAILYCAST_POLLY_ENGINE": "neutral"}, "W005", "neutral", "docs/providers.md"),
        ({"DAILYCAST_RATE_LIMITS": "polly/neural=eight"}, "W010", "polly/neural=eight is no limit", "polly/ENGINE="),
        ({"DAILYCAST_VOICES": {"en": "Johanna"}}, "W005", "Johanna", "docs/providers.md"),
        (
            {"DAILYCAST_LEARNER_CONTEXT": "a.b"},
            "W006",
            "DAILYCAST_LEARNER_CONTEXT='a.b' cannot be imported",
            "dotted path",
        ),
        (
            {"DAILYCAST_DEFAULT_LANGUAGE": "klingon"},
            "W007",
            "Unknown language 'klingon'",
            "DAILYCAST_DEFAULT_LANGUAGE=en",
        ),
        (
            {"DAILYCAST_PRICES": {"polly/neural": "$16", "polly/standard": "4"}},
            "W009",
            "DAILYCAST_PRICES: polly/neural=$16 is no price.",
            "USD a million",
        ),
        ({"OPENAI_API_KEY": ""}, "W008", "No writer is configured.", "openai: set OPENAI_API_KEY"),
        (
            {"OPENAI_API_KEY": "", "DAILYCAST_LLM_PROVIDERS": ["openai", "template"]},
            "I001",
            "Scripts are written by template, without a key.",
            "OPENAI_API_KEY",
        ),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "I002",
            "No voice is configured: episodes are script-only.",
            "AWS_ACCESS_KEY_ID",
        ),
        ({"DAILYCAST_LEARNER_CONTEXT": ""}, "I003", "first name", "docs/integrating.md"),
    ],
)
def test_each_problem_is_named_with_a_hint(check: Any, values: dict[str, Any], code: str, text: str, hint: str) -> None:
    (id_, message, hint_text), *others = check(**values)
    assert [other for other, *_ in others] == (["dailycast.I002"] if "DAILYCAST_POLLY_ENGINE" in values else [])
    assert id_ == "dailycast." + code
    assert text in message
    assert hint in hint_text


def test_unwritable_media_is_named(check: Any, media: Path) -> None:
    media.write_text("a file in the folder's place")
    [(code, message, hint)] = check()
    assert (code, message) == ("dailycast.W002", f"No MP3 can be saved: {media} is not a folder.")
    assert str(media) in hint


def test_one_writer_with_a_key_is_enough(check: Any) -> None:
    assert check(OPENAI_API_KEY="", GEMINI_API_KEY="k", DAILYCAST_LLM_PROVIDERS=["openai", "gemini"]) == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"MEDIA_ROOT": ""}, "MEDIA_ROOT or MEDIA_URL is empty"),
        ({"MEDIA_URL": ""}, "MEDIA_ROOT or MEDIA_URL is empty"),
        ({"MEDIA_ROOT": "/mnt/not-mounted/media"}, "MEDIA_ROOT=/mnt/not-mounted/media does not exist."),
    ],
)
def test_media_that_have_no_place_are_named(check: Any, values: dict[str, str], text: str) -> None:
    found = {code: message for code, message, _ in check(**values)}
    assert text in found["dailycast.W015"]


def test_a_storage_that_is_no_disk_needs_no_folder(check: Any, settings: Any) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    assert check(MEDIA_ROOT="", MEDIA_URL="") == []
