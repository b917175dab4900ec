"""A learner's private feed."""

import secrets

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils.translation import gettext_lazy as _


def new_token() -> str:
    """A part of an address that nobody can guess: 256 bits in 43 characters."""
    return secrets.token_urlsafe(32)


class Feed(models.Model):
    """A learner's private feed. Anyone who has the token may hear all of it, so it is shown to the learner alone."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="podcast_feed")
    token = models.CharField(max_length=43, unique=True, default=new_token)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("private feed")
        verbose_name_plural = _("private feeds")

    def __str__(self) -> str:
        return f"#{self.pk}"

    @classmethod
    def for_user(cls, user: AbstractBaseUser) -> "Feed":
        """The learner's private feed, which is created when it is first asked for."""
        return cls.objects.get_or_create(user_id=user.pk)[0]

    def renew(self) -> None:
        """Give the feed a new address; the old one does not work from now on."""
        self.token = new_token()
        self.save(update_fields=["token"])
