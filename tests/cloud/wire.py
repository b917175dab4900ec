"""Requests, replies, and every way in which a reply can go wrong."""

import gzip
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from email.utils import formatdate
from enum import StrEnum, auto
from functools import cache
from time import time
from typing import Any


class Fault(StrEnum):
    RESET = auto()  # the connection is reset before a byte of the answer
    HANG = auto()  # no byte, and no end, until the stand-in closes
    DRIP = auto()  # one byte of the body a second
    DRIP_HEAD = auto()  # one byte of the headers a second
    DRIP_CHUNKS = auto()  # one byte of a chunk's size a second
    ENDLESS = auto()  # chunk after chunk, until the client hangs up
    ENDLESS_ERROR = auto()  # the same with status 500
    BOMB = auto()  # a small gzip that unpacks to more than any answer has
    REDIRECT = auto()  # 307 to another path
    CUT_LENGTH = auto()  # half of the body that Content-Length promises
    CUT_CHUNKED = auto()  # half of the chunks, no last chunk
    CUT_SILENT = auto()  # half of a body without a length, closed as if it were complete
    BAD_JSON = auto()
    HTML = auto()  # a web page with status 200, as a captive proxy gives
    BAD_KEY = auto()
    RATE_LIMIT = auto()  # Retry-After in seconds; Polly: ThrottlingException, HTTP 400
    RATE_LIMIT_HOUR = auto()  # Retry-After: 3600
    RATE_LIMIT_DATE = auto()  # Retry-After as an HTTP date, 30 seconds ahead
    RATE_LIMIT_NONSENSE = auto()
    SERVER_ERROR = auto()  # 500
    UNAVAILABLE = auto()  # 503
    # writers only
    QUOTA = auto()  # 429 that waiting does not resolve
    NO_CHOICES = auto()  # no choices, no candidates
    EMPTY = auto()
    REFUSAL = auto()  # OpenAI: message.refusal; Gemini: promptFeedback.blockReason
    FILTER = auto()  # finish_reason content_filter, SAFETY
    LENGTH = auto()  # half of the script, finish_reason length, MAX_TOKENS
    # Polly only
    EXPIRED_TOKEN = auto()
    BAD_SIGNATURE = auto()
    TEXT_TOO_LONG = auto()
    ENGINE = auto()
    ENGINE_AS_VALIDATION = auto()  # the same, as users of Polly report it: a ValidationException
    SAMPLE_RATE = auto()
    LANGUAGE = auto()
    VOICE = auto()
    SSML = auto()
    NO_AUDIO = auto()  # 200 and zero bytes
    HALF_AUDIO = auto()  # 200 and the first half of the MP3, cut inside a frame


RETRY_AFTER: dict[Fault, Callable[[], str]] = {
    Fault.RATE_LIMIT: lambda: "1",
    Fault.RATE_LIMIT_HOUR: lambda: "3600",
    Fault.RATE_LIMIT_DATE: lambda: formatdate(time() + 30, usegmt=True),
    Fault.RATE_LIMIT_NONSENSE: lambda: "soon",
}


@dataclass(frozen=True)
class Request:
    path: str
    query: Mapping[str, str]
    headers: Message
    body: dict[str, Any]  # empty when it was not a JSON object

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))


@dataclass(frozen=True)
class Reply:
    """`units` is what the vendor bills for it: tokens or characters. `outcome` is "ok" or the vendor's error code."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    outcome: str = "ok"
    units: int = 0
    framing: str = "length"  # or "chunked", or "none": ended by closing


Make = Callable[[Request], Reply]


class Vendor:
    """One vendor's endpoint: what it refuses, what it answers, and how its errors look.

    By itself this is the vendor "unknown", which serves every other address with a 404, so that the journal has it.
    """

    name = "unknown"
    parallel: Mapping[str, int] = {}  # kind -> the most calls at once
    faults: Mapping[Fault, Make] = {}

    def serves(self, path: str) -> bool:
        return True

    def kind(self, request: Request) -> str:
        """The model, or Polly's engine."""
        return request.path

    def text(self, request: Request) -> str:
        """The whole prompt, or the text to speak."""
        return ""

    def refuse(self, request: Request) -> Reply | None:
        """The error that the vendor gives without any fault, None when the request is good."""
        return in_json(404, {"error": {"message": f"Invalid URL (POST {request.path})"}}, {}, outcome="404")

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def knows(self, fault: Fault) -> bool:
        return fault in ON_THE_WIRE or fault in IN_THE_BODY or fault in self.faults

    def reply(self, request: Request, fault: Fault | None) -> Reply:
        """The reply to a good request; a fault of the wire is applied later, when it is sent."""
        if fault is None:
            return self.answer(request)
        make = self.faults.get(fault) or IN_THE_BODY.get(fault) or self.answer
        return replace(make(request), outcome=fault)


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(64_000_000), 9)


DRIPS = {Fault.DRIP, Fault.DRIP_HEAD, Fault.DRIP_CHUNKS}
ON_THE_WIRE = {Fault.RESET, Fault.HANG, *DRIPS, Fault.CUT_LENGTH, Fault.CUT_CHUNKED, Fault.CUT_SILENT, Fault.ENDLESS}
IN_THE_BODY: dict[Fault, Make] = {
    Fault.ENDLESS_ERROR: lambda _: Reply(500, b"", {"Content-Type": "text/plain"}),
    Fault.BOMB: lambda _: Reply(200, bomb(), {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    Fault.REDIRECT: lambda _: Reply(307, b"", {"Location": "/elsewhere"}),
    Fault.BAD_JSON: lambda _: Reply(200, b'{"id": "1", "choices": [{"ind', {"Content-Type": "application/json"}),
    Fault.HTML: lambda _: Reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"}),
}


def in_json(status: int, body: object, headers: Mapping[str, str], outcome: str = "ok", units: int = 0) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}, outcome, units)


def with_retry_after(reply: Reply, retry_after: str) -> Reply:
    return replace(reply, headers={**reply.headers, "Retry-After": retry_after})


def tokens(text: str) -> int:
    """A plausible count, not a vendor's own."""
    return max(1, len(text) // 4)


def cut(text: str, limit: object) -> tuple[str, bool]:
    """`text` within `limit` tokens, and whether it was cut."""
    allowed = limit if isinstance(limit, int) else tokens(text)
    return (text[: allowed * 4], True) if tokens(text) > allowed else (text, False)


def key_in_url(request: Request) -> bool:
    """A key in a URL ends up in logs: the stand-in refuses it, although Gemini itself would accept `?key=`."""
    return bool({"key", "api_key", "api-key", "access_token"} & {name.lower() for name in request.query})


def new_id(prefix: str = "") -> str:
    return prefix + uuid.uuid4().hex
