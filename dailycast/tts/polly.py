"""Amazon Polly: one SynthesizeSpeech call a clip, plain text in, MP3 out."""

import logging
import math
import os
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from ..conf import conf
from ..errors import NoEngineError, ProviderError, ProviderNotConfigured, ThrottledError, VendorWideError
from ..gateway.http import TRANSIENT, retry_after
from ..gateway.messages import brief, unanswered
from ..gateway.provider import require
from ..languages.table import primary_subtag
from .base import Clip, TTSProvider, Voice, whole

logger = logging.getLogger("dailycast")
MOST_CHARACTERS = 2_800  # Polly takes 3,000 a call
PARALLEL = 8  # Polly's limit is 8 calls a second, 18 neural ones at once
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 30  # seconds, at most
SAMPLE_RATES = {"standard": "22050"}  # Hz, else 24,000: each engine's own

STEPS = {  # the engine asked for -> those that may speak, in the order they are tried
    "generative": ("generative", "neural", "standard"),
    "long-form": ("long-form", "neural", "standard"),
    "neural": ("neural", "standard"),
    "standard": ("standard",),
}
KNOWN_ENGINES = f"set DAILYCAST_POLLY_ENGINE to one of {', '.join(STEPS)}"
LISTED = ("neural", "standard")  # the engines that VOICES knows of; Polly itself is asked about the others


@dataclass(frozen=True)
class Speaker:
    """`engines` are those of LISTED that it has; `language_code` is sent where its own default is another language."""

    language: str  # BCP-47
    engines: tuple[str, ...] = LISTED
    language_code: str = ""


NEURAL, STANDARD = ("neural",), ("standard",)
# From Polly's DescribeVoices. The first voice of a language is the one for the language without a region.
VOICES = {
    "Joanna": Speaker("en-US"),
    "Matthew": Speaker("en-US"),
    "Ruth": Speaker("en-US", NEURAL),
    "Stephen": Speaker("en-US", NEURAL),
    "Amy": Speaker("en-GB"),
    "Lucia": Speaker("es-ES"),
    "Mia": Speaker("es-MX"),
    "Lupe": Speaker("es-US"),
    "Lea": Speaker("fr-FR"),
    "Remi": Speaker("fr-FR", NEURAL),
    "Vicki": Speaker("de-DE"),
    "Daniel": Speaker("de-DE", NEURAL),
    "Bianca": Speaker("it-IT"),
    "Camila": Speaker("pt-BR"),
    "Ines": Speaker("pt-PT"),
    "Kazuha": Speaker("ja-JP", NEURAL),
    "Tomoko": Speaker("ja-JP", NEURAL),
    "Takumi": Speaker("ja-JP", NEURAL),
    "Mizuki": Speaker("ja-JP", STANDARD),
    "Seoyeon": Speaker("ko-KR"),
    "Zhiyu": Speaker("zh-CN"),  # Polly's cmn-CN
    "Kajal": Speaker("hi-IN", NEURAL, "hi-IN"),  # speaks Indian English too
    "Laura": Speaker("nl-NL", NEURAL),
    "Ola": Speaker("pl-PL", NEURAL),
    "Elin": Speaker("sv-SE", NEURAL),
    "Burcu": Speaker("tr-TR", NEURAL),
    "Hala": Speaker("ar-AE", NEURAL),
    "Zeina": Speaker("ar-001", STANDARD),  # Polly's arb
    "Tatyana": Speaker("ru-RU", STANDARD),
}

KEYS = "AWS refused the keys ({}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and this server's clock."
EXPIRED = "The temporary AWS keys have expired ({}): renew them and AWS_SESSION_TOKEN."
REFUSALS = {
    "UnrecognizedClientException": KEYS,
    "InvalidSignatureException": KEYS,
    "IncompleteSignatureException": KEYS,
    "MissingAuthenticationTokenException": KEYS,
    "ExpiredTokenException": EXPIRED,
    "AccessDeniedException": "AWS does not let these keys speak ({}): allow them polly:SynthesizeSpeech in IAM.",
}
TOO_LONG = ("TextLengthExceededException",)
HOUR = 3600  # seconds
MOST_CONNECTIONS = 128  # kept open: all episodes of the process share them, and a new one costs a TLS handshake
THROTTLED = ("ThrottlingException", "TooManyRequestsException")  # which come as HTTP 400


