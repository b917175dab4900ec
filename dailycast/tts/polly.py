"""Amazon Polly: one SynthesizeSpeech call for each clip, plain text in, MP3 out."""

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
from ..gateway.answers import sane_figure
from ..gateway.clients import guard_boto3
from ..gateway.http import CONNECT_TIMEOUT, TRANSIENT_STATUSES, Vendor, own_error, parse_retry_after
from ..gateway.messages import no_answer_error, redact_and_shorten
from ..gateway.provider import bill_errors, require
from ..languages.table import primary_subtag
from .base import Clip, TTSProvider, Voice, whole

logger = logging.getLogger("dailycast")
MAX_CHARACTERS = 2_800  # of a clip; Polly accepts 3,000
PARALLEL = 8  # Polly's limit is 8 calls a second, 18 neural ones at once
READ_TIMEOUT = 30  # seconds, at most
VENDOR = Vendor("Polly", "AWS_ENDPOINT_URL_POLLY or AWS_REGION", max_body=10_000_000)  # a clip has some 500 KB
SAMPLE_RATES = {"standard": "22050"}  # Hz, else 24,000: each engine's own

ENGINE_FALLBACKS = {  # the engine that is set -> the engines to try, in this order
    "generative": ("generative", "neural", "standard"),
    "long-form": ("long-form", "neural", "standard"),
    "neural": ("neural", "standard"),
    "standard": ("standard",),
}
ENGINE_HINT = f"set DAILYCAST_POLLY_ENGINE to one of {', '.join(ENGINE_FALLBACKS)}"
TABLE_ENGINES = ("neural", "standard")  # the engines that VOICES lists; the others are tried with Polly itself


@dataclass(frozen=True)
class PollyVoice:
    """`engines` are those of TABLE_ENGINES that it has; `language_code` is sent where Polly's default would differ."""

    language: str  # BCP-47
    engines: tuple[str, ...] = TABLE_ENGINES
    language_code: str = ""


NEURAL, STANDARD = ("neural",), ("standard",)
# From Polly's DescribeVoices. The first voice of a language is the one for the language without a region.
VOICES = {
    "Joanna": PollyVoice("en-US"),
    "Matthew": PollyVoice("en-US"),
    "Ruth": PollyVoice("en-US", NEURAL),
    "Stephen": PollyVoice("en-US", NEURAL),
    "Amy": PollyVoice("en-GB"),
    "Lucia": PollyVoice("es-ES"),
    "Mia": PollyVoice("es-MX"),
    "Lupe": PollyVoice("es-US"),
    "Lea": PollyVoice("fr-FR"),
    "Remi": PollyVoice("fr-FR", NEURAL),
    "Vicki": PollyVoice("de-DE"),
    "Daniel": PollyVoice("de-DE", NEURAL),
    "Bianca": PollyVoice("it-IT"),
    "Camila": PollyVoice("pt-BR"),
    "Ines": PollyVoice("pt-PT"),
    "Kazuha": PollyVoice("ja-JP", NEURAL),
    "Tomoko": PollyVoice("ja-JP", NEURAL),
    "Takumi": PollyVoice("ja-JP", NEURAL),
    "Mizuki": PollyVoice("ja-JP", STANDARD),
    "Seoyeon": PollyVoice("ko-KR"),
    "Zhiyu": PollyVoice("zh-CN"),  # Polly's cmn-CN
    "Kajal": PollyVoice("hi-IN", NEURAL, "hi-IN"),  # speaks Indian English too
    "Laura": PollyVoice("nl-NL", NEURAL),
    "Ola": PollyVoice("pl-PL", NEURAL),
    "Elin": PollyVoice("sv-SE", NEURAL),
    "Burcu": PollyVoice("tr-TR", NEURAL),
    "Hala": PollyVoice("ar-AE", NEURAL),
    "Zeina": PollyVoice("ar-001", STANDARD),  # Polly's arb
    "Tatyana": PollyVoice("ru-RU", STANDARD),
}

