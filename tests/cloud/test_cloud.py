"""The stand-in for the vendors, seen through the vendors' own SDKs: what they would get from the real services."""

import io
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from importlib import import_module
from typing import Any

import boto3
import openai
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError, ResponseStreamingError
from openai.types.chat import ChatCompletion
from tinytag import TinyTag

from dailycast.languages.characters import shortest_seconds
from tests.cloud import Cloud, Fault
from tests.cloud.polly import RATES

SESSION = boto3.Session()  # making one takes a tenth of a second, and so does an OpenAI client
OPENAI = openai.OpenAI(api_key="sk-alex", max_retries=0)
PROMPT = "You write podcasts.\nAlex missed this:\n- past tense of go is went"
CHAT = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "hi"}]}
BEARER = {"Authorization": "Bearer sk-alex"}
LONG, SHORT = 10, 0.5  # seconds of timeout: for what answers, and for what never does


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def chat(
    cloud: Cloud, text: str = PROMPT, key: str = "sk-alex", timeout: float = LONG, **options: Any
) -> ChatCompletion:
    client = OPENAI.with_options(base_url=cloud.url + "/v1", api_key=key, timeout=timeout)
    asked = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": text}], **options}
    answer: ChatCompletion = client.chat.completions.create(**asked)
    return answer


def gemini(cloud: Cloud, text: str = PROMPT, timeout: float = LONG, **options: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package is past its end of support, and says so
        genai: Any = import_module("google.generativeai")
    genai.configure(api_key="AIza-alex", transport="rest", client_options={"api_endpoint": cloud.url})
    writer = genai.GenerativeModel("gemini-2.5-flash", system_instruction="You write.", generation_config=options)
    return writer.generate_content(text, request_options={"timeout": timeout, "retry": None})


def polly(
    cloud: Cloud, text: str = "Good morning, Alex.", key: str = "AKIAALEX", timeout: float = LONG, **changes: str
) -> Any:
    client: Any = SESSION.client(
        "polly",
        region_name="us-east-1",
        endpoint_url=cloud.url,
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=timeout),
    )
    asked = {"VoiceId": "Joanna", "Engine": "neural", "OutputFormat": "mp3", "Text": text, **changes}
    with closing(client):
        answer = client.synthesize_speech(**asked)
        return {**answer, "mp3": answer["AudioStream"].read()}


def post(cloud: Cloud, path: str, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        return session.post(cloud.url + path, json=body, headers=headers, timeout=LONG)


def plain_chat(cloud: Cloud) -> requests.Response:
    return post(cloud, "/v1/chat/completions", CHAT, BEARER)


def plain_gemini(
    cloud: Cloud, key: str = "AIza-alex", model: str = "gemini-2.5-flash", query: str = ""
) -> requests.Response:
    body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    return post(cloud, f"/v1beta/models/{model}:generateContent{query}", body, {"x-goog-api-key": key})


def plain_polly(cloud: Cloud, engine: str = "neural") -> requests.Response:
    key = "Credential=AKIAALEX/20261123/us-east-1/polly/aws4_request"
    body = {"Text": "Hello.", "VoiceId": "Joanna", "Engine": engine, "OutputFormat": "mp3"}
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {key}, SignedHeaders=host, Signature=0f"}
    return post(cloud, "/v1/speech", body, signed)


def seconds(mp3: bytes) -> float:
    return TinyTag.get(file_obj=io.BytesIO(mp3)).duration or 0.0


def refused(cloud: Cloud, *args: Any, **changes: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        polly(cloud, *args, **changes)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]


def outcomes(cloud: Cloud) -> list[str]:
    return [call.outcome for call in cloud.calls]


def test_openai_writes_and_the_journal_has_it(cloud: Cloud) -> None:
    cloud.script = "# Hello, Alex"
    answer = chat(cloud, "twelve chars", max_completion_tokens=100, reasoning_effort="none")
    assert answer.choices[0].message.content == "# Hello, Alex"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 3, 6)
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")
    (call,) = cloud.calls
    assert (call.vendor, call.kind, call.text, call.units) == ("openai", "gpt-6-luna", "twelve chars", 6)
    assert (call.outcome, call.body["reasoning_effort"]) == ("ok", "none")
    assert call.headers["authorization"] == "Bearer ***"
    assert 0 < call.started <= call.ended