class Provider(TTSProvider):
    name = "polly"
    parallel = PARALLEL

    def missing(self) -> str:
        absent = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not getattr(conf, name)]
        if len(absent) == 1 or (absent and not conf.DAILYCAST_AWS_DEFAULT_CREDENTIALS):
            return f"set {' and '.join(absent)}"
        if conf.DAILYCAST_POLLY_ENGINE not in STEPS:
            return KNOWN_ENGINES
        return "" if find_spec("boto3") else "pip install 'dailycast[polly]'"

    def problems(self) -> list[str]:
        found = [
            f"DAILYCAST_VOICES: {language}={voice} is not among the known Polly voices: {', '.join(VOICES)}."
            for language, voice in conf.DAILYCAST_VOICES.items()
            if voice not in VOICES
        ]
        if conf.DAILYCAST_POLLY_ENGINE not in STEPS:
            found.append(f"{conf.DAILYCAST_POLLY_ENGINE} is no engine of Polly: {KNOWN_ENGINES}.")
        return found

    def prepare(self) -> None:
        _client(conf.DAILYCAST_SPEECH_TIMEOUT)

    def voice(self, language: str) -> Voice | None:
        name = voice_for(language)
        if name is None:
            return None
        for engine in engines_for(name):
            return Voice(name, engine)
        message = f"Polly has no {name} for {language} with {conf.DAILYCAST_POLLY_ENGINE} in {conf.AWS_REGION}"
        raise ProviderNotConfigured(f"{message}: change DAILYCAST_POLLY_ENGINE or DAILYCAST_VOICES.")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        if len(text) > MOST_CHARACTERS:
            message = f"The clip has {len(text):,} characters and Polly takes {MOST_CHARACTERS:,}: split it."
            raise ProviderError(message, permanent=True, billed=())
        mp3, characters = _synthesize(text, voice, timeout)
        if mp3[:1] in (b"<", b"{"):
            raise ProviderError("Polly's answer is no audio: check AWS_ENDPOINT_URL_POLLY.", permanent=False)
        try:
            whole(mp3, text)
        except ProviderError as error:
            error.billed = None if characters is None else (characters,)
            raise
        return Clip(mp3, len(text) if characters is None else characters)


def voice_for(language: str) -> str | None:
    """The Polly voice for a BCP-47 `language`: DAILYCAST_VOICES under its longest tag, else the table's."""
    chosen = {tag.replace("_", "-").lower(): voice for tag, voice in conf.DAILYCAST_VOICES.items()}
    tag = language.lower()
    while tag:
        if tag in chosen:
            return chosen[tag]
        tag = tag.rpartition("-")[0]
    same = [
        name
        for name, voice in VOICES.items()
        if primary_subtag(voice.language) == primary_subtag(language) and engines_for(name)
    ]
    return min(same, key=lambda name: VOICES[name].language != language, default=None)


def engines_for(voice: str) -> list[str]:
    """The engines to try for `voice`, in order: DAILYCAST_POLLY_ENGINE and cheaper ones, less those it lacks."""
    has = VOICES[voice].engines if voice in VOICES else LISTED
    steps = STEPS.get(conf.DAILYCAST_POLLY_ENGINE, ())
    return [engine for engine in steps if (engine in has or engine not in LISTED) and not _was_refused(voice, engine)]


_refused: dict[tuple[str, ...], float] = {}  # when Polly said so: for an hour it would say so to every other clip


def _was_refused(voice: str, engine: str) -> bool:
    return time.monotonic() < _refused.get(_place(voice, engine), -HOUR) + HOUR


def _place(voice: str, engine: str) -> tuple[str, ...]:
    return conf.AWS_ENDPOINT_URL_POLLY, conf.AWS_REGION, voice, engine


