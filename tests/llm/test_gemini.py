"""Gemini through whichever of its two SDKs is installed, or both: the same requests, the same errors."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dailycast.errors import ProviderError, VendorWideError
from dailycast.learner import LearnerContext
from dailycast.llm import gemini
from dailycast.llm.base import Completion, Prompt
from tests.cloud import Call, Cloud, Fault
from tests.llm.test_openai import Canned, Reply, in_json

PROMPT = Prompt("You write podcasts.", "For Alex, please.", LearnerContext(), "en", 4)
KEY = "AIza-alex-0123456789"
SDKS = {"google.generativeai": "gapic/", "google.genai": "google-genai-sdk/"}


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One installed SDK, the other one hidden."""
    package: str = request.param
    if not gemini._is_installed(package):
        pytest.skip(f"{package} is not installed")
    monkeypatch.setattr(gemini, "_is_installed", lambda name: name == package)
    return package


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cloud, Canned]]:
    canned = Canned()
    with Cloud(script="# Hello, Alex") as cloud:
        yield cloud, canned
    canned.close()
    gemini._cached_client.cache_clear()


@pytest.fixture
def cloud(servers: tuple[Cloud, Canned], settings: Any, sdk: str) -> Cloud:
    settings.GEMINI_BASE_URL, settings.GEMINI_API_KEY = servers[0].url, KEY
    return servers[0]


@pytest.fixture
def canned(servers: tuple[Cloud, Canned], settings: Any, sdk: str) -> Canned:
    settings.GEMINI_BASE_URL, settings.GEMINI_API_KEY = servers[1].url, KEY
    return servers[1]


@pytest.fixture
def calls(cloud: Cloud) -> Callable[[], list[Call]]:
    """The calls of this test."""
    before = len(cloud.calls)
    return lambda: cloud.calls[before:]


def complete(timeout: float = 20) -> Completion:
    return gemini.Provider().complete(PROMPT, timeout)


def failure(timeout: float = 20) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        complete(timeout)
    assert KEY not in str(caught.value)
    return caught.value


def answer(text: str, **changes: Any) -> Reply:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    return in_json({"candidates": [candidate], **changes})


def test_a_script_with_its_tokens(cloud: Cloud) -> None:
    assert complete() == Completion("# Hello, Alex", "gemini", "gemini-3.5-flash-lite", 9, 3)


def test_the_request_in_geminis_words(cloud: Cloud, sdk: str) -> None:
    complete()
    call = cloud.calls[-1]
    call.body["systemInstruction"].pop("role", None)
    assert call.body == {
        "systemInstruction": {"parts": [{"text": "You write podcasts."}]},
        "contents": [{"role": "user", "parts": [{"text": "For Alex, please."}]}],
        "generationConfig": {"maxOutputTokens": 17600},
    }
    assert SDKS[sdk] in call.headers["x-goog-api-client"]


@pytest.mark.parametrize(("key", "sent"), [(KEY, KEY), ("", "no-key")])
@pytest.mark.parametrize(
    ("suffix", "path"),
    [("", ""), ("/", ""), ("/v1beta", ""), ("/v1beta/", ""), ("/proxy", "/proxy"), ("/proxy/", "/proxy")],
)
def test_the_key_goes_in_a_header_and_never_in_the_address(
    canned: Canned, settings: Any, key: str, sent: str, suffix: str, path: str
) -> None:
    settings.GEMINI_API_KEY = key
    canned.give(answer("# Hello"))
    settings.GEMINI_BASE_URL = canned.url + suffix
    complete()
    address, headers, _ = canned.asked[0]
    assert address.partition("?")[0] == path + "/v1beta/models/gemini-3.5-flash-lite:generateContent"
    assert headers["x-goog-api-key"] == sent
    assert sent not in address
    assert "key=" not in address


def test_without_a_base_url_the_calls_go_to_google() -> None:
    assert gemini._endpoint("") == "https://generativelanguage.googleapis.com"