REFUSED_KEYS = "AWS refused the keys ({}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and this server's clock."
EXPIRED_KEYS = "The temporary AWS keys have expired ({}): renew them and AWS_SESSION_TOKEN."
ACCOUNT_ERRORS = {
    "UnrecognizedClientException": REFUSED_KEYS,
    "InvalidSignatureException": REFUSED_KEYS,
    "IncompleteSignatureException": REFUSED_KEYS,
    "MissingAuthenticationTokenException": REFUSED_KEYS,
    "ExpiredTokenException": EXPIRED_KEYS,
    "AccessDeniedException": "AWS does not let these keys speak ({}): allow them polly:SynthesizeSpeech in IAM.",
}
TOO_LONG_CODES = ("TextLengthExceededException",)
REFUSAL_SECONDS = 3600  # for which an engine that Polly refused is not tried again
MAX_CONNECTIONS = 128  # kept alive for all episodes of the process, because a new one costs a TLS handshake
THROTTLING_CODES = ("ThrottlingException", "TooManyRequestsException")  # with HTTP status 400


class Provider(TTSProvider):
    name = "polly"
    parallel = PARALLEL

    def missing(self) -> str:
        missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not getattr(conf, name)]
        if len(missing) == 1 or (missing and not conf.DAILYCAST_AWS_DEFAULT_CREDENTIALS):
            return f"set {' and '.join(missing)}"
        if conf.DAILYCAST_POLLY_ENGINE not in ENGINE_FALLBACKS:
            return ENGINE_HINT
        return "" if find_spec("boto3") else "pip install 'dailycast[polly]'"

    def problems(self) -> list[str]:
        messages = [
            f"DAILYCAST_VOICES: {language}={voice} is not among the known Polly voices: {', '.join(VOICES)}."
            for language, voice in conf.DAILYCAST_VOICES.items()
            if voice not in VOICES
        ]
        if conf.DAILYCAST_POLLY_ENGINE not in ENGINE_FALLBACKS:
            messages.append(f"{conf.DAILYCAST_POLLY_ENGINE} is no engine of Polly: {ENGINE_HINT}.")
        return messages

    def prepare(self) -> None:
        _client(conf.DAILYCAST_SPEECH_TIMEOUT)

    def voice(self, language: str) -> Voice | None:
        name = find_voice_name(language)
        if name is None:
            return None
        for engine in engines_for(name):
            return Voice(name, engine)
        message = f"Polly has no {name} for {language} with {conf.DAILYCAST_POLLY_ENGINE} in {conf.AWS_REGION}"
        raise ProviderNotConfigured(f"{message}: change DAILYCAST_POLLY_ENGINE or DAILYCAST_VOICES.")

    def speak(self, text: str, voice: Voice, timeout: float) -> Clip:
        if len(text) > MAX_CHARACTERS:
            message = f"The clip has {len(text):,} characters and Polly takes {MAX_CHARACTERS:,}: split it."
            raise ProviderError(message, permanent=True, billed=())
        mp3, characters = _synthesize(text, voice, timeout)
        if mp3[:1] in (b"<", b"{"):
            raise ProviderError("Polly's answer is no audio: check AWS_ENDPOINT_URL_POLLY.", permanent=False)
        with bill_errors(characters):
            whole(mp3, text)
        return Clip(mp3, len(text) if characters is None else characters)


def find_voice_name(language: str) -> str | None:
    """The Polly voice for a BCP-47 `language`: from DAILYCAST_VOICES by its longest tag, else from the table."""
    chosen = {tag.replace("_", "-").lower(): voice for tag, voice in conf.DAILYCAST_VOICES.items()}
    tag = language.lower()
    while tag:
        if tag in chosen:
            return chosen[tag]
        tag = tag.rpartition("-")[0]
    same = [name for name, voice in VOICES.items() if primary_subtag(voice.language) == primary_subtag(language)]
    usable = [name for name in same if engines_for(name)]
    refused = [name for name in same if engines_for(name, with_refused=True)]  # its language has a voice all the same
    return min(usable or refused, key=lambda name: VOICES[name].language != language, default=None)


def engines_for(voice: str, with_refused: bool = False) -> list[str]:
    """The engines to try for `voice`, in order: DAILYCAST_POLLY_ENGINE and cheaper ones, without those it lacks."""
    available = VOICES[voice].engines if voice in VOICES else TABLE_ENGINES
    return [
        engine
        for engine in ENGINE_FALLBACKS.get(conf.DAILYCAST_POLLY_ENGINE, ())
        if (engine in available or engine not in TABLE_ENGINES)
        and (with_refused or not _is_engine_refused(voice, engine))
    ]


