"""One row per episode, from the moment it is asked for: what was asked, what came of it, what it cost."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import script, storage


class Status(models.TextChoices):
    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")


class Source(models.TextChoices):
    ADMIN = "admin", _("admin")
    COMMAND = "command", _("command")
    DAILY = "daily", _("daily")
    PAGE = "page", _("page")
    API = "api", _("API")


class Reason(models.TextChoices):
    """Why an episode failed, or has no audio. Stored as a code, translated when shown."""

    NO_SCRIPT = "no_script", _("No writer could write the script.")
    LEARNER = "learner", _("The learner's records could not be read.")
    AUDIO_NOT_ASKED = "audio_not_asked", _("Script only: audio was not asked for.")
    AUDIO_NOT_CONFIGURED = "audio_not_configured", _("Script only: no voice is configured.")
    NO_VOICE = "no_voice", _("Script only: no voice speaks this language.")
    AUDIO_FAILED = "audio_failed", _("Script only: the voice failed.")
    NOT_SAVED = "not_saved", _("Script only: the audio file could not be saved.")
    INTERNAL = "internal", _("Something unexpected went wrong; the log has the details.")


NO_AUDIO = "none"  # what `tts_provider` says of a script-only episode


class PodcastQuerySet(models.QuerySet["DailyPodcast"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "PodcastQuerySet":
        """The learner's own; every learner's for staff who may view podcasts; none for anyone else."""
        if not user.is_active or not user.is_authenticated:
            return self.none()
        if getattr(user, "is_staff", False) and _may_view(user):
            return self.all()
        return self.filter(user_id=user.pk)


def _may_view(user: Any) -> bool:
    """Only a user model with permissions has staff, so only such a one is asked."""
    return bool(user.has_perm("dailycast.view_dailypodcast"))


class DailyPodcast(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="podcasts", verbose_name=_("learner")
    )
    language = models.CharField(_("language"), max_length=35, blank=True)  # BCP-47; blank: the learner's own
    title = models.CharField(_("title"), max_length=200, blank=True)
    script_text = models.TextField(_("script"), blank=True)
    audio_file = models.FileField(_("audio"), upload_to=storage.FOLDER, null=True, blank=True)
    duration_seconds = models.FloatField(_("duration"), null=True, blank=True)  # measured from the MP3's frames
    audio_bytes = models.PositiveIntegerField(_("size"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PENDING)
    error_code = models.CharField(_("reason"), max_length=30, blank=True, choices=Reason.choices)
    error_message = models.TextField(_("details"), blank=True)
    llm_provider = models.CharField(_("writer"), max_length=100, blank=True)
    llm_model = models.CharField(_("model"), max_length=100, blank=True)
    tts_provider = models.CharField(_("voice provider"), max_length=100, blank=True)
    tts_voice = models.CharField(_("voice"), max_length=100, blank=True)
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), null=True, blank=True)
    tts_characters = models.PositiveIntegerField(_("billed characters"), null=True, blank=True)
    cost_usd = models.DecimalField(_("cost (USD)"), max_digits=10, decimal_places=6, null=True, blank=True)
    chapters = models.JSONField(_("chapters"), default=list, blank=True)
    cues = models.JSONField(_("cues"), default=list, blank=True)
    context = models.JSONField(_("learner context"), default=dict, blank=True)
    request_key = models.CharField(_("request key"), max_length=100, unique=True, null=True, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    source = models.CharField(_("source"), max_length=10, blank=True, choices=Source.choices)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)

    objects = PodcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("daily podcast")
        verbose_name_plural = _("daily podcasts")
        indexes = [
            models.Index(fields=["status", "-id"], name="dailycast_status_id"),
            models.Index(fields=["user", "-created_at"], name="dailycast_user_created"),
            models.Index(fields=["audio_file"], name="dailycast_audio_file"),
        ]

    def __str__(self) -> str:
        return self.title or f"#{self.pk}"

    @property
    def has_audio(self) -> bool:
        return self.status == Status.COMPLETED and bool(self.audio_file)

    @property
    def why(self) -> str:
        """What went wrong, or why there is no audio, for staff; empty when nothing did."""
        return f"{self.get_error_code_display()} {self.error_message}".strip()

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """The script for a page: (kind, text), kind one of title, chapter, paragraph, pause."""
        return script.readable(self.script_text)

    def store(self, **values: object) -> None:
        """Set and save just these fields."""
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=[*values, "updated_at"])

    def name_audio(self) -> str:
        """Choose this episode's file name and commit it, before the file is written; a second call changes nothing.

        Two episodes of one learner in the same second get two names: the learner's row is locked while one is chosen.
        """
        if self.audio_file:
            return str(self.audio_file.name)
        with transaction.atomic():
            # The update comes first, for SQLite's sake: it takes the write lock that SQLite has in place of row locks.
            DailyPodcast.objects.filter(pk=self.pk).update(updated_at=timezone.now())
            get_user_model()._default_manager.select_for_update().get(pk=self.user_id)
            self.store(audio_file=self._free_name(int(time.time())))
        return str(self.audio_file.name)

    def _free_name(self, seconds: int) -> str:
        name = storage.episode_name(self.user_id, seconds)
        while DailyPodcast.objects.filter(audio_file=name).exists() or default_storage.exists(name):
            seconds += 1
            name = storage.episode_name(self.user_id, seconds)
        return name
