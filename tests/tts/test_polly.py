"""Amazon Polly through boto3: the request in Polly's words, which voice speaks, and what can go wrong."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dailycast.errors import NoEngineError, ProviderError, ProviderNotConfigured, ThrottledError, VendorWideError
from dailycast.tts import polly
from dailycast.tts.base import Clip, Voice
from tests.cloud import Call, Cloud, Fault
from tests.cloud.canned import CannedServer, both_servers, in_json
from tests.cloud.speech import speak as tone

TEXT = "Good morning, Alex. Yesterday you wrote goed; the right word is went."
KEY, SECRET = "AKIAALEX", "secret-of-alex"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Cloud, CannedServer]]:
    with both_servers() as servers:
        yield servers
    polly._cached_client.cache_clear()


@pytest.fixture(autouse=True)
def keys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Alex's keys, and none from this machine."""
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = KEY, SECRET
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    yield
    polly._engine_refusals.clear()


@pytest.fixture
def cloud(servers: tuple[Cloud, CannedServer], settings: Any) -> Cloud:
    settings.AWS_ENDPOINT_URL_POLLY = servers[0].url
    return servers[0]


@pytest.fixture
def canned(servers: tuple[Cloud, CannedServer], settings: Any) -> CannedServer:
    settings.AWS_ENDPOINT_URL_POLLY = servers[1].url
    return servers[1]


@pytest.fixture
def calls(cloud: Cloud) -> Callable[[], list[Call]]:
    """The calls of this test."""
    before = len(cloud.calls)
    return lambda: cloud.calls[before:]


def voice(language: str = "en") -> Voice:
    found = polly.Provider().voice(language)
    assert found is not None
    return found


def speak(text: str = TEXT, language: str = "en", timeout: float = 30) -> Clip:
    return polly.Provider().speak(text, voice(language), timeout)


def failure(text: str = TEXT, language: str = "en", timeout: float = 30) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        speak(text, language, timeout)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_clip(cloud: Cloud) -> None:
    assert voice() == Voice("Joanna", "neural")
    assert speak() == Clip(tone(TEXT, 24_000), 69)


@pytest.mark.parametrize(
    ("language", "engine", "said"),
    [
        ("en", "neural", {"VoiceId": "Joanna", "Engine": "neural", "SampleRate": "24000"}),
        ("en-GB", "standard", {"VoiceId": "Amy", "Engine": "standard", "SampleRate": "22050"}),
        ("ru", "neural", {"VoiceId": "Tatyana", "Engine": "standard", "SampleRate": "22050"}),
        ("hi", "neural", {"VoiceId": "Kajal", "Engine": "neural", "SampleRate": "24000", "LanguageCode": "hi-IN"}),
    ],
)
def test_the_request_in_pollys_words(
    cloud: Cloud, settings: Any, language: str, engine: str, said: dict[str, str]
) -> None:
    settings.DAILYCAST_POLLY_ENGINE = engine
    speak("Hello.", language)
    assert cloud.calls[-1].body == {"Text": "Hello.", "TextType": "text", "OutputFormat": "mp3", **said}


@pytest.mark.parametrize(
    ("language", "neural", "standard"),
    [
        ("en", "Joanna", "Joanna"),
        ("en-US", "Joanna", "Joanna"),
        ("en-GB", "Amy", "Amy"),
        ("en-AU", "Joanna", "Joanna"),
        ("es", "Lucia", "Lucia"),
        ("es-MX", "Mia", "Mia"),
        ("es-US", "Lupe", "Lupe"),
        ("fr", "Lea", "Lea"),
        ("de", "Vicki", "Vicki"),
        ("it", "Bianca", "Bianca"),
        ("pt", "Camila", "Camila"),
        ("pt-PT", "Ines", "Ines"),
        ("ja", "Kazuha", "Mizuki"),
        ("ko", "Seoyeon", "Seoyeon"),
        ("zh", "Zhiyu", "Zhiyu"),
        ("zh-Hans-CN", "Zhiyu", "Zhiyu"),
        ("hi", "Kajal", None),
        ("nl", "Laura", None),
        ("pl", "Ola", None),
        ("sv", "Elin", None),
        ("tr", "Burcu", None),
        ("ar", "Hala", "Zeina"),
        ("ar-EG", "Hala", "Zeina"),
        ("ar-AE", "Hala", "Zeina"),
        ("ru", "Tatyana", "Tatyana"),
        ("uk", None, None),
        ("vi", None, None),
        ("th", None, None),
        ("id", None, None),
        ("el", None, None),
    ],
)
def test_the_voice_of_a_language(settings: Any, language: str, neural: str | None, standard: str | None) -> None:
    assert polly.find_voice_name(language) == neural
    settings.DAILYCAST_POLLY_ENGINE = "standard"
    assert polly.find_voice_name(language) == standard
    assert polly.Provider().voice(language) == (Voice(standard, "standard") if standard else None)