SLOW = "Gemini could not be reached or gave no whole answer within {:g} s: check the network and GEMINI_BASE_URL."
BUSY = "Gemini takes no more calls for now (429): try again later or raise the account's rate limit."
ODD = "Gemini's answer is not a completion: check GEMINI_BASE_URL, or try again later."
EMPTY = "Gemini answered with an empty text: try again later."
REFUSED = "Gemini refused to write this script ({}): look at the learner's records."
CUT = "Gemini's script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."
NO_KEY = "Gemini refused the key (401): check GEMINI_API_KEY."


@pytest.mark.parametrize(
    ("fault", "message", "permanent", "wait"),
    [
        (Fault.RESET, SLOW, False, None),
        (Fault.HANG, SLOW, False, None),
        (Fault.CUT_LENGTH, SLOW, False, None),
        (Fault.CUT_CHUNKED, SLOW, False, None),
        (Fault.CUT_SILENT, ODD, False, None),
        (Fault.BAD_JSON, ODD, False, None),
        (Fault.HTML, ODD, False, None),
        (Fault.NO_CHOICES, EMPTY, False, None),
        (Fault.EMPTY, EMPTY, False, None),
        (Fault.BAD_KEY, NO_KEY, True, None),
        (Fault.RATE_LIMIT, BUSY, False, 1),
        (Fault.RATE_LIMIT_NONSENSE, BUSY, False, None),
        (Fault.QUOTA, BUSY, False, 38),
        (Fault.SERVER_ERROR, "Gemini failed (500): try again later.", False, None),
        (Fault.UNAVAILABLE, "Gemini failed (503): try again later.", False, None),
        (Fault.REFUSAL, REFUSED.format("PROHIBITED_CONTENT"), True, None),
        (Fault.FILTER, REFUSED.format("SAFETY"), True, None),
        (Fault.LENGTH, CUT, True, None),
    ],
)
def test_every_fault_is_told_once(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, message: str, permanent: bool, wait: float | None
) -> None:
    cloud.fail("gemini", fault)
    timeout = 0.5 if fault is Fault.HANG else 20
    error = failure(timeout)
    assert (str(error), error.permanent, error.retry_after) == (message.format(timeout), permanent, wait)
    assert [call.outcome for call in calls()] == [fault]


@pytest.mark.parametrize(
    ("fault", "kind", "billed"),
    [
        (Fault.BAD_KEY, VendorWideError, "nothing"),
        (Fault.QUOTA, ProviderError, "nothing"),
        (Fault.RATE_LIMIT, ProviderError, "nothing"),
        (Fault.SERVER_ERROR, ProviderError, "nothing"),
        (Fault.REFUSAL, ProviderError, "tokens"),
        (Fault.FILTER, ProviderError, "tokens"),
        (Fault.LENGTH, ProviderError, "tokens"),
        (Fault.EMPTY, ProviderError, "tokens"),
        (Fault.RESET, ProviderError, "who knows"),
        (Fault.CUT_LENGTH, ProviderError, "who knows"),
        (Fault.BAD_JSON, ProviderError, "who knows"),
    ],
)
def test_each_fault_says_what_it_cost_and_whom_it_would_meet(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, kind: type[ProviderError], billed: str
) -> None:
    cloud.fail("gemini", fault)
    error = failure()
    assert type(error) is kind
    if billed == "tokens":
        assert error.billed is not None
        assert sum(count or 0 for count in error.billed) == calls()[0].units > 0
    else:
        assert error.billed == {"nothing": (), "who knows": None}[billed]


def test_a_retry_after_may_be_a_date(cloud: Cloud) -> None:
    cloud.fail("gemini", Fault.RATE_LIMIT_DATE)
    assert 25 < (failure().retry_after or 0) <= 30


def test_a_401_is_sent_once(calls: Callable[[], list[Call]], settings: Any) -> None:
    settings.GEMINI_API_KEY = "bad-key"
    assert str(failure()) == NO_KEY
    assert len(calls()) == 1


