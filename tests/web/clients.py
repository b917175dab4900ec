"""Clients of different people, and a storage on another host."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.files.storage import Storage
from django.test import Client


class Browser(Client):
    """Reads each response to its end, into `body`, which closes the file."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self.read(super().get(*args, **kwargs))

    def head(self, *args: Any, **kwargs: Any) -> Any:
        return self.read(super().head(*args, **kwargs))

    @staticmethod
    def read(response: Any) -> Any:
        response.body = response.getvalue()
        return response


def browser_of(who: str, alex: User) -> Browser:
    """The signed-in client of that person. The `inactive owner` signed in before the account was deactivated."""
    client = Browser()
    if who == "signed-out":
        return client
    user = alex
    if "owner" not in who:
        user = User.objects.create_user(
            who, is_staff="staff" in who or who == "superuser", is_superuser=who == "superuser"
        )
    if "with view permission" in who:
        user.user_permissions.add(Permission.objects.get(codename="view_dailypodcast"))
    client.force_login(user)
    if who == "inactive owner":
        User.objects.filter(pk=user.pk).update(is_active=False)
    return client


MAY_HEAR = ["owner", "staff with view permission", "superuser"]
MAY_NOT = ["other learner", "learner with view permission", "staff without permission", "inactive owner", "signed-out"]


class RemoteStorage(Storage):
    """A bucket, whose URLs are on another host."""

    def exists(self, name: str) -> bool:
        return True

    def url(self, name: str | None) -> str:
        return f"https://bucket.example.com/{name}?signed"

    def open(self, name: str, mode: str = "rb") -> Any:
        raise AssertionError("the bucket serves it, not this process")