@pytest.mark.parametrize(
    ("language", "voice"), [("en", "Matthew"), ("en-GB", "Brian"), ("en-GB-oxendict", "Brian"), ("ja", "Kazuha")]
)
def test_the_owners_voices_come_first_and_the_longest_tag_wins(settings: Any, language: str, voice: str) -> None:
    settings.DAILYCAST_VOICES = {"en": "Matthew", "en_gb": "Brian"}
    assert polly.find_voice_name(language) == voice


@pytest.mark.parametrize(
    ("voice", "engine", "tried"),
    [
        ("Joanna", "generative", ["generative", "neural", "standard"]),
        ("Joanna", "long-form", ["long-form", "neural", "standard"]),
        ("Joanna", "neural", ["neural", "standard"]),
        ("Joanna", "standard", ["standard"]),
        ("Ruth", "generative", ["generative", "neural"]),
        ("Ruth", "standard", []),
        ("Tatyana", "neural", ["standard"]),
        ("Brian", "neural", ["neural", "standard"]),
    ],
)
def test_the_engines_fall_back(settings: Any, voice: str, engine: str, tried: list[str]) -> None:
    settings.DAILYCAST_POLLY_ENGINE = engine
    assert polly.engines_for(voice) == tried


@pytest.mark.parametrize("fault", [Fault.ENGINE, Fault.ENGINE_AS_VALIDATION])
def test_an_engine_that_polly_refused_is_not_tried_again(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault
) -> None:
    cloud.fail("polly", fault)
    error = failure()
    assert isinstance(error, NoEngineError)
    assert (str(error), error.permanent, error.billed) == (
        "Polly has no Joanna with the engine neural in us-east-1",
        True,
        (),
    )
    assert voice() == Voice("Joanna", "standard")
    speak()
    assert [call.kind for call in calls()] == ["neural", "standard"]