def test_gemini_writes_for_google_generativeai(cloud: Cloud) -> None:
    cloud.script = "# Hello, Alex"
    answer = gemini(cloud, "For Alex.")
    assert (answer.text, answer.candidates[0].finish_reason.name) == ("# Hello, Alex", "STOP")
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (5, 3, 8)
    (call,) = cloud.calls
    assert (call.kind, call.text, call.units) == ("gemini-2.5-flash", "You write.\nFor Alex.", 8)
    assert call.headers["x-goog-api-key"] == "***"


def test_gemini_names_its_enums_for_google_genai(cloud: Cloud) -> None:
    candidate = plain_gemini(cloud).json()["candidates"][0]
    assert (candidate["finishReason"], candidate["content"]["role"]) == ("STOP", "model")
    assert plain_gemini(cloud, query="?$alt=json;enum-encoding=int").json()["candidates"][0]["finishReason"] == 1


def test_the_default_script_speaks_of_the_prompt_in_the_grammar(cloud: Cloud) -> None:
    text = str(chat(cloud).choices[0].message.content)
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert [line for line in lines if line.startswith("## ")] == [
        "## Welcome back", "## What you did", "## Practice", "## Until tomorrow",
    ]  # fmt: skip
    assert "[pause 3s]" in lines
    assert '"past tense of go is went"' in text


def test_a_script_may_be_a_function_of_the_prompt(cloud: Cloud) -> None:
    cloud.script = str.upper
    assert chat(cloud, "alex").choices[0].message.content == "ALEX"


def test_a_small_limit_cuts_the_script(cloud: Cloud) -> None:
    cloud.script = "word " * 100
    choice = chat(cloud, max_completion_tokens=2).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("word wor", "length")
    candidate = gemini(cloud, max_output_tokens=2).candidates[0]
    assert (candidate.content.parts[0].text, candidate.finish_reason.name) == ("word wor", "MAX_TOKENS")
    assert chat(cloud, model="gpt-4o-mini", max_tokens=2).choices[0].message.content == "word wor"
    assert chat(cloud, max_completion_tokens=125).choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("asked", "status", "code", "param"),
    [
        ({"key": "bad-key"}, 401, "invalid_api_key", None),
        ({"model": "gpt-9"}, 404, "model_not_found", None),
        ({"model": "gpt-4o-mini", "reasoning_effort": "none"}, 400, "unsupported_parameter", "reasoning_effort"),
        ({"model": "gpt-4.1-mini", "reasoning_effort": "low"}, 400, "unsupported_parameter", "reasoning_effort"),
        ({"model": "gpt-6-luna", "max_tokens": 100}, 400, "unsupported_parameter", "max_tokens"),
        ({"model": "gpt-5-mini", "temperature": 0.7}, 400, "unsupported_value", "temperature"),
        ({"extra_query": {"api_key": "sk-alex"}}, 400, "key_in_url", None),
    ],
)
def test_openai_refuses(cloud: Cloud, asked: dict[str, Any], status: int, code: str, param: str | None) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        chat(cloud, **asked)
    assert (caught.value.status_code, caught.value.code, caught.value.param) == (status, code, param)
    assert (cloud.calls[0].outcome, cloud.billed("openai")) == (code, 0)


def test_openai_takes_what_each_family_takes(cloud: Cloud) -> None:
    chat(cloud, model="gpt-4o-mini", temperature=0.7, max_tokens=500)
    chat(cloud, model="gpt-6-luna", temperature=1)
    assert outcomes(cloud) == ["ok", "ok"]


