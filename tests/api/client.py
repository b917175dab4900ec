"""Requests to the API, as different people send them."""

import json
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.authentication import BaseAuthentication
from rest_framework.views import APIView

ROOT = "/dailycast/api"
AUDIO = bytes(range(256)) * 4
NAME = "podcasts/podcast_1_1701920000.mp3"
CUES = [{"start": 0.0, "end": 1.5, "text": "Good morning."}]
MARKS = [{"start": 0.0, "title": "Welcome"}]
TITLE = "Yesterday’s mistakes"
SCRIPT = f"# {TITLE}\nGood morning."


def browser_of(who: str, alex: User) -> Client:
    """The signed-in client of that person. The `inactive owner` signed in before the account was deactivated."""
    client = Client()
    if who == "signed-out":
        return client
    user = alex
    if "owner" not in who:
        user = User.objects.create_user(who, is_staff="staff" in who, is_superuser=who == "superuser")
    if "permission" in who:
        user.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(user)
    if who == "inactive owner":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return client


def send(client: Client, method: str, url: str, body: object = None, **headers: str) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, f"{ROOT}{url}", data, "application/json", headers=headers)


def status_and_code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


ROUTES: dict[str, tuple[str, int, object]] = {
    "/episodes/": ("GET", 200, None),
    "/episodes/ ": ("POST", 202, {}),
    "/episodes/today/": ("GET", 200, None),
    "/episodes/{pk}/": ("GET", 200, None),
    "/episodes/{pk}/status/": ("GET", 200, None),
    "/episodes/{pk}/progress/": ("PUT", 200, {"seconds": 5}),
    "/feed/": ("GET", 200, None),
    "/feed/rotate/": ("POST", 200, None),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def view_of(pattern: Any) -> type[APIView]:
    view_class: type[APIView] = pattern.callback.cls
    return view_class


class CarelessAuthentication(BaseAuthentication):
    """A host's own class, which does not check whether the account is active."""

    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("X-User")
        return (User.objects.get(username=name), None) if name else None

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"