_engine_refusals: dict[tuple[str, ...], float] = {}  # when Polly refused an engine: it would refuse every clip


def _is_engine_refused(voice: str, engine: str) -> bool:
    return time.monotonic() < _engine_refusals.get(_refusal_key(voice, engine), -REFUSAL_SECONDS) + REFUSAL_SECONDS


def _refusal_key(voice: str, engine: str) -> tuple[str, ...]:
    return conf.AWS_ENDPOINT_URL_POLLY, conf.AWS_REGION, voice, engine


_lock = threading.Lock()  # else each of the first eight clips makes a client


def _synthesize(text: str, voice: Voice, timeout: float) -> tuple[bytes, int | None]:
    """The MP3 as Polly sent it, complete or not, and the characters that it bills; None where it names none."""
    errors = require("botocore.exceptions", "polly")
    try:
        response: Any = _counting_client(timeout).synthesize_speech(**_request(text, voice))
        with closing(response["AudioStream"]) as stream:
            return stream.read(), _characters(response.get("RequestCharacters"))
    except errors.ClientError as error:
        raise _client_error(error, voice) from error
    except (errors.ConnectionError, errors.HTTPClientError, errors.IncompleteReadError) as error:
        raise own_error(error) or no_answer_error("Polly", timeout, "AWS_REGION") from error
    except (errors.BotoCoreError, ValueError) as error:  # no credentials, an invalid region or endpoint
        reason = redact_and_shorten(str(error))
        message = f"Polly could not be called: {reason} Check AWS_REGION, the keys and AWS_ENDPOINT_URL_POLLY."
        raise ProviderError(message, permanent=True, billed=()) from error


def _counting_client(timeout: float) -> Any:
    """The client, which reads the count of characters as a text: over one that is no number it would lose the clip."""
    client = _client(timeout)
    answer = client.meta.service_model.operation_model("SynthesizeSpeech").output_shape
    answer.members["RequestCharacters"].type_name = "string"
    return client


def _characters(header: str | None) -> int | None:
    """The figure in `x-amzn-RequestCharacters`; None for what is none."""
    digits = (header or "").strip()
    return sane_figure(int(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


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
        return _cached_client(keys, conf.AWS_REGION, endpoint, math.ceil(min(timeout, READ_TIMEOUT)), os.getpid())


@lru_cache(maxsize=4)
def _cached_client(keys: tuple[str, str, str], region: str, endpoint: str | None, timeout: int, pid: int) -> Any:
    """A client per process, settings and timeout. Without keys, boto3 uses its own credential look-up."""
    key, secret, token = (value or None for value in keys)
    session = require("boto3.session", "polly").Session(key, secret, token, region)
    config = require("botocore.config", "polly").Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=min(timeout, CONNECT_TIMEOUT),
        read_timeout=timeout,
        max_pool_connections=MAX_CONNECTIONS,
    )
    return guard_boto3(session.client("polly", endpoint_url=endpoint, config=config), VENDOR)


def _client_error(error: Any, voice: Voice) -> ProviderError:
    details, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message, status = details.get("Code", ""), details.get("Message", ""), metadata.get("HTTPStatusCode", 0)
    if code == "EngineNotSupportedException" or (code == "ValidationException" and "engine" in message.lower()):
        _engine_refusals[_refusal_key(voice.name, voice.engine)] = time.monotonic()
        message = f"Polly has no {voice.name} with the engine {voice.engine} in {conf.AWS_REGION}"
        logger.warning("Dailycast: %s", message)
        return NoEngineError(message)
    retry_after = parse_retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"))
    if code in THROTTLING_CODES or status in TRANSIENT_STATUSES:
        message = f"Polly takes no more calls for now ({code}): try again later."
        return ThrottledError(message, retry_after)
    if status >= 500:
        return ProviderError(f"Polly failed ({code}): try again later.", False, retry_after, billed=())
    if code in ACCOUNT_ERRORS:
        return VendorWideError(ACCOUNT_ERRORS[code].format(code))
    if code in TOO_LONG_CODES:
        return ProviderError(f"The text is too long for one call ({code}): split the clip.", permanent=True, billed=())
    quote = redact_and_shorten(message)
    message = f"Polly rejected the voice {voice.name} or its text ({code}): {quote} Check DAILYCAST_VOICES."
    return ProviderError(message, permanent=True, billed=())