def test_openai_refuses_a_request_without_key_or_messages(cloud: Cloud) -> None:
    assert post(cloud, "/v1/chat/completions", {"model": "gpt-6-luna"}).status_code == 401
    answer = post(cloud, "/v1/chat/completions", {"model": "gpt-6-luna"}, BEARER)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages")


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({"key": "bad-key"}, 401, "UNAUTHENTICATED"),
        ({"key": ""}, 403, "PERMISSION_DENIED"),
        ({"model": "gemini-1.0-pro"}, 404, "NOT_FOUND"),
        ({"query": "?key=AIza-alex"}, 400, "key_in_url"),
    ],
)
def test_gemini_refuses(cloud: Cloud, asked: dict[str, str], status: int, word: str) -> None:
    answer = plain_gemini(cloud, **asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"], outcomes(cloud)) == (status, status, word, [word])


def test_gemini_refuses_a_request_without_contents(cloud: Cloud) -> None:
    answer = post(cloud, "/v1beta/models/gemini-2.5-flash:generateContent", {}, {"x-goog-api-key": "AIza-alex"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_an_unknown_address_is_404_and_in_the_journal(cloud: Cloud) -> None:
    assert post(cloud, "/v1/responses", {}).status_code == 404
    assert [(call.vendor, call.kind, call.outcome) for call in cloud.calls] == [("unknown", "/v1/responses", "404")]


@pytest.mark.parametrize("rate", RATES)
def test_polly_speaks_real_mp3(cloud: Cloud, rate: str) -> None:
    answer = polly(cloud, "a" * 150, SampleRate=rate)
    sound = TinyTag.get(file_obj=io.BytesIO(answer["mp3"]))
    assert (sound.samplerate, sound.channels, sound.bitrate) == (int(rate), 1, 48)
    assert sound.duration == pytest.approx(10, abs=0.04)
    assert 60_000 < len(answer["mp3"]) < 60_100  # whole frames, rounded
    assert (answer["ContentType"], answer["RequestCharacters"]) == ("audio/mpeg", 150)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["transfer-encoding"] == "chunked"


def test_polly_takes_the_engines_own_rate(cloud: Cloud) -> None:
    headers = [polly(cloud, Engine=engine)["mp3"][:4] for engine in ("neural", "standard")]
    assert [header[2] >> 2 & 3 for header in headers] == [1, 0]  # of MPEG-2's 22,050 and 24,000 Hz


def test_polly_speaks_each_text_with_its_own_sound_and_length(cloud: Cloud) -> None:
    went, gone = (polly(cloud, text)["mp3"] for text in ("It went well today.", "It gone well today."))
    assert len(went) == len(gone)
    assert went != gone
    assert polly(cloud, "It went well today.")["mp3"] == went
    japanese = "きょうはよいてんきです。" * 10
    spoken = seconds(polly(cloud, japanese, VoiceId="Kazuha")["mp3"])
    assert spoken == pytest.approx(20, abs=0.04)
    assert spoken > shortest_seconds(japanese)


def test_polly_bills_ssml_without_its_tags(cloud: Cloud) -> None:
    answer = polly(cloud, "<speak>Hello <break time='1s'/>Alex</speak>", TextType="ssml")
    assert (answer["RequestCharacters"], cloud.billed("polly")) == (10, 10)


@pytest.mark.parametrize(
    ("text", "changes", "status", "code"),
    [
        ("a" * 3001, {}, 400, "TextLengthExceededException"),
        (f"<speak>{'<p/>' * 1500}</speak>", {"TextType": "ssml"}, 400, "TextLengthExceededException"),
        ("a", {"VoiceId": "Mizuki"}, 400, "EngineNotSupportedException"),
        ("a", {"VoiceId": "Ruth", "Engine": "standard"}, 400, "EngineNotSupportedException"),
        ("a", {"Engine": "generative"}, 400, "EngineNotSupportedException"),
        ("a", {"Engine": "loud"}, 400, "ValidationException"),
        ("a", {"VoiceId": "Alexa"}, 400, "ValidationException"),
        ("a", {"OutputFormat": "pcm"}, 400, "ValidationException"),
        ("a", {"SampleRate": "32000"}, 400, "InvalidSampleRateException"),
        ("a", {"LanguageCode": "ja-JP"}, 400, "LanguageNotSupportedException"),
        ("<speak>Alex & Yuki</speak>", {"TextType": "ssml"}, 400, "InvalidSsmlException"),
        ("<p>Alex</p>", {"TextType": "ssml"}, 400, "InvalidSsmlException"),
        ("a", {"key": "bad-key"}, 403, "UnrecognizedClientException"),
    ],
)
def test_polly_refuses(cloud: Cloud, text: str, changes: dict[str, str], status: int, code: str) -> None:
    assert refused(cloud, text, **changes) == (status, code)
    assert (outcomes(cloud), cloud.billed("polly")) == ([code], 0)


def test_polly_takes_what_it_may(cloud: Cloud) -> None:
    assert polly(cloud, "a" * 3000)["RequestCharacters"] == 3000
    polly(cloud, "नमस्ते", VoiceId="Kajal", LanguageCode="hi-IN")
    cloud.polly.voices["Ruth"][1].add("generative")
    polly(cloud, VoiceId="Ruth", Engine="generative")
    assert [(call.kind, call.outcome) for call in cloud.calls] == [
        ("neural", "ok"),
        ("neural", "ok"),
        ("generative", "ok"),
    ]


def test_polly_wants_a_signature_and_the_journal_hides_it(cloud: Cloud) -> None:
    assert post(cloud, "/v1/speech", {"Text": "a"}).headers["x-amzn-ErrorType"].startswith("MissingAuthentication")
    polly(cloud)
    header = cloud.calls[1].headers["authorization"]
    assert header.startswith("AWS4-HMAC-SHA256 Credential=AKIAALEX/")
    assert header.endswith("Signature=***")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.BAD_KEY, 401, "invalid_api_key"),
        (Fault.RATE_LIMIT, 429, "rate_limit_exceeded"),
        (Fault.QUOTA, 429, "insufficient_quota"),
        (Fault.SERVER_ERROR, 500, None),
        (Fault.UNAVAILABLE, 503, None),
    ],
)
def test_openais_errors(cloud: Cloud, fault: Fault, status: int, code: str | None) -> None:
    cloud.fail("openai", fault)
    with pytest.raises(openai.APIStatusError) as caught:
        chat(cloud)
    assert (caught.value.status_code, caught.value.code, outcomes(cloud)) == (status, code, [fault.value])


