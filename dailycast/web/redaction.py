"""Tokens of private addresses stay out of logs and error mails, wherever a request fails and whatever a mail shows."""

import logging
import re
from collections.abc import Iterable
from types import FrameType
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, QueryDict
from django.template.defaultfilters import pprint
from django.views.debug import get_exception_reporter_filter

TOKEN_IN_PATH = re.compile(r"(/feed/)[\w-]{12,}|(/audio/)[\w-]+:[\w:-]+", re.ASCII)  # also in a link that was cut off
BARE_TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)  # a feed's, or the signature of a signed URL
ADDRESSES = ("PATH_INFO", "REQUEST_URI", "RAW_URI", "QUERY_STRING", "HTTP_REFERER")  # of WSGI, uWSGI, gunicorn


def redact(text: str) -> str:
    """`text` without the tokens in it."""
    return BARE_TOKEN.sub("***", TOKEN_IN_PATH.sub(r"\1\2***", text))


def redact_address(address: str) -> str:
    """An address or a query without the tokens in it, also where it is percent-encoded; any other one as it is."""
    plain = unquote(address)
    redacted = redact(plain)
    return address if redacted == plain else redacted


def redact_token(request: HttpRequest, token: str) -> None:
    """Remove `token` from the paths of `request`: log lines and error mails show them."""
    request.path, request.path_info = (path.replace(token, "***") for path in (request.path, request.path_info))
    for name in ADDRESSES:
        if name in request.META:
            request.META[name] = request.META[name].replace(token, "***")


class RedactedValue:
    """A variable as an error mail shows it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class TokenReporterFilter:
    """The filter that the host has for its error reports; what that one lets pass is shown without tokens."""

    def __init__(self, chosen: Any) -> None:
        self.chosen = chosen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chosen, name)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        meta = self.chosen.get_safe_request_meta(request)
        if "HTTP_AUTHORIZATION" in meta:  # a client's token, which Django hides from 5.2 on
            meta["HTTP_AUTHORIZATION"] = "***"
        return {name: redact_address(value) if isinstance(value, str) else value for name, value in meta.items()}

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: FrameType) -> Iterable[tuple[str, Any]]:
        variables = self.chosen.get_traceback_frame_variables(request, tb_frame)
        return [(name, _redacted_value(value)) for name, value in variables]


def _redacted_value(value: object) -> object:
    text = pprint(value)
    redacted = redact(text)
    return value if redacted == text else RedactedValue(redacted)


def redact_request(request: HttpRequest) -> None:
    """Remove every token from what an error mail shows of a failed request."""
    request.path, request.path_info = redact(request.path), redact(request.path_info)
    query = request.META.get("QUERY_STRING", "")
    for name in ADDRESSES:
        if isinstance(request.META.get(name), str):
            request.META[name] = redact_address(request.META[name])
    if request.META.get("QUERY_STRING", "") != query:
        request.GET = QueryDict(request.META["QUERY_STRING"])
    reporter_filter: Any = TokenReporterFilter(get_exception_reporter_filter(request))
    request.exception_reporter_filter = reporter_filter


class TokenRedactor(logging.Filter):
    """Removes tokens from log arguments and from the failed request.

    Django logs the path of a failed request, its own server every path; a handler that sends mails shows the request.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(argument) for argument in record.args)
        if isinstance(request := getattr(record, "request", None), HttpRequest):  # not of Django's own server
            redact_request(request)
        return True


def _redacted(argument: object) -> object:
    return TOKEN_IN_PATH.sub(r"\1\2***", argument) if isinstance(argument, str) else argument


for _logger in ("django.request", "django.server"):
    logging.getLogger(_logger).addFilter(TokenRedactor())