_lock = threading.Lock()  # else the first eight clips would each make a client


def _synthesize(text: str, voice: Voice, timeout: float) -> tuple[bytes, int | None]:
    """The MP3 as Polly sent it, whole or not, and the characters that it bills; None where it does not say."""
    errors = require("botocore.exceptions", "polly")
    try:
        response: Any = _client(timeout).synthesize_speech(**_request(text, voice))
        with closing(response["AudioStream"]) as stream:
            return stream.read(), response.get("RequestCharacters")
    except errors.ClientError as error:
        raise _refusal(error, voice) from error
    except (errors.ConnectionError, errors.HTTPClientError, errors.IncompleteReadError) as error:
        raise unanswered("Polly", timeout, "AWS_REGION") from error
    except (errors.BotoCoreError, ValueError) as error:  # no credentials found, a region or an endpoint that is none
        message = (
            f"Polly could not be called: {brief(str(error))} Check AWS_REGION, the keys and AWS_ENDPOINT_URL_POLLY."
        )
        raise ProviderError(message, permanent=True, billed=()) from error


def _request(text: str, voice: Voice) -> dict[str, Any]:
    request = {
        "Text": text,
        "TextType": "text",
        "VoiceId": voice.name,
        "Engine": voice.engine,
        "OutputFormat": "mp3",
        "SampleRate": SAMPLE_RATES.get(voice.engine, "24000"),
    }
    code = VOICES[voice.name].language_code if voice.name in VOICES else ""
    return {**request, "LanguageCode": code} if code else request


def _client(timeout: float) -> Any:
    keys = conf.AWS_ACCESS_KEY_ID, conf.AWS_SECRET_ACCESS_KEY, conf.AWS_SESSION_TOKEN
    endpoint = conf.AWS_ENDPOINT_URL_POLLY or None
    with _lock:
        return _new_client(keys, conf.AWS_REGION, endpoint, math.ceil(min(timeout, READ_TIMEOUT)), os.getpid())


@lru_cache(maxsize=4)
def _new_client(keys: tuple[str, str, str], region: str, endpoint: str | None, timeout: int, pid: int) -> Any:
    """One for the process, and a new one after a fork or a change of settings. Without keys, boto3 finds its own."""
    key, secret, token = (value or None for value in keys)
    session = require("boto3.session", "polly").Session(key, secret, token, region)
    config = require("botocore.config", "polly").Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=min(timeout, CONNECT_TIMEOUT),
        read_timeout=timeout,
        max_pool_connections=MOST_CONNECTIONS,
    )
    return session.client("polly", endpoint_url=endpoint, config=config)


def _refusal(error: Any, voice: Voice) -> ProviderError:
    told, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message, status = told.get("Code", ""), told.get("Message", ""), answer.get("HTTPStatusCode", 0)
    if code == "EngineNotSupportedException" or (code == "ValidationException" and "engine" in message.lower()):
        _refused[_place(voice.name, voice.engine)] = time.monotonic()
        message = f"Polly has no {voice.name} with the engine {voice.engine} in {conf.AWS_REGION}"
        logger.warning("Dailycast: %s", message)
        return NoEngineError(message)
    wait = retry_after(answer.get("HTTPHeaders", {}).get("retry-after"))
    if code in THROTTLED or status in TRANSIENT:
        message = f"Polly takes no more calls for now ({code}): try again later."
        return ThrottledError(message, wait)
    if status >= 500:
        return ProviderError(f"Polly failed ({code}): try again later.", False, wait, billed=())
    if code in REFUSALS:
        return VendorWideError(REFUSALS[code].format(code))
    if code in TOO_LONG:
        return ProviderError(f"The text is too long for one call ({code}): split the clip.", permanent=True, billed=())
    rejected = f"Polly rejected the voice {voice.name} or its text ({code}): {brief(message)} Check DAILYCAST_VOICES."
    return ProviderError(rejected, permanent=True, billed=())
