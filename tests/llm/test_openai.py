"""OpenAI through its real SDK: the request in OpenAI's words, and every way in which an answer can go wrong."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dailycast.errors import ProviderError, VendorWideError
from dailycast.learner import LearnerContext
from dailycast.llm import base, openai
from dailycast.llm.base import Completion, Prompt
from tests.cloud import Call, Cloud, Fault

PROMPT = Prompt("You write podcasts.", "For Alex, please.", LearnerContext(), "en", 4)
KEY = "sk-alex-0123456789"
Reply = tuple[int, dict[str, str], bytes]


class Canned:
    """A server that gives the replies of `give` in turn, the last for ever. `asked`: path, headers, body of each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Any]] = []
        self.replies: list[Reply] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                canned.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def give(self, *replies: Reply) -> None:
        self.asked, self.replies = [], list(replies)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        status, headers, content = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append((request.path, request.headers, body))
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def in_json(body: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def answer(content: Any, **changes: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return in_json({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **changes})


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cloud, Canned]]:
    """Both for the whole module: a client for each new address would take the SDK a quarter of a second."""
    canned = Canned()
    with Cloud(script="# Hello, Alex") as cloud:
        yield cloud, canned
    canned.close()
    openai._client.cache_clear()


@pytest.fixture
def cloud(servers: tuple[Cloud, Canned], settings: Any) -> Cloud:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = servers[0].environment["OPENAI_BASE_URL"], KEY
    return servers[0]


@pytest.fixture
def canned(servers: tuple[Cloud, Canned], settings: Any) -> Canned:
    settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = servers[1].url + "/v1", KEY
    return servers[1]


@pytest.fixture
def calls(cloud: Cloud) -> Callable[[], list[Call]]:
    """The calls of this test."""
    before = len(cloud.calls)
    return lambda: cloud.calls[before:]


def complete(timeout: float = 20) -> Completion:
    return openai.Provider().complete(PROMPT, timeout)


def failure(timeout: float = 20) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        complete(timeout)
    assert KEY not in str(caught.value)
    return caught.value


def test_a_script_with_its_tokens(cloud: Cloud) -> None:
    assert complete() == Completion("# Hello, Alex", "openai", "gpt-6-luna", prompt_tokens=9, completion_tokens=3)


def test_the_request_in_openais_words(cloud: Cloud) -> None:
    complete()
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
def test_only_newer_families_are_told_not_to_reason(
    canned: Canned, settings: Any, model: str, effort: str | None
) -> None:
    settings.DAILYCAST_OPENAI_MODEL = model
    canned.give(answer("# Hello"))
    assert complete().model == model
    assert canned.asked[0][2].get("reasoning_effort") == effort


@pytest.mark.parametrize(("key", "sent"), [(KEY, f"Bearer {KEY}"), ("", "Bearer no-key")])
def test_the_key_goes_in_a_header_and_a_server_of_ones_own_needs_none(
    canned: Canned, settings: Any, key: str, sent: str
) -> None:
    settings.OPENAI_API_KEY = key
    canned.give(answer("# Hello"))
    complete()
    assert canned.asked[0][0] == "/v1/chat/completions"
    assert canned.asked[0][1]["Authorization"] == sent


def test_without_a_base_url_the_calls_go_to_openai() -> None:
    client = openai._client(KEY, "", os.getpid())
    assert (str(client.base_url), client.api_key, client.max_retries) == ("https://api.openai.com/v1/", KEY, 0)


@pytest.mark.parametrize(("minutes", "tokens"), [(0.5, 2000), (1, 2400), (4, 9600), (6.5, 15600), (60, 16000)])
def test_the_token_limit_grows_with_the_minutes_and_is_bounded(minutes: float, tokens: int) -> None:
    assert base.token_limit(minutes) == tokens