@pytest.mark.parametrize(
    ("fault", "status", "word", "detail"),
    [
        (Fault.BAD_KEY, 400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}),
        (Fault.RATE_LIMIT, 429, "RESOURCE_EXHAUSTED", {"retryDelay": "1s"}),
        (Fault.QUOTA, 429, "RESOURCE_EXHAUSTED", {"retryDelay": "38s"}),
        (Fault.SERVER_ERROR, 500, "INTERNAL", {}),
        (Fault.UNAVAILABLE, 503, "UNAVAILABLE", {}),
    ],
)
def test_geminis_errors(cloud: Cloud, fault: Fault, status: int, word: str, detail: dict[str, str]) -> None:
    cloud.fail("gemini", fault)
    answer = plain_gemini(cloud)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (status, word)
    assert detail.items() <= error.get("details", [{}])[0].items()


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.BAD_KEY, 403, "UnrecognizedClientException"),
        (Fault.EXPIRED_TOKEN, 403, "ExpiredTokenException"),
        (Fault.BAD_SIGNATURE, 403, "InvalidSignatureException"),
        (Fault.RATE_LIMIT, 400, "ThrottlingException"),
        (Fault.SERVER_ERROR, 500, "ServiceFailureException"),
        (Fault.UNAVAILABLE, 503, "ServiceUnavailableException"),
        (Fault.TEXT_TOO_LONG, 400, "TextLengthExceededException"),
        (Fault.ENGINE, 400, "EngineNotSupportedException"),
        (Fault.ENGINE_AS_VALIDATION, 400, "ValidationException"),
        (Fault.SAMPLE_RATE, 400, "InvalidSampleRateException"),
        (Fault.LANGUAGE, 400, "LanguageNotSupportedException"),
        (Fault.VOICE, 400, "ValidationException"),
        (Fault.SSML, 400, "InvalidSsmlException"),
    ],
)
def test_pollys_errors(cloud: Cloud, fault: Fault, status: int, code: str) -> None:
    cloud.fail("polly", fault)
    assert (refused(cloud), outcomes(cloud)) == ((status, code), [fault.value])


