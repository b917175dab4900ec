"""Gemini through whichever of its two SDKs is installed, or both: the same requests, the same errors."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dailycast.errors import ProviderError
from dailycast.llm import gemini
from dailycast.llm.base import Completion
from tests.cloud import Call, Cloud, Fault
from tests.cloud.canned import CannedServer, Reply, both_servers, in_json
from tests.llm.writers import GEMINI_SDKS, KEYS, complete, failure, use_gemini_sdk

KEY = KEYS["gemini"]
WRITER = gemini.Provider()


@pytest.fixture(params=GEMINI_SDKS)
def sdk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One installed SDK, the other one hidden."""
    package: str = request.param
    use_gemini_sdk(package, monkeypatch)
    return package


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cloud, CannedServer]]:
    with both_servers(script="# Hello, Alex") as servers:
        yield servers
    gemini._cached_client.cache_clear()


@pytest.fixture
def cloud(servers: tuple[Cloud, CannedServer], settings: Any, sdk: str) -> Cloud:
    settings.GEMINI_BASE_URL, settings.GEMINI_API_KEY = servers[0].url, KEY
    return servers[0]


@pytest.fixture
def canned(servers: tuple[Cloud, CannedServer], settings: Any, sdk: str) -> CannedServer:
    settings.GEMINI_BASE_URL, settings.GEMINI_API_KEY = servers[1].url, KEY
    return servers[1]


def answer(text: str, **changes: Any) -> Reply:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    return in_json({"candidates": [candidate], **changes})


def test_a_script_with_its_tokens(cloud: Cloud) -> None:
    assert complete(WRITER) == Completion("# Hello, Alex", "gemini", "gemini-3.5-flash-lite", 9, 3)


def test_the_request_in_geminis_words(cloud: Cloud, sdk: str) -> None:
    complete(WRITER)
    call = cloud.calls[-1]
    call.body["systemInstruction"].pop("role", None)
    assert call.body == {
        "systemInstruction": {"parts": [{"text": "You write podcasts."}]},
        "contents": [{"role": "user", "parts": [{"text": "For Alex, please."}]}],
        "generationConfig": {"maxOutputTokens": 17600},
    }
    assert GEMINI_SDKS[sdk] in call.headers["x-goog-api-client"]


@pytest.mark.parametrize(("key", "sent"), [(KEY, KEY), ("", "no-key")])
@pytest.mark.parametrize(
    ("suffix", "path"),
    [("", ""), ("/", ""), ("/v1beta", ""), ("/v1beta/", ""), ("/proxy", "/proxy"), ("/proxy/", "/proxy")],
)
def test_the_key_is_sent_in_a_header_and_never_in_the_url(
    canned: CannedServer, settings: Any, key: str, sent: str, suffix: str, path: str
) -> None:
    settings.GEMINI_API_KEY = key
    canned.set_replies(answer("# Hello"))
    settings.GEMINI_BASE_URL = canned.url + suffix
    complete(WRITER)
    url, headers, _ = canned.requests[0]
    assert url.partition("?")[0] == path + "/v1beta/models/gemini-3.5-flash-lite:generateContent"
    assert headers["x-goog-api-key"] == sent
    assert sent not in url
    assert "key=" not in url


def test_without_a_base_url_the_calls_go_to_google() -> None:
    assert gemini._endpoint("") == "https://generativelanguage.googleapis.com"


BUSY = "Gemini takes no more calls for now (429): try again later or raise the account's rate limit."
UNREADABLE = "Gemini's answer is not a completion: check GEMINI_BASE_URL, or try again later."
EMPTY = "Gemini answered with an empty text: try again later."
REFUSED = "Gemini refused to write this script ({}): look at the learner's records."
NO_KEY = "Gemini refused the key (401): check GEMINI_API_KEY."


@pytest.mark.parametrize(
    ("fault", "message", "permanent", "wait"),
    [
        (Fault.CUT_SILENT, UNREADABLE, False, None),
        (Fault.BAD_JSON, UNREADABLE, False, None),
        (Fault.HTML, UNREADABLE, False, None),
        (Fault.NO_CHOICES, EMPTY, False, None),
        (Fault.QUOTA, BUSY, False, 38),
        (Fault.REFUSAL, REFUSED.format("PROHIBITED_CONTENT"), True, None),
        (Fault.FILTER, REFUSED.format("SAFETY"), True, None),
    ],
)
def test_a_fault_of_gemini_has_its_message_and_is_not_retried(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, message: str, permanent: bool, wait: float | None
) -> None:
    cloud.fail("gemini", fault)
    error = failure(WRITER)
    assert (str(error), error.permanent, error.retry_after) == (message, permanent, wait)
    assert [call.outcome for call in calls()] == [fault]


def test_a_quota_error_may_pass_and_bills_nothing(cloud: Cloud) -> None:
    cloud.fail("gemini", Fault.QUOTA)
    error = failure(WRITER)
    assert (type(error), error.billed) == (ProviderError, ())


def test_a_401_is_sent_once(calls: Callable[[], list[Call]], settings: Any) -> None:
    settings.GEMINI_API_KEY = "bad-key"
    assert str(failure(WRITER)) == NO_KEY
    assert len(calls()) == 1