def test_a_refused_engine_is_tried_again_after_an_hour(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail("polly", Fault.ENGINE)
    failure()
    assert caplog.messages == ["Dailycast: Polly has no Joanna with the engine neural in us-east-1"]
    refused = next(iter(polly._engine_refusals.values()))
    monkeypatch.setattr("time.monotonic", lambda: refused + 3599)
    assert polly.engines_for("Joanna") == ["standard"]
    monkeypatch.setattr("time.monotonic", lambda: refused + 3600)
    assert polly.engines_for("Joanna") == ["neural", "standard"]


def test_a_refused_engine_is_tried_in_another_region(
    cloud: Cloud, calls: Callable[[], list[Call]], settings: Any
) -> None:
    cloud.fail("polly", Fault.ENGINE)
    failure()
    assert voice().engine == "standard"
    settings.AWS_REGION = "eu-west-1"
    assert voice().engine == "neural"
    speak()
    assert [call.kind for call in calls()] == ["neural", "neural"]


def test_an_engine_that_the_table_does_not_list_is_tried_first(calls: Callable[[], list[Call]], settings: Any) -> None:
    settings.DAILYCAST_POLLY_ENGINE = "generative"
    assert isinstance(failure(), NoEngineError)  # the stand-in's Joanna has none
    speak()
    assert [call.kind for call in calls()] == ["generative", "neural"]


def test_another_voice_of_the_language_speaks_where_the_first_has_no_engine(cloud: Cloud) -> None:
    cloud.fail("polly", Fault.ENGINE, times=3)
    refused = []
    for _ in range(3):
        refused.append(voice("ja").name)
        failure("おはよう。", "ja")
    assert (refused, voice("ja")) == (["Kazuha", "Tomoko", "Takumi"], Voice("Mizuki", "standard"))


def test_the_owners_own_voice_is_never_replaced(cloud: Cloud, settings: Any) -> None:
    settings.DAILYCAST_VOICES = {"en": "Ruth"}
    cloud.fail("polly", Fault.ENGINE)
    failure()
    with pytest.raises(ProviderNotConfigured) as caught:
        voice()
    assert str(caught.value) == (
        "Polly has no Ruth for en with neural in us-east-1: change DAILYCAST_POLLY_ENGINE or DAILYCAST_VOICES."
    )


def test_too_long_a_clip_is_not_sent(calls: Callable[[], list[Call]]) -> None:
    assert speak("a" * 2_800).characters == 2_800
    error = failure("a" * 2_801)
    assert (str(error), error.permanent) == ("The clip has 2,801 characters and Polly takes 2,800: split it.", True)
    assert len(calls()) == 1


@pytest.mark.parametrize(("headers", "characters"), [({"x-amzn-RequestCharacters": "77"}, 77), ({}, 69)])
def test_the_characters_are_those_that_polly_bills(
    canned: CannedServer, headers: dict[str, str], characters: int
) -> None:
    canned.set_replies((200, {"Content-Type": "audio/mpeg", **headers}, tone(TEXT, 24_000)))
    assert speak().characters == characters


SLOW = "Polly could not be reached or gave no whole answer within {:g} s: check the network and AWS_REGION."
KEYS = "AWS refused the keys ({}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and this server's clock."
REJECTED = "Polly rejected the voice Joanna or its text ({}): {} Check DAILYCAST_VOICES."


@pytest.mark.parametrize(
    ("fault", "message", "permanent"),
    [
        (Fault.RESET, SLOW, False),
        (Fault.HANG, SLOW, False),
        (Fault.CUT_LENGTH, SLOW, False),
        (Fault.CUT_CHUNKED, SLOW, False),
        (Fault.CUT_SILENT, "The audio ", False),
        (Fault.HALF_AUDIO, "The audio is not a whole MP3: ", False),
        (Fault.NO_AUDIO, "The audio is not a whole MP3: ", False),
        (Fault.HTML, "Polly's answer is no audio: check AWS_ENDPOINT_URL_POLLY.", False),
        (Fault.BAD_KEY, KEYS.format("UnrecognizedClientException"), True),
        (Fault.BAD_SIGNATURE, KEYS.format("InvalidSignatureException"), True),
        (Fault.EXPIRED_TOKEN, "The temporary AWS keys have expired (ExpiredTokenException): renew them and", True),
        (Fault.RATE_LIMIT, "Polly takes no more calls for now (ThrottlingException): try again later.", False),
        (Fault.SERVER_ERROR, "Polly failed (ServiceFailureException): try again later.", False),
        (Fault.UNAVAILABLE, "Polly failed (ServiceUnavailableException): try again later.", False),
        (Fault.TEXT_TOO_LONG, "The text is too long for one call (TextLengthExceededException): split the clip.", True),
        (Fault.VOICE, "Polly rejected the voice Joanna or its text (ValidationException): 1 validation", True),
        (
            Fault.LANGUAGE,
            REJECTED.format("LanguageNotSupportedException", "This voice does not support the selected language."),
            True,
        ),
    ],
)
def test_every_fault_has_its_message_and_is_not_retried(
    cloud: Cloud, calls: Callable[[], list[Call]], fault: Fault, message: str, permanent: bool
) -> None:
    cloud.fail("polly", fault)
    timeout = 1 if fault is Fault.HANG else 30
    error = failure(timeout=timeout)
    assert str(error).startswith(message.format(timeout))
    assert (error.permanent, error.retry_after) == (permanent, None)
    assert [call.outcome for call in calls()] == [fault]


@pytest.mark.parametrize(
    ("code", "status", "message", "permanent", "wait"),
    [
        ("AccessDeniedException", 403, "AWS does not let these keys speak (AccessDeniedException): allow", True, None),
        ("IncompleteSignatureException", 403, "AWS refused the keys (Incomplete", True, None),
        ("TooManyRequestsException", 429, "Polly takes no more calls for now (TooManyReq", False, 3),
        ("SlowDown", 429, "Polly takes no more calls for now (SlowDown)", False, 3),
        ("SomethingNew", 400, "Polly rejected the voice Joanna or its text (SomethingNew): *** ***.", True, None),
        ("SomethingNew", 500, "Polly failed (SomethingNew): try again later.", False, 3),
    ],
)
def test_every_error_code_has_its_message_without_the_keys(
    canned: CannedServer, code: str, status: int, message: str, permanent: bool, wait: float | None
) -> None:
    headers = {"x-amzn-ErrorType": code, "Retry-After": "3"}
    canned.set_replies(in_json({"message": f"{KEY} {SECRET}"}, status, **headers))
    error = failure()
    assert str(error).startswith(message)
    assert (error.permanent, error.retry_after) == (permanent, wait)
    assert len(canned.requests) == 1


@pytest.mark.parametrize(
    ("region", "endpoint", "permanent", "message"),
    [
        (
            "no region",
            "http://127.0.0.1:1",
            True,
            "Polly could not be called: Provided region_name 'no region' doesn't",
        ),
        ("us-east-1", "nonsense", True, "Polly could not be called: Invalid endpoint: nonsense. Check AWS_REGION, the"),
        (
            "us-east-1",
            "http://127.0.0.1:1",
            False,
            "Polly could not be reached (Connection refused): check the network",
        ),
    ],
)
def test_a_call_that_cannot_be_made(settings: Any, region: str, endpoint: str, permanent: bool, message: str) -> None:
    settings.AWS_REGION, settings.AWS_ENDPOINT_URL_POLLY = region, endpoint
    error = failure()
    assert str(error).startswith(message)
    assert error.permanent is permanent


def test_eight_clips_at_once_through_one_client(cloud: Cloud, settings: Any) -> None:
    settings.AWS_REGION = "eu-central-1"  # for a client of its own
    before = polly._cached_client.cache_info().misses
    cloud.latency["polly"] = 0.5
    texts = [f"This is clip number {number}." for number in range(8)]
    with ThreadPoolExecutor(polly.Provider.parallel) as pool:
        spoken = list(pool.map(speak, texts))
    cloud.latency.clear()
    assert [clip.mp3 for clip in spoken] == [tone(text, 24_000) for text in texts]
    assert polly._cached_client.cache_info().misses == before + 1
    assert polly.Provider.parallel == 8
    assert cloud.peak("polly") > 1


@pytest.mark.parametrize(
    ("fault", "kind", "billed"),
    [
        (Fault.BAD_KEY, VendorWideError, ()),
        (Fault.EXPIRED_TOKEN, VendorWideError, ()),
        (Fault.RATE_LIMIT, ThrottledError, ()),
        (Fault.SERVER_ERROR, ProviderError, ()),
        (Fault.TEXT_TOO_LONG, ProviderError, ()),
        (Fault.VOICE, ProviderError, ()),
        (Fault.HALF_AUDIO, ProviderError, (69,)),
        (Fault.CUT_SILENT, ProviderError, (69,)),
        (Fault.RESET, ProviderError, None),
        (Fault.CUT_LENGTH, ProviderError, None),
    ],
)
def test_every_fault_says_what_it_cost_and_whom_it_concerns(
    cloud: Cloud, fault: Fault, kind: type[ProviderError], billed: tuple[int, ...] | None
) -> None:
    cloud.fail("polly", fault)
    error = failure()
    assert (type(error), error.billed) == (kind, billed)


def test_a_new_client_is_made_for_other_settings_and_after_a_fork() -> None:
    def client(secret: str = SECRET, endpoint: str = "http://127.0.0.1", timeout: int = 30, pid: int = 1) -> Any:
        return polly._cached_client((KEY, secret, ""), "us-east-1", endpoint, timeout, pid)

    first = client()
    assert client() is first
    for other in ({"secret": "b"}, {"endpoint": "http://127.0.0.2"}, {"timeout": 2}, {"pid": 2}):
        assert client(**other) is not client()


@pytest.mark.parametrize(("timeout", "connect", "read"), [(100, 5, 30), (30, 5, 30), (2.2, 3, 3)])
def test_boto3_neither_retries_nor_waits_for_long(cloud: Cloud, timeout: float, connect: int, read: int) -> None:
    config: Any = polly._client(timeout).meta.config
    assert (config.connect_timeout, config.read_timeout) == (connect, read)
    assert config.max_pool_connections > 40  # half a second each at Polly's highest limit, 80 a second
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}