def test_retry_after_in_seconds_as_a_date_and_as_nonsense(cloud: Cloud) -> None:
    for vendor, ask in (("openai", plain_chat), ("gemini", plain_gemini)):
        for fault in (Fault.RATE_LIMIT, Fault.RATE_LIMIT_DATE, Fault.RATE_LIMIT_NONSENSE):
            cloud.fail(vendor, fault)
        seconds, date, nonsense = (ask(cloud).headers["Retry-After"] for _ in range(3))
        assert (seconds, nonsense) == ("1", "soon")
        assert 20 < (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds() <= 31


def test_writers_that_answer_and_write_nothing(cloud: Cloud) -> None:
    cloud.script = "# Hello, Alex"
    for fault in (Fault.NO_CHOICES, Fault.EMPTY, Fault.REFUSAL, Fault.FILTER, Fault.LENGTH):
        cloud.fail("openai", fault)
        cloud.fail("gemini", fault)
    assert chat(cloud).choices == []
    choices = [chat(cloud).choices[0] for _ in range(4)]
    assert [(choice.message.content, choice.finish_reason) for choice in choices] == [
        ("", "stop"), (None, "stop"), ("", "content_filter"), ("# Hell", "length"),
    ]  # fmt: skip
    assert choices[1].message.refusal == "I'm sorry, but I can't help with that."
    assert list(gemini(cloud).candidates) == []
    empty, blocked, unsafe, short = (gemini(cloud) for _ in range(4))
    assert (list(empty.candidates[0].content.parts), empty.candidates[0].finish_reason.name) == ([], "STOP")
    assert (list(blocked.candidates), blocked.prompt_feedback.block_reason.name) == ([], "PROHIBITED_CONTENT")
    assert unsafe.candidates[0].finish_reason.name == "SAFETY"
    assert (short.text, short.candidates[0].finish_reason.name) == ("# Hell", "MAX_TOKENS")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RESET, ConnectionClosedError),
        (Fault.HANG, ReadTimeoutError),
        (Fault.CUT_LENGTH, ResponseStreamingError),
        (Fault.CUT_CHUNKED, ResponseStreamingError),
    ],
)
def test_the_wire_breaks_for_polly_and_the_characters_are_billed(
    cloud: Cloud, fault: Fault, error: type[Exception]
) -> None:
    cloud.fail("polly", fault)
    with pytest.raises(error):
        polly(cloud, timeout=SHORT)
    assert ([(call.outcome, call.units) for call in cloud.calls]) == [(fault.value, 19)]
    assert polly(cloud)["RequestCharacters"] == 19


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HANG, Fault.CUT_LENGTH, Fault.CUT_CHUNKED])
def test_the_wire_breaks_for_writers(cloud: Cloud, fault: Fault) -> None:
    timeout = SHORT if fault is Fault.HANG else LONG
    cloud.fail("openai", fault)
    cloud.fail("gemini", fault)
    with pytest.raises(openai.APIConnectionError):
        chat(cloud, timeout=timeout)
    with pytest.raises(requests.RequestException):
        gemini(cloud, timeout=timeout)


def test_a_reset_is_a_reset(cloud: Cloud) -> None:
    cloud.fail("openai", Fault.RESET)
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        plain_chat(cloud)


def test_what_boto3_takes_for_a_success(cloud: Cloud) -> None:
    whole = polly(cloud)["mp3"]
    for fault in (Fault.CUT_SILENT, Fault.HALF_AUDIO, Fault.NO_AUDIO, Fault.HTML, Fault.BAD_JSON):
        cloud.fail("polly", fault)
    silent, half, none, html, bad = (polly(cloud)["mp3"] for _ in range(5))
    assert silent == whole[: len(whole) // 2]
    assert half == whole[: len(half)]
    assert 0.4 < len(half) / len(whole) < 0.6
    assert len(half) % 144 == 50
    assert none == b""
    assert html.startswith(b"<!doctype html>")
    assert bad.startswith(b"{")


def test_a_body_drips_one_byte_a_second(cloud: Cloud) -> None:
    cloud.fail("openai", Fault.DRIP)
    begun = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", cloud.port, timeout=LONG)) as connection:
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), BEARER)
        assert connection.getresponse().read(2) == b'{"'
    assert 1.9 < time.monotonic() - begun < 6
    assert cloud.calls[0].ended == 0


def test_a_hang_ends_when_the_client_hangs_up(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.HANG)
    with pytest.raises(ReadTimeoutError):
        polly(cloud, timeout=SHORT)
    until = time.monotonic() + 5
    while not cloud.calls[0].ended and time.monotonic() < until:
        time.sleep(0.01)
    assert 0.4 < cloud.calls[0].ended - cloud.calls[0].started < 5


def test_faults_are_counted_spared_and_matched(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.NO_AUDIO, times=2, after=1, matching="Yuki")
    for text in ("Yuki", "Alex", "Yuki", "Alex", "Yuki", "Yuki"):
        polly(cloud, text)
    assert outcomes(cloud) == ["ok", "ok", "no_audio", "ok", "no_audio", "ok"]


def test_a_fault_without_a_count_lasts_until_it_is_cleared(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.NO_AUDIO, times=None)
    polly(cloud)
    polly(cloud)
    cloud.clear_faults()
    polly(cloud)
    assert outcomes(cloud) == ["no_audio", "no_audio", "ok"]


