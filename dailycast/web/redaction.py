"""Tokens of private addresses stay out of logs and error mails."""

import logging
import re

from django.http import HttpRequest

TOKEN_IN_PATH = re.compile(r"(/feed/)[\w-]{12,}|(/audio/)[\w-]+:[\w:-]+", re.ASCII)  # also in a link that was cut off
PATH_VARIABLES = ("PATH_INFO", "REQUEST_URI", "RAW_URI")  # of WSGI, uWSGI, gunicorn


def redact_token(request: HttpRequest, token: str) -> None:
    """Remove `token` from the paths of `request`: log lines and error mails show them."""
    request.path, request.path_info = (path.replace(token, "***") for path in (request.path, request.path_info))
    for name in PATH_VARIABLES:
        if name in request.META:
            request.META[name] = request.META[name].replace(token, "***")


class TokenRedactor(logging.Filter):
    """Removes tokens from log arguments: Django logs the path of a failed request, its own server every path."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(argument) for argument in record.args)
        return True


def _redacted(argument: object) -> object:
    return TOKEN_IN_PATH.sub(r"\1\2***", argument) if isinstance(argument, str) else argument


for _logger in ("django.request", "django.server"):
    logging.getLogger(_logger).addFilter(TokenRedactor())