def test_a_rejected_request_has_geminis_own_words_without_the_key(canned: CannedServer) -> None:
    body = {"error": {"code": 400, "message": f"Bad part in {KEY}.", "status": "INVALID_ARGUMENT"}}
    canned.set_replies(in_json(body, 400))
    error = failure(WRITER)
    assert str(error) == "Gemini rejected the request (400): Bad part in ***. Check DAILYCAST_GEMINI_MODEL."
    assert error.permanent


@pytest.mark.parametrize("body", [None, "a text", [1], {"candidates": 3}, {"candidates": [{"content": "x"}]}])
def test_unexpected_answers_are_transient_errors(canned: CannedServer, body: Any) -> None:
    canned.set_replies(in_json(body))
    assert not failure(WRITER).permanent


def test_thoughts_are_billed_and_not_spoken(canned: CannedServer) -> None:
    parts = [{"text": "# Hello"}, {"text": ", Alex"}]
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 35}
    canned.set_replies(in_json({"candidates": [{"content": {"parts": parts}}], "usageMetadata": usage}))
    assert complete(WRITER) == Completion("# Hello, Alex", "gemini", "gemini-3.5-flash-lite", 10, 25)


def test_a_thought_among_the_parts_is_left_out() -> None:
    parts = [{"text": "Let me think.", "thought": True}, {"text": "# Hello", "thought": None}]
    assert gemini._script_text({"candidates": [{"content": {"parts": parts}, "finish_reason": "STOP"}]}) == "# Hello"


def test_a_server_that_counts_no_tokens(canned: CannedServer) -> None:
    canned.set_replies(answer("# Hello"))
    assert complete(WRITER) == Completion("# Hello", "gemini", "gemini-3.5-flash-lite", None, None)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, (None, None)),
        ({"prompt_token_count": 4, "candidates_token_count": 6, "total_token_count": 10}, (4, 6)),
        ({"prompt_token_count": 4, "candidates_token_count": 6, "total_token_count": None}, (4, 6)),
        ({"prompt_token_count": 4, "total_token_count": 10}, (4, 6)),
    ],
)
def test_thoughts_count_as_tokens_out(usage: Any, tokens: tuple[int | None, int | None]) -> None:
    assert gemini._billed_tokens(usage) == tokens


def test_one_client_until_the_settings_or_the_process_change() -> None:
    keys: list[str] = []

    def make(key: str, endpoint: str) -> Any:
        keys.append(key)
        return object()

    client = gemini._cached_client(make, "a", "http://127.0.0.1", 1)
    assert gemini._cached_client(make, "a", "http://127.0.0.1", 1) is client
    assert gemini._cached_client(make, "a", "http://127.0.0.1", 2) is not client
    assert gemini._cached_client(make, "b", "http://127.0.0.1", 2) is not client
    assert keys == ["a", "a", "b"]


def test_neither_sdk_warns_or_prints(canned: CannedServer, sdk: str) -> None:
    code = """
import sys
from django.conf import settings
settings.configure(GEMINI_BASE_URL=sys.argv[1])
from dailycast.learner import LearnerContext
from dailycast.llm import gemini
from dailycast.llm.base import Prompt
gemini._is_installed = lambda name: name == sys.argv[2]
print(gemini.Provider().complete(Prompt("", "Hello", LearnerContext(), "en", 4), 5).text)
"""
    canned.set_replies(answer("# Hello"))
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", code, canned.url, sdk]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.stdout, process.stderr) == ("# Hello\n", "")


@pytest.mark.parametrize(
    ("key", "base_url", "installed", "missing"),
    [
        ("", "", ["google.genai"], "set GEMINI_API_KEY"),
        (KEY, "", ["google.genai"], ""),
        (KEY, "", ["google.generativeai"], ""),
        ("", "http://127.0.0.1", ["google.genai"], ""),
        (KEY, "http://127.0.0.1", ["google.genai"], ""),
        (KEY, "", [], "pip install 'dailycast[genai]'"),
        ("AIza\u2026", "", ["google.genai"], "copy GEMINI_API_KEY again: it holds characters that no key has"),
    ],
)
def test_what_is_missing(
    settings: Any, monkeypatch: pytest.MonkeyPatch, key: str, base_url: str, installed: list[str], missing: str
) -> None:
    settings.GEMINI_API_KEY, settings.GEMINI_BASE_URL = key, base_url
    monkeypatch.setattr(gemini, "_is_installed", lambda name: name in installed)
    provider = gemini.Provider()
    assert provider.missing() == missing
    assert provider.unbilled() is bool(base_url and not key)


@pytest.mark.parametrize(
    ("package", "is_installed"), [("json", True), ("json.nobody", False), ("nobody.at.all", False)]
)
def test_whether_a_package_is_installed(package: str, is_installed: bool) -> None:
    assert gemini._is_installed(package) is is_installed


@pytest.mark.parametrize("figure", [900.5, -900, 10**20, {}, "12", None, [1]])
def test_a_script_with_an_odd_figure_is_used(figure: Any) -> None:
    body = {"candidates": [], "usageMetadata": {"promptTokenCount": figure, "totalTokenCount": 12}}
    left = json.loads(gemini.VENDOR.read_body(200, "", [json.dumps(body).encode()]))
    assert left["candidates"] == []
    assert left.get("usageMetadata") in (None, {"totalTokenCount": 12})
