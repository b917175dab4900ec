"""What a client sends to the API, checked: request bodies, idempotency keys and ids."""

from hashlib import sha256
from typing import Any

from rest_framework import exceptions, serializers
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from ..models import dates
from . import openapi

KEY_HASH_LENGTH = 32  # hex digits: a client's own key may be long, and some databases ignore its case


class StrictJSONParser(JSONParser):
    """Answers 400 also for JSON that is nested too deeply for Python."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:  # say, ten thousand brackets
            raise exceptions.ParseError from error


class StringField(serializers.CharField):
    """A JSON string; numbers are refused."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SecondsField(serializers.FloatField):
    """A JSON number from 0 to MAX_POSITION_SECONDS: no string, not true, not 1e999, which Python reads as infinity."""

    def to_internal_value(self, data: Any) -> float:
        is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
        if not is_number or not 0 <= data <= openapi.MAX_POSITION_SECONDS:
            self.fail("invalid")
        return float(data)


class EpisodeRequest(serializers.Serializer[Any]):
    language = StringField(required=False, allow_null=True, allow_blank=True, max_length=35)
    idempotency_key = StringField(
        required=False, allow_null=True, allow_blank=True, max_length=255, trim_whitespace=False
    )


class PositionUpdate(serializers.Serializer[Any]):
    seconds = SecondsField()


def validated(request: Request, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The body of `request`; raises ValidationError."""
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def request_key(request: Request, body_key: str | None) -> str:
    """The row's `request_key`: from the Idempotency-Key header, else from the body, else one for the local day."""
    client_key = request.headers.get("Idempotency-Key") or body_key
    suffix = sha256(client_key.encode()).hexdigest()[:KEY_HASH_LENGTH] if client_key else dates.today().isoformat()
    return f"api:{request.user.pk}:{suffix}"


def is_row_id(text: str) -> bool:
    """Whether `text` can be the id of a row: decimal digits that fit a database's integer."""
    return text.isascii() and text.isdecimal() and len(text) < 20