def test_a_request_that_is_refused_anyway_uses_up_no_fault(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.NO_AUDIO)
    refused(cloud, VoiceId="Alexa")
    polly(cloud)
    assert outcomes(cloud) == ["ValidationException", "no_audio"]


def test_a_cloud_that_is_reset_is_as_new(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.NO_AUDIO)
    cloud.latency, cloud.rate, cloud.script = {"polly": 60}, {"polly": 1}, "# Hello, Alex"
    chat(cloud)
    cloud.reset()
    assert (cloud.calls, cloud.billed("openai"), cloud.peak("openai")) == ([], 0, 0)
    assert polly(cloud)["mp3"] != b""
    polly(cloud)
    assert str(chat(cloud).choices[0].message.content).startswith("# Today, from your own notes")
    assert outcomes(cloud) == ["ok", "ok", "ok"]


def test_each_vendor_sends_its_own_bill(cloud: Cloud) -> None:
    cloud.script = "# Hello, Alex"
    chat(cloud, "twelve chars")
    polly(cloud, "Hello.")
    polly(cloud, "Hello, Alex.")
    assert [cloud.billed(vendor) for vendor in ("openai", "polly", "gemini")] == [6, 18, 0]


def test_a_fault_that_the_vendor_has_not_is_an_error(cloud: Cloud) -> None:
    for vendor, fault in (("polly", Fault.REFUSAL), ("openai", Fault.SSML), ("azure", Fault.HANG)):
        with pytest.raises(ValueError, match=f"{vendor} has no fault {fault}"):
            cloud.fail(vendor, fault)


@pytest.mark.parametrize(
    ("in_flight", "at", "engine", "status"),
    [
        (17, "neural", "neural", 200),
        (18, "neural", "neural", 400),
        (18, "neural", "standard", 200),
        (18, "standard", "neural", 200),
    ],
)
def test_polly_takes_18_neural_calls_at_once_and_no_more(in_flight: int, at: str, engine: str, status: int) -> None:
    with ThreadPoolExecutor(in_flight) as crowd, Cloud() as cloud:
        cloud.fail("polly", Fault.HANG, times=in_flight)
        for _ in range(in_flight):
            crowd.submit(plain_polly, cloud, at)
        until = time.monotonic() + LONG
        while len(cloud.calls) < in_flight and time.monotonic() < until:
            time.sleep(0.01)
        answer = plain_polly(cloud, engine=engine)
        assert (answer.status_code, cloud.peak("polly")) == (status, in_flight + 1)
        assert cloud.calls[-1].outcome == {200: "ok", 400: "rate_limit"}[status]


def test_a_rate_throttles_what_comes_too_fast(cloud: Cloud) -> None:
    cloud.rate = {"polly": 2}
    assert [plain_polly(cloud).status_code for _ in range(3)] == [200, 200, 400]
    time.sleep(1.01)
    assert [plain_polly(cloud).status_code for _ in range(2)] == [200, 200]


def test_latency_is_for_good_answers(cloud: Cloud) -> None:
    cloud.latency = {"openai": 0.2}
    chat(cloud)
    with pytest.raises(openai.AuthenticationError):
        chat(cloud, key="bad-key")
    good, bad = (call.ended - call.started for call in cloud.calls)
    assert good >= 0.2 > bad


def test_one_call_after_another_is_never_two_at_once(cloud: Cloud) -> None:
    with requests.Session() as session:
        bodies = [session.post(cloud.url + "/v1/speech", json={}).json() for _ in range(20)]
        assert len(cloud._server.sockets) == 1  # kept alive
    assert bodies == [{"message": "Missing Authentication Token"}] * 20
    assert cloud.peak("polly") == 1


def test_the_command_prints_what_to_export() -> None:
    command = [sys.executable, "-m", "tests.cloud", "--latency", "polly=0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        environment = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        url = environment["GEMINI_BASE_URL"]
        status = requests.post(url + "/v1/responses", json={}, timeout=5).status_code
        process.terminate()
    assert status == 404
    assert environment == {
        "OPENAI_BASE_URL": url + "/v1",
        "OPENAI_API_KEY": "sk-stand-in",
        "GEMINI_BASE_URL": url,
        "AWS_ENDPOINT_URL_POLLY": url,
        "AWS_ACCESS_KEY_ID": "AKIASTANDIN",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
    }


def test_it_needs_nothing_but_lameenc() -> None:
    code = "import sys; before = set(sys.modules); import tests.cloud; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"tests", "lameenc"}
