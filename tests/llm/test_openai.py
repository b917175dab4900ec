"""OpenAI through its real SDK: the request in OpenAI's words, and what can go wrong with its answers."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dailycast.errors import VendorWideError
from dailycast.llm import openai
from dailycast.llm.base import Completion
from tests.cloud import Call, Cloud, Fault
from tests.cloud.canned import CannedServer, Reply, both_servers, in_json
from tests.llm.writers import KEYS, complete, failure

KEY = KEYS["openai"]
WRITER = openai.Provider()


def answer(content: Any, **changes: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return in_json({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **changes})


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cloud, CannedServer]]:
    with both_servers(script="# Hello, Alex") as servers:
        yield servers
    openai._client.cache_clear()


@pytest.fixture
def cloud(servers: tuple[Cloud, CannedServer], settings: Any) -> Cloud:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = servers[0].environment["OPENAI_BASE_URL"], KEY
    return servers[0]


@pytest.fixture
def canned(servers: tuple[Cloud, CannedServer], settings: Any) -> CannedServer:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = servers[1].url + "/v1", KEY
    return servers[1]


def test_a_script_with_its_tokens(cloud: Cloud) -> None:
    assert complete(WRITER) == Completion("# Hello, Alex", "openai", "gpt-6-luna", prompt_tokens=9, completion_tokens=3)


def test_the_request_in_openais_words(cloud: Cloud) -> None:
    complete(WRITER)
    assert cloud.calls[-1].body == {
        "model": "gpt-6-luna",
        "messages": [
            {"role": "system", "content": "You write podcasts."},
            {"role": "user", "content": "For Alex, please."},
        ],
        "max_completion_tokens": 9600,
        "reasoning_effort": "none",
    }


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gpt-6-luna", "none"),
        ("gpt-5-mini", "none"),
        ("openai/gpt-5", "none"),
        ("gpt-4o-mini", None),
        ("gpt-4.1", None),
        ("gpt-oss:20b", None),
        ("my-gpt-5", None),
    ],
)
def test_only_newer_models_are_asked_not_to_reason(
    canned: CannedServer, settings: Any, model: str, effort: str | None
) -> None:
    settings.DAILYCAST_OPENAI_MODEL = model
    canned.set_replies(answer("# Hello"))
    assert complete(WRITER).model == model
    assert canned.requests[0][2].get("reasoning_effort") == effort


@pytest.mark.parametrize(("key", "header"), [(KEY, f"Bearer {KEY}"), ("", "Bearer no-key")])
def test_the_key_is_sent_in_a_header_and_a_self_hosted_server_needs_none(
    canned: CannedServer, settings: Any, key: str, header: str
) -> None:
    settings.OPENAI_API_KEY = key
    canned.set_replies(answer("# Hello"))
    complete(WRITER)
    assert canned.requests[0][0] == "/v1/chat/completions"
    assert canned.requests[0][1]["Authorization"] == header


def test_without_a_base_url_the_calls_go_to_openai() -> None:
    client = openai._client(KEY, "", os.getpid())
    assert (str(client.base_url), client.api_key, client.max_retries) == ("https://api.openai.com/v1/", KEY, 0)


UNREADABLE = "OpenAI's answer is not a chat completion: check OPENAI_BASE_URL, or try again later."
REFUSED = "OpenAI refused to write this script: look for what may offend in the learner's records."
CREDIT = "OpenAI's account is out of credit (429): add credit at platform.openai.com or set another key."


@pytest.mark.parametrize(
    ("fault", "message", "permanent"),
    [
        (Fault.CUT_SILENT, UNREADABLE, False),
        (Fault.BAD_JSON, UNREADABLE, False),
        (Fault.HTML, UNREADABLE, False),
        (Fault.NO_CHOICES, UNREADABLE, False),
        (Fault.QUOTA, CREDIT, True),
        (Fault.REFUSAL, REFUSED, True),
        (Fault.FILTER, REFUSED, True),
    ],
)
def test_a_fault_of_openai_has_its_message_and_is_not_retried(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, message: str, permanent: bool
) -> None:
    cloud.fail("openai", fault)
    error = failure(WRITER)
    assert (str(error), error.permanent, error.retry_after) == (message, permanent, None)
    assert [call.outcome for call in calls()] == [fault]


def test_a_quota_error_concerns_every_learner_and_bills_nothing(cloud: Cloud) -> None:
    cloud.fail("openai", Fault.QUOTA)
    error = failure(WRITER)
    assert (type(error), error.billed) == (VendorWideError, ())


@pytest.mark.parametrize(
    ("status", "body", "message", "permanent"),
    [
        (400, {"error": {"message": f"Bad {KEY}"}}, "rejected the request (400): Bad ***.", True),
        (400, {"error": "no such thing."}, "rejected the request (400): no such thing.", True),
        (400, {"detail": "a"}, "rejected the request (400): no reason given.", True),
        (402, ["a"], "rejected the request (402): no reason given.", True),
        (403, {"error": {"message": KEY}}, "refused the key (403): check OPENAI_API_KEY and what it may", True),
        (408, {}, "failed (408)", False),
        (409, {}, "failed (409)", False),
        (502, {"error": {"message": KEY}}, "failed (502): try again later.", False),
    ],
)
def test_every_status_has_its_message(
    canned: CannedServer, status: int, body: Any, message: str, permanent: bool
) -> None:
    canned.set_replies(in_json(body, status))
    error = failure(WRITER)
    assert str(error).startswith(f"OpenAI {message}")
    assert error.permanent is permanent
    assert len(canned.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        answer([{"type": "text", "text": "# Hello"}]),
        answer(" \n"),
        answer("", choices=None),
        answer("", choices=[{"index": 0, "message": None}]),
        in_json(None),
        in_json("a text"),
        in_json([1]),
    ],
)
def test_unexpected_answers_are_transient_errors(canned: CannedServer, reply: Reply) -> None:
    canned.set_replies(reply)
    assert not failure(WRITER).permanent


def test_a_server_that_counts_no_tokens_and_gives_no_reason(canned: CannedServer) -> None:
    message = {"message": {"role": "assistant", "content": "# Hello"}}
    canned.set_replies(answer("", choices=[message]))
    assert complete(WRITER) == Completion("# Hello", "openai", "gpt-6-luna", None, None)


def test_an_older_server_is_called_again_without_what_it_rejects(canned: CannedServer) -> None:
    effort = in_json({"error": {"message": "Unrecognized argument: reasoning_effort"}}, 400)
    limit = in_json({"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"]}]}, 422)
    canned.set_replies(effort, limit, answer("# Hello"))
    assert complete(WRITER).text == "# Hello"
    sent = [
        {name: value for name, value in body.items() if name not in ("model", "messages")}
        for *_, body in canned.requests
    ]
    assert sent == [
        {"max_completion_tokens": 9600, "reasoning_effort": "none"},
        {"max_completion_tokens": 9600},
        {"max_tokens": 9600},
    ]


def test_a_server_that_rejects_every_variant_is_an_error(canned: CannedServer) -> None:
    reply = in_json({"error": {"message": "reasoning_effort, max_completion_tokens and max_tokens are unknown"}}, 400)
    canned.set_replies(reply)
    assert failure(WRITER).permanent
    assert len(canned.requests) == 3


def test_a_server_error_that_names_a_parameter_is_not_retried(canned: CannedServer) -> None:
    canned.set_replies(in_json({"error": {"message": "reasoning_effort crashed"}}, 500))
    assert not failure(WRITER).permanent
    assert len(canned.requests) == 1


def test_one_client_until_the_settings_or_the_process_change() -> None:
    client = openai._client(KEY, "http://127.0.0.1/v1", 1)
    assert openai._client(KEY, "http://127.0.0.1/v1", 1) is client
    assert openai._client(KEY, "http://127.0.0.1/v1", 2) is not client


@pytest.mark.parametrize(
    ("key", "base_url", "installed", "missing"),
    [
        ("", "", True, "set OPENAI_API_KEY (or OPENAI_BASE_URL for a self-hosted server)"),
        (KEY, "", True, ""),
        ("", "http://127.0.0.1/v1", True, ""),
        (KEY, "http://127.0.0.1/v1", True, ""),
        (KEY, "", False, "pip install 'dailycast[openai]'"),
        ("sk-\u201cquoted\u201d", "", True, "copy OPENAI_API_KEY again: it holds characters that no key has"),
        ("sk-two\nlines", "", True, "copy OPENAI_API_KEY again: it holds characters that no key has"),
    ],
)
def test_what_is_missing(
    settings: Any, monkeypatch: pytest.MonkeyPatch, key: str, base_url: str, installed: bool, missing: str
) -> None:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = key, base_url
    if not installed:
        monkeypatch.setattr(openai, "find_spec", lambda name: None)
    provider = openai.Provider()
    assert provider.missing() == missing
    assert provider.unbilled() is bool(base_url and not key)


def test_asking_what_is_missing_loads_no_sdk() -> None:
    code = """
import sys
from django.conf import settings
settings.configure(OPENAI_API_KEY="k", GEMINI_API_KEY="k", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="k")
from dailycast.llm import gemini, openai
from dailycast.tts import pico, polly
[module.Provider().missing() for module in (openai, gemini, polly, pico)]
sdks = ["openai", "google.ai.generativelanguage", "google.generativeai", "google.genai", "boto3", "botocore"]
print([name for name in [*sdks, "py_nanotts", "lameenc"] if name in sys.modules])
"""
    process = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