def test_an_unknown_model_is_told(cloud: Cloud, settings: Any) -> None:
    settings.DAILYCAST_GEMINI_MODEL = "gemini-9"
    error = failure()
    assert str(error) == "Gemini does not know the model or the address (404): check DAILYCAST_GEMINI_MODEL."
    assert error.permanent


def test_a_rejected_request_is_told_in_geminis_words_without_the_key(canned: Canned) -> None:
    body = {"error": {"code": 400, "message": f"Bad part in {KEY}.", "status": "INVALID_ARGUMENT"}}
    canned.give(in_json(body, 400))
    error = failure()
    assert str(error) == "Gemini rejected the request (400): Bad part in ***. Check DAILYCAST_GEMINI_MODEL."
    assert error.permanent


@pytest.mark.parametrize("body", [None, "a text", [1], {"candidates": 3}, {"candidates": [{"content": "x"}]}])
def test_odd_answers_are_transient(canned: Canned, body: Any) -> None:
    canned.give(in_json(body))
    assert not failure().permanent


def test_thoughts_are_billed_and_not_spoken(canned: Canned) -> None:
    parts = [{"text": "# Hello"}, {"text": ", Alex"}]
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 35}
    canned.give(in_json({"candidates": [{"content": {"parts": parts}}], "usageMetadata": usage}))
    assert complete() == Completion("# Hello, Alex", "gemini", "gemini-3.5-flash-lite", 10, 25)


def test_a_thought_among_the_parts_is_left_out() -> None:
    parts = [{"text": "Let me think.", "thought": True}, {"text": "# Hello", "thought": None}]
    assert gemini._script_text({"candidates": [{"content": {"parts": parts}, "finish_reason": "STOP"}]}) == "# Hello"


def test_a_server_that_counts_no_tokens(canned: Canned) -> None:
    canned.give(answer("# Hello"))
    assert complete() == Completion("# Hello", "gemini", "gemini-3.5-flash-lite", None, None)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, (None, None)),
        ({"prompt_token_count": 4, "candidates_token_count": 6, "total_token_count": 10}, (4, 6)),
        ({"prompt_token_count": 4, "candidates_token_count": 6, "total_token_count": None}, (4, 6)),
        ({"prompt_token_count": 4, "total_token_count": 10}, (4, 6)),
    ],
)
def test_tokens(usage: Any, tokens: tuple[int | None, int | None]) -> None:
    assert gemini._billed_tokens(usage) == tokens


def test_one_client_until_the_settings_or_the_process_change() -> None:
    made: list[str] = []

    def load(key: str, endpoint: str) -> Any:
        made.append(key)
        return object()

    client = gemini._cached_client(load, "a", "http://127.0.0.1", 1)
    assert gemini._cached_client(load, "a", "http://127.0.0.1", 1) is client
    assert gemini._cached_client(load, "a", "http://127.0.0.1", 2) is not client
    assert gemini._cached_client(load, "b", "http://127.0.0.1", 2) is not client
    assert made == ["a", "a", "b"]


def test_neither_sdk_warns_or_prints(canned: Canned, sdk: str) -> None:
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
    canned.give(answer("# Hello"))
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", code, canned.url, sdk]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("# Hello\n", "")


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


@pytest.mark.parametrize(("package", "there"), [("json", True), ("json.nobody", False), ("nobody.at.all", False)])
def test_a_package_is_looked_for(package: str, there: bool) -> None:
    assert gemini._is_installed(package) is there


@pytest.mark.parametrize("address", ["localhost:99", "http://", "http://[", "http://x:y"])
def test_an_address_that_is_none_is_told(cloud: Cloud, settings: Any, address: str) -> None:
    settings.GEMINI_BASE_URL = address
    with pytest.raises(ProviderError, match="is no address: mend it") as caught:
        gemini.Provider().complete(PROMPT, 5)
    assert (caught.value.permanent, caught.value.billed) == (True, ())
