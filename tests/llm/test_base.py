"""What holds for every writer that a vendor bills: OpenAI, and Gemini through each of its SDKs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dailycast.errors import ProviderError, VendorWideError
from dailycast.llm import base, gemini, openai
from dailycast.llm.base import LLMProvider
from tests.cloud import Call, Cloud, Fault
from tests.llm.writers import GEMINI_SDKS, KEYS, PROMPT, failure, use_gemini_sdk

NAMES = {"openai": "OpenAI", "gemini": "Gemini"}  # as messages write them


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud(script="# Hello, Alex") as cloud:
        yield cloud
    openai._client.cache_clear()
    gemini._cached_client.cache_clear()


@pytest.fixture(params=["openai", *GEMINI_SDKS])
def writer(request: pytest.FixtureRequest, cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch) -> LLMProvider:
    settings.OPENAI_BASE_URL, settings.GEMINI_BASE_URL = cloud.environment["OPENAI_BASE_URL"], cloud.url
    settings.OPENAI_API_KEY, settings.GEMINI_API_KEY = KEYS["openai"], KEYS["gemini"]
    if request.param == "openai":
        pytest.importorskip("openai")
        return openai.Provider()
    use_gemini_sdk(request.param, monkeypatch)
    return gemini.Provider()


NO_ANSWER = (
    "{name} could not be reached or gave no whole answer within {timeout:g} s: "
    "check the network and {SETTING}_BASE_URL."
)
BUSY = "{name} takes no more calls for now (429): try again later or raise the account's rate limit."
CUT = "{name}'s script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."


@pytest.mark.parametrize(
    ("fault", "message", "permanent", "retry_after"),
    [
        (Fault.RESET, NO_ANSWER, False, None),
        (Fault.HANG, NO_ANSWER, False, None),
        (Fault.CUT_LENGTH, NO_ANSWER, False, None),
        (Fault.CUT_CHUNKED, NO_ANSWER, False, None),
        (Fault.EMPTY, "{name} answered with an empty text: try again later.", False, None),
        (Fault.BAD_KEY, "{name} refused the key (401): check {SETTING}_API_KEY.", True, None),
        (Fault.RATE_LIMIT, BUSY, False, 1),
        (Fault.RATE_LIMIT_NONSENSE, BUSY, False, None),
        (Fault.SERVER_ERROR, "{name} failed (500): try again later.", False, None),
        (Fault.UNAVAILABLE, "{name} failed (503): try again later.", False, None),
        (Fault.LENGTH, CUT, True, None),
    ],
)
def test_every_fault_has_its_message_and_is_not_retried(
    writer: LLMProvider,
    cloud: Cloud,
    calls: Callable[[], list[Call]],
    fault: Fault,
    message: str,
    permanent: bool,
    retry_after: float | None,
) -> None:
    cloud.fail(writer.name, fault)
    timeout = 0.5 if fault is Fault.HANG else 20
    error = failure(writer, timeout)
    assert str(error) == message.format(name=NAMES[writer.name], SETTING=writer.name.upper(), timeout=timeout)
    assert (error.permanent, error.retry_after) == (permanent, retry_after)
    assert [call.outcome for call in calls()] == [fault]


@pytest.mark.parametrize(
    ("fault", "kind", "billed"),
    [
        (Fault.BAD_KEY, VendorWideError, "nothing"),
        (Fault.RATE_LIMIT, ProviderError, "nothing"),
        (Fault.SERVER_ERROR, ProviderError, "nothing"),
        (Fault.REFUSAL, ProviderError, "tokens"),
        (Fault.FILTER, ProviderError, "tokens"),
        (Fault.LENGTH, ProviderError, "tokens"),
        (Fault.EMPTY, ProviderError, "tokens"),
        (Fault.RESET, ProviderError, "unknown"),
        (Fault.CUT_LENGTH, ProviderError, "unknown"),
        (Fault.BAD_JSON, ProviderError, "unknown"),
    ],
)
def test_every_fault_says_what_it_cost_and_whom_it_concerns(
    writer: LLMProvider,
    cloud: Cloud,
    calls: Callable[[], list[Call]],
    fault: Fault,
    kind: type[ProviderError],
    billed: str,
) -> None:
    cloud.fail(writer.name, fault)
    error = failure(writer)
    assert type(error) is kind
    if billed == "tokens":
        assert error.billed is not None
        assert sum(count or 0 for count in error.billed) == calls()[0].units > 0
    else:
        assert error.billed == {"nothing": (), "unknown": None}[billed]


def test_a_retry_after_may_be_a_date(writer: LLMProvider, cloud: Cloud) -> None:
    cloud.fail(writer.name, Fault.RATE_LIMIT_DATE)
    assert 25 < (failure(writer).retry_after or 0) <= 30


def test_an_unknown_model_is_named_by_its_setting(writer: LLMProvider, settings: Any) -> None:
    settings.DAILYCAST_OPENAI_MODEL, settings.DAILYCAST_GEMINI_MODEL = "gpt-9", "gemini-9"
    error = failure(writer)
    setting = f"DAILYCAST_{writer.name.upper()}_MODEL"
    assert str(error) == f"{NAMES[writer.name]} does not know the model or the address (404): check {setting}."
    assert error.permanent
    assert isinstance(error, VendorWideError)


@pytest.mark.parametrize("url", ["localhost:99", "http://", "http://[", "http://x:y", "ftp://x/", "x"])
def test_an_invalid_base_url_is_an_error_that_bills_nothing(writer: LLMProvider, settings: Any, url: str) -> None:
    settings.OPENAI_BASE_URL = settings.GEMINI_BASE_URL = url
    with pytest.raises(ProviderError, match="is no address: mend it") as caught:
        writer.complete(PROMPT, 5)
    assert (caught.value.permanent, caught.value.billed) == (True, ())


@pytest.mark.parametrize(("minutes", "tokens"), [(0.5, 2000), (1, 2400), (4, 9600), (6.5, 15600), (60, 16000)])
def test_the_token_limit_grows_with_the_minutes_and_is_bounded(minutes: float, tokens: int) -> None:
    assert base.token_limit(minutes) == tokens


def test_a_writer_finds_all_that_it_needs_in_one_module() -> None:
    assert base.require("json", "x").loads("3") == 3
    assert type(PROMPT) is base.Prompt
