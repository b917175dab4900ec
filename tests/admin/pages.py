"""Addresses, forms and texts of the admin's pages."""

import re
from html import unescape
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.contrib.messages import get_messages


def url(page: str, *args: object, site: str = "admin") -> str:
    ids = "".join(f"{arg}/" for arg in args)
    return f"/{site}/dailycast/dailypodcast/{ids}{page}"


def form_data(learner: User, **more: str) -> dict[str, str]:
    """Of the Generate form."""
    return {"user": str(learner.pk), "language": "", "request_key": str(uuid4()), **more}


def messages_of(response: Any) -> list[tuple[str, str]]:
    """Level and text."""
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def text(response: Any) -> str:
    """The visible text of a page."""
    html = re.sub(r"<script.*?</script>|<style.*?</style>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