def test_temporary_keys_send_their_token(cloud: Cloud, settings: Any) -> None:
    speak()
    assert "x-amz-security-token" not in cloud.calls[-1].headers
    settings.AWS_SESSION_TOKEN = "token-of-alex"
    speak()
    assert cloud.calls[-1].headers["x-amz-security-token"] == "***"
    assert f"Credential={KEY}/" in cloud.calls[-1].headers["authorization"]


def test_boto3_finds_its_own_credentials(
    cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.AWS_ACCESS_KEY_ID = settings.AWS_SECRET_ACCESS_KEY = ""
    settings.DAILYCAST_AWS_DEFAULT_CREDENTIALS = True
    polly._cached_client.cache_clear()
    error = failure()
    assert error.permanent
    assert "Unable to locate credentials" in str(error)
    polly._cached_client.cache_clear()
    shared = tmp_path / "credentials"
    shared.write_text("[default]\naws_access_key_id = AKIASHARED\naws_secret_access_key = shared\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    speak()
    assert "Credential=AKIASHARED/" in cloud.calls[-1].headers["authorization"]
    polly._cached_client.cache_clear()


@pytest.mark.parametrize(
    ("key", "secret", "default", "engine", "installed", "missing"),
    [
        ("", "", False, "neural", True, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (KEY, "", False, "neural", True, "set AWS_SECRET_ACCESS_KEY"),
        ("", SECRET, False, "neural", True, "set AWS_ACCESS_KEY_ID"),
        (KEY, "", True, "neural", True, "set AWS_SECRET_ACCESS_KEY"),
        ("", "", True, "neural", True, ""),
        (KEY, SECRET, False, "neural", True, ""),
        (KEY, SECRET, False, "neural", False, "pip install 'dailycast[polly]'"),
        (
            KEY,
            SECRET,
            False,
            "best",
            True,
            "set DAILYCAST_POLLY_ENGINE to one of generative, long-form, neural, standard",
        ),
    ],
)
def test_what_is_missing(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    secret: str,
    default: bool,
    engine: str,
    installed: bool,
    missing: str,
) -> None:
    settings.AWS_ACCESS_KEY_ID, settings.AWS_SECRET_ACCESS_KEY = key, secret
    settings.DAILYCAST_AWS_DEFAULT_CREDENTIALS, settings.DAILYCAST_POLLY_ENGINE = default, engine
    if not installed:
        monkeypatch.setattr(polly, "find_spec", lambda name: None)
    assert polly.Provider().missing() == missing


def test_boto3s_own_endpoint_is_used_where_no_setting_names_one(
    servers: tuple[Cloud, CannedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_POLLY", servers[0].url)
    polly._cached_client.cache_clear()
    assert speak().characters == 69
    polly._cached_client.cache_clear()


def test_an_unknown_engine_is_a_problem(settings: Any) -> None:
    settings.DAILYCAST_POLLY_ENGINE = "best"
    assert polly.Provider().problems() == [
        "best is no engine of Polly: set DAILYCAST_POLLY_ENGINE to one of generative, long-form, neural, standard."
    ]


def test_an_unknown_voice_is_a_problem(settings: Any) -> None:
    settings.DAILYCAST_VOICES = {"en": "Joana", "ja": "Takumi"}
    (problem,) = polly.Provider().problems()
    assert problem.startswith("DAILYCAST_VOICES: en=Joana is not among the known Polly voices: Joanna, Matthew, Ruth")