SLOW = "OpenAI could not be reached or gave no whole answer within {:g} s: check the network and OPENAI_BASE_URL."
BUSY = "OpenAI takes no more calls for now (429): try again later or raise the account's rate limit."
ODD = "OpenAI's answer is not a chat completion: check OPENAI_BASE_URL, or try again later."
REFUSED = "OpenAI refused to write this script: look for what may offend in the learner's records."
CUT = "OpenAI's script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."
CREDIT = "OpenAI's account is out of credit (429): add credit at platform.openai.com or set another key."


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
        (Fault.NO_CHOICES, ODD, False, None),
        (Fault.EMPTY, "OpenAI answered with an empty text: try again later.", False, None),
        (Fault.BAD_KEY, "OpenAI refused the key (401): check OPENAI_API_KEY.", True, None),
        (Fault.RATE_LIMIT, BUSY, False, 1),
        (Fault.RATE_LIMIT_NONSENSE, BUSY, False, None),
        (Fault.QUOTA, CREDIT, True, None),
        (Fault.SERVER_ERROR, "OpenAI failed (500): try again later.", False, None),
        (Fault.UNAVAILABLE, "OpenAI failed (503): try again later.", False, None),
        (Fault.REFUSAL, REFUSED, True, None),
        (Fault.FILTER, REFUSED, True, None),
        (Fault.LENGTH, CUT, True, None),
    ],
)
def test_every_fault_is_told_once(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, message: str, permanent: bool, wait: float | None
) -> None:
    cloud.fail("openai", fault)
    timeout = 0.5 if fault is Fault.HANG else 20
    error = failure(timeout)
    assert (str(error), error.permanent, error.retry_after) == (message.format(timeout), permanent, wait)
    assert [call.outcome for call in calls()] == [fault]


@pytest.mark.parametrize(
    ("fault", "kind", "billed"),
    [
        (Fault.BAD_KEY, VendorWideError, "nothing"),
        (Fault.QUOTA, VendorWideError, "nothing"),
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
    cloud.fail("openai", fault)
    error = failure()
    assert type(error) is kind
    if billed == "tokens":
        assert error.billed is not None
        assert sum(count or 0 for count in error.billed) == calls()[0].units > 0
    else:
        assert error.billed == {"nothing": (), "who knows": None}[billed]


def test_a_retry_after_may_be_a_date(cloud: Cloud) -> None:
    cloud.fail("openai", Fault.RATE_LIMIT_DATE)
    assert 25 < (failure().retry_after or 0) <= 30


def test_an_unknown_model_is_told(cloud: Cloud, settings: Any) -> None:
    settings.DAILYCAST_OPENAI_MODEL = "gpt-9"
    error = failure()
    assert str(error) == "OpenAI does not know the model or the address (404): check DAILYCAST_OPENAI_MODEL."
    assert error.permanent
    assert isinstance(error, VendorWideError)


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
def test_every_status_is_told(canned: Canned, status: int, body: Any, message: str, permanent: bool) -> None:
    canned.give(in_json(body, status))
    error = failure()
    assert str(error).startswith(f"OpenAI {message}")
    assert error.permanent is permanent
    assert len(canned.asked) == 1


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
def test_odd_answers_are_transient(canned: Canned, reply: Reply) -> None:
    canned.give(reply)
    assert not failure().permanent


def test_a_server_that_counts_no_tokens_and_gives_no_reason(canned: Canned) -> None:
    message = {"message": {"role": "assistant", "content": "# Hello"}}
    canned.give(answer("", choices=[message]))
    assert complete() == Completion("# Hello", "openai", "gpt-6-luna", None, None)


def test_an_older_server_is_asked_again_without_what_it_rejects(canned: Canned) -> None:
    effort = in_json({"error": {"message": "Unrecognized argument: reasoning_effort"}}, 400)
    limit = in_json({"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"]}]}, 422)
    canned.give(effort, limit, answer("# Hello"))
    assert complete().text == "# Hello"
    sent = [
        {name: value for name, value in body.items() if name not in ("model", "messages")} for *_, body in canned.asked
    ]
    assert sent == [
        {"max_completion_tokens": 9600, "reasoning_effort": "none"},
        {"max_completion_tokens": 9600},
        {"max_tokens": 9600},
    ]


def test_a_server_that_rejects_everything_is_given_up(canned: Canned) -> None:
    told = in_json({"error": {"message": "reasoning_effort, max_completion_tokens and max_tokens are unknown"}}, 400)
    canned.give(told)
    assert failure().permanent
    assert len(canned.asked) == 3


def test_a_server_error_that_names_a_parameter_is_not_asked_again(canned: Canned) -> None:
    canned.give(in_json({"error": {"message": "reasoning_effort crashed"}}, 500))
    assert not failure().permanent
    assert len(canned.asked) == 1


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
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("address", ["localhost:99", "http://", "http://[", "http://x:y", "ftp://x/", "x"])
def test_an_address_that_is_none_is_told(settings: Any, address: str) -> None:
    settings.OPENAI_BASE_URL = address
    with pytest.raises(ProviderError, match="is no address: mend it") as caught:
        openai.Provider().complete(PROMPT, 5)
    assert (caught.value.permanent, caught.value.billed) == (True, ())
