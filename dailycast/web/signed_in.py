"""Who counts as signed in on the learner's pages."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..models import is_active

View = Callable[..., HttpResponseBase]


def active_login_required(view: View) -> View:
    """Like `login_required`, but a deactivated account counts as signed out, also if the host's backend lets it in."""
    for_signed_in: View = login_required(view)

    @wraps(for_signed_in)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_active(request.user):
            request.user = AnonymousUser()
        return for_signed_in(request, *args, **kwargs)

    return wrapper
