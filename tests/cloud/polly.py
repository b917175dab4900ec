"""Amazon Polly's POST /v1/speech (SynthesizeSpeech): its limits, its voices, its errors.

Limits and error names: docs.aws.amazon.com/polly/latest/dg/limits.html and the service model inside botocore.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from xml.etree import ElementTree

from .speech import speak
from .wire import RETRY_AFTER, Fault, Make, Reply, Request, Vendor, in_json, key_in_url, new_id, with_retry_after

RATES = ("8000", "16000", "22050", "24000", "44100", "48000")  # for MP3
ENGINES = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}
DEFAULT_RATES = {"standard": "22050"}  # else 24000
# Languages, the voice's own first, and voices with their engines; DescribeVoices knows more of all three.
TABLE = """
en-US Joanna:ns Matthew:ns Ruth:n Stephen:n
en-GB Amy:ns
es-ES Lucia:ns
es-MX Mia:ns
es-US Lupe:ns
fr-FR Lea:ns Remi:n
de-DE Vicki:ns Daniel:n
it-IT Bianca:ns
pt-BR Camila:ns
pt-PT Ines:ns
ja-JP Kazuha:n Tomoko:n Takumi:n Mizuki:s
ko-KR Seoyeon:ns
cmn-CN Zhiyu:ns
en-IN,hi-IN Kajal:n
nl-NL Laura:n
pl-PL Ola:n
sv-SE Elin:n
tr-TR Burcu:n
ar-AE Hala:n
arb Zeina:s
ru-RU Tatyana:s
"""
Voices = dict[str, tuple[list[str], set[str]]]  # name -> languages, engines
CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/\s]+)/\d{8}/[\w-]+/polly/aws4_request, .*Signature=\w+")


def voices() -> Voices:
    found: Voices = {}
    for line in TABLE.strip().splitlines():
        languages, *names = line.split()
        for name, _, engines in (name.partition(":") for name in names):
            found[name] = (languages.split(","), {ENGINES[letter] for letter in engines})
    return found


class Polly(Vendor):
    name = "polly"
    parallel = {"neural": 18}

    def __init__(self) -> None:
        self.voices = voices()
        self.faults = {
            **{fault: too_many(value) for fault, value in RETRY_AFTER.items()},
            **{fault: refusal(fault) for fault in REFUSALS},  # a plain RATE_LIMIT has no Retry-After here
            Fault.NO_AUDIO: lambda request: replace(self.answer(request), body=b""),
            Fault.HALF_AUDIO: lambda request: half(self.answer(request)),
        }

    def serves(self, path: str) -> bool:
        return path == "/v1/speech"

    def kind(self, request: Request) -> str:
        return str(request.body.get("Engine", "standard"))

    def text(self, request: Request) -> str:
        return str(request.body.get("Text", ""))

    def refuse(self, request: Request) -> Reply | None:
        return unsigned(request) or self.wrong_voice(request) or wrong_text(request)

    def answer(self, request: Request) -> Reply:
        text = spoken(request)
        sent = {"Content-Type": "audio/mpeg", "x-amzn-RequestCharacters": str(len(text)), "x-amzn-RequestId": new_id()}
        return Reply(200, speak(text, int(sample_rate(request))), sent, units=len(text), framing="chunked")

    def wrong_voice(self, request: Request) -> Reply | None:
        body, engine = request.body, self.kind(request)
        voice = str(body.get("VoiceId"))
        if voice not in self.voices:
            return invalid("voiceId", voice, self.voices)
        if engine not in ENGINES.values():
            return invalid("engine", engine, ENGINES.values())
        languages, engines = self.voices[voice]
        if engine not in engines:
            return refuse(Fault.ENGINE, engine)
        return None if body.get("LanguageCode", languages[0]) in languages else refuse(Fault.LANGUAGE)


def unsigned(request: Request) -> Reply | None:
    signed = CREDENTIAL.fullmatch(request.header("Authorization"))
    if key_in_url(request):
        return error(400, "key_in_url", "Never send a key in a URL.")
    if not signed:
        return error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    return refuse(Fault.BAD_KEY) if signed[1] == "bad-key" else None


def wrong_text(request: Request) -> Reply | None:
    if request.body.get("OutputFormat") != "mp3":
        return error(400, "ValidationException", "The stand-in speaks MP3 only.")
    if sample_rate(request) not in RATES:
        return refuse(Fault.SAMPLE_RATE)
    try:
        billed = len(spoken(request))
    except ElementTree.ParseError:
        return refuse(Fault.SSML)
    return refuse(Fault.TEXT_TOO_LONG) if billed > 3000 or len(str(request.body.get("Text", ""))) > 6000 else None


def spoken(request: Request) -> str:
    """The text that is billed: SSML without its tags. Raises ParseError for SSML that is not well-formed."""
    text = str(request.body.get("Text", ""))
    if request.body.get("TextType") != "ssml":
        return text
    root = ElementTree.fromstring(text)
    if root.tag != "speak":
        raise ElementTree.ParseError("no speak element")
    return "".join(root.itertext())


def sample_rate(request: Request) -> str:
    engine = request.body.get("Engine", "standard")
    return str(request.body.get("SampleRate", DEFAULT_RATES.get(engine, "24000")))


def half(reply: Reply) -> Reply:
    """Cut inside a frame, whichever way the frames fall."""
    return replace(reply, body=reply.body[: len(reply.body) // 2 // 144 * 144 + 50])


TOKEN = "The security token included in the request is "
REFUSALS = {
    Fault.BAD_KEY: (403, "UnrecognizedClientException", TOKEN + "invalid."),
    Fault.EXPIRED_TOKEN: (403, "ExpiredTokenException", TOKEN + "expired"),
    Fault.BAD_SIGNATURE: (403, "InvalidSignatureException", "The request signature we calculated does not match."),
    Fault.RATE_LIMIT: (400, "ThrottlingException", "Rate exceeded"),
    Fault.SERVER_ERROR: (500, "ServiceFailureException", "An unknown condition has caused a service failure."),
    Fault.UNAVAILABLE: (503, "ServiceUnavailableException", "Service is unavailable."),
    Fault.TEXT_TOO_LONG: (400, "TextLengthExceededException", "Maximum text length has been exceeded"),
    Fault.ENGINE: (400, "EngineNotSupportedException", "This voice does not support the selected engine: {}"),
    Fault.ENGINE_AS_VALIDATION: (400, "ValidationException", "This voice does not support the selected engine: {}"),
    Fault.SAMPLE_RATE: (400, "InvalidSampleRateException", "The specified sample rate is not valid."),
    Fault.LANGUAGE: (400, "LanguageNotSupportedException", "This voice does not support the selected language."),
    Fault.VOICE: (400, "ValidationException", "1 validation error detected: no such value at 'voiceId'"),
    Fault.SSML: (400, "InvalidSsmlException", "Invalid SSML request"),
}


def refusal(fault: Fault) -> Make:
    return lambda request: refuse(fault, str(request.body.get("Engine")))


def too_many(retry_after: Callable[[], str]) -> Make:
    return lambda _: with_retry_after(refuse(Fault.RATE_LIMIT), retry_after())


def refuse(fault: Fault, engine: str = "") -> Reply:
    status, code, message = REFUSALS[fault]
    return error(status, code, message.format(engine))


def invalid(field: str, value: str, allowed: Iterable[str]) -> Reply:
    rule = f"failed to satisfy constraint: Member must satisfy enum value set: {sorted(allowed)}"
    return error(400, "ValidationException", f"1 validation error detected: Value '{value}' at '{field}' {rule}")


def error(status: int, code: str, message: str) -> Reply:
    """The code is in a header, followed by an address that a client has to remove."""
    kind = code + ":http://internal.amazon.com/coral/com.amazonaws.polly/"
    return in_json(status, {"message": message}, {"x-amzn-ErrorType": kind, "x-amzn-RequestId": new_id()}, code)
