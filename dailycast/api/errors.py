"""Errors of the API in one shape: `detail` for a person, `code` for a program, with 429 also `seconds` to wait."""

from datetime import datetime
from math import ceil
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from ..errors import CooldownError, LanguageError
from ..models import local


class CooldownException(exceptions.APIException):
    """429: the learner's cooldown lasts until `until`."""

    status_code = 429
    default_code = "cooldown"

    def __init__(self, until: datetime) -> None:
        self.wait = max(1, ceil((until - timezone.now()).total_seconds()))  # becomes Retry-After
        time = date_format(local(until), "DATETIME_FORMAT")
        super().__init__(_("The next episode can be asked for from %(time)s on.") % {"time": time})


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """The exception handler of our views: one shape for every error, whatever handler the host configures.

    None for an error that is not for the client; Django REST framework raises it again.
    """
    error = to_api_exception(error)
    response = exception_handler(error, context)
    if response is None:
        return None
    field, detail = first_detail(response.data)
    response.data = {"detail": f"{field}: {detail}" if field else str(detail), "code": detail.code}
    if wait := getattr(error, "wait", None):
        response.data["seconds"] = ceil(wait)
    return response


def to_api_exception(error: Exception) -> Exception:
    """The exception of Django REST framework for an error of dailycast; any other error as it is."""
    if isinstance(error, CooldownError):
        return CooldownException(error.until)
    if isinstance(error, LanguageError):
        return exceptions.ValidationError({"language": [str(error)]}, code="unknown_language")
    return error


def first_detail(data: Any, field: str = "") -> tuple[str, exceptions.ErrorDetail]:
    """The field and detail of the first error in `data`; the field is empty for an error about none."""
    if isinstance(data, dict):
        name, inner = next(iter(data.items()))
        return first_detail(inner, "" if name in ("detail", "non_field_errors") else name)
    return first_detail(data[0], field) if isinstance(data, list) else (field, data)
