"""The host's users. Without a column `is_active` all are active; without `is_staff` none is staff."""

from typing import Any, TypeGuard

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet


def is_active(user: Any) -> TypeGuard[AbstractBaseUser]:
    """Whether `user` is somebody signed in whose account is active, whatever backend or session let them in."""
    return bool(user and user.is_authenticated and getattr(user, "is_active", True))


def active_users() -> "QuerySet[Any]":
    """Every user with an active account, oldest first."""
    users = get_user_model()._default_manager.order_by("pk")
    return users.filter(is_active=True) if has_column("is_active") else users


def has_column(name: str) -> bool:
    return any(field.name == name for field in get_user_model()._meta.concrete_fields)
