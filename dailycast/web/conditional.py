"""A response that is held in memory, with the ETag by which a client can tell that it already has it."""

from datetime import datetime
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date


def conditional_response(
    request: HttpRequest, body: bytes, content_type: str, changed_at: datetime | None = None
) -> HttpResponseBase:
    """`body` in full, only its headers for HEAD, and 304 for a client that already has it."""
    etag, modified = f'"{sha256(body).hexdigest()}"', int(changed_at.timestamp()) if changed_at else None
    headers = {"Content-Type": content_type, "Content-Length": str(len(body)), "ETag": etag}
    if modified is not None:
        headers["Last-Modified"] = http_date(modified)
    content = b"" if request.method == "HEAD" else body
    response = HttpResponse(content, headers=headers)
    return get_conditional_response(request, etag, modified, response) or response
