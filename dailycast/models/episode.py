"""One row for each episode, from the moment it is asked for: what was asked for, the result, and what it cost."""

import re
import time
from contextlib import suppress
from copy import copy
from datetime import date, datetime
from math import isfinite
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connections, models, router
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from ..audio import captions, storage
from ..errors import StorageError
from ..script import grammar
from .choices import NO_AUDIO, Reason, Source, Status
from .dates import local
from .users import is_active

HEARD_AT = 0.9  # of its length; from there on an episode counts as heard
FILE_FIELDS = ("audio_file", "audio_bytes", "audio_sha256", "error_code")
MOST_RECHECKS = 30  # of missing files, in one request
LONGEST_NAME = 200  # bytes of a title in a file's name, of which most disks take 255


# The fields of the audio, for an episode that has none: nothing is shown of a file that went missing.
WITHOUT_AUDIO: dict[str, Any] = {
    **dict.fromkeys(("audio_file", "audio_bytes", "duration_seconds")),
    **dict.fromkeys(("chapters", "cues"), ()),
    "audio_sha256": "",
    "tts_provider": NO_AUDIO,
    "tts_voice": "",
}


class PodcastQuerySet(models.QuerySet["DailyPodcast"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "PodcastQuerySet":
        """The learner's own; every learner's for staff who may view podcasts; none for anyone else."""
        if not is_active(user):
            return self.none()
        if may_view_all(user):
            return self.all()
        return self.filter(user_id=user.pk)

    def audible(self) -> "PodcastQuerySet":
        """The completed ones that have audio."""
        return self.filter(status=Status.COMPLETED, audio_file__isnull=False).exclude(audio_file="")

    def recheck_missing(self) -> None:
        """Look again for missing files: they may be back, for example because a disk is mounted again."""
        missing = self.audible().filter(error_code=Reason.MISSING).only(*FILE_FIELDS)
        with suppress(StorageError):  # which is no proof of anything
            for podcast in missing[:MOST_RECHECKS]:
                podcast.check_file()


def may_view_all(user: Any) -> bool:
    """Whether `user` is staff who may view podcasts. A user model without permissions has no `has_perm`."""
    return getattr(user, "is_staff", False) and bool(user.has_perm("dailycast.view_dailypodcast"))


class EpisodeFields(models.Model):
    """The fields of a row: the request, the result, the job, and what the learner did with it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="podcasts", verbose_name=_("learner")
    )
    language = models.CharField(_("language"), max_length=35, blank=True)  # BCP-47; blank: the learner's own
    title = models.CharField(_("title"), max_length=200, blank=True)
    script_text = models.TextField(_("script"), blank=True)
    audio_file = models.FileField(_("audio"), upload_to=storage.FOLDER, null=True, blank=True)
    duration_seconds = models.FloatField(_("duration"), null=True, blank=True)  # measured from the MP3's frames
    audio_bytes = models.PositiveIntegerField(_("size"), null=True, blank=True)
    audio_sha256 = models.CharField("SHA-256", max_length=64, blank=True)  # of the file; blank: made before it was kept
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PENDING)
    error_code = models.CharField(_("reason"), max_length=30, blank=True, choices=Reason.choices)
    error_message = models.TextField(_("details"), blank=True)
    # Providers that failed before the one that served: dicts with kind (models.Kind), provider, message.
    passed_over = models.JSONField(_("passed over"), default=list, blank=True)
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
    minutes = models.FloatField(_("minutes asked for"), null=True, blank=True)  # null: DAILYCAST_MINUTES
    with_audio = models.BooleanField(_("with audio"), default=True)
    edition_date = models.DateField(_("edition"), null=True, blank=True)  # the local day of the nightly edition
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    claim_token = models.CharField(_("claim"), max_length=32, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    guid = models.UUIDField("GUID", default=uuid4, unique=True, editable=False)  # identifies it in podcast apps
    position_seconds = models.FloatField(_("listened to"), default=0)  # where the learner stopped
    heard_at = models.DateTimeField(_("heard"), null=True, blank=True)
    announced = models.BooleanField(_("announced"), default=False)  # signals.podcast_ready was sent
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)

    class Meta:
        abstract = True


class DailyPodcast(EpisodeFields):
    """An episode, from the moment it is asked for."""

    objects = PodcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("daily podcast")
        verbose_name_plural = _("daily podcasts")
        indexes = [
            models.Index(fields=["status", "-id"], name="dailycast_status_id"),
            models.Index(fields=["user", "-created_at"], name="dailycast_user_created"),
            models.Index(fields=["audio_file"], name="dailycast_audio_file"),
            models.Index(fields=["edition_date", "status"], name="dailycast_edition"),
        ]

    def __str__(self) -> str:
        return self.title or f"#{self.pk}"

    @property
    def has_audio(self) -> bool:
        return self.status == Status.COMPLETED and bool(self.audio_file) and self.error_code != Reason.MISSING

    @property
    def file_title(self) -> str:
        """The name of a downloaded file: title and day, without the characters that file systems refuse."""
        title = " ".join(re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]', " ", self.title).split()).strip(" .") or "podcast"
        title = title.encode()[:LONGEST_NAME].decode(errors="ignore").strip()
        return f"{title} {self.made_on:%Y-%m-%d}.mp3"

    @property
    def made_at(self) -> datetime:
        return self.completed_at or self.updated_at

    @property
    def made_on(self) -> date:
        """The local day on which it was made."""
        return local(self.made_at).date()

    def check_file(self, thoroughly: bool = False) -> bool:
        """Whether the file is there, and the one that was made; the row is marked as missing where it is not.

        By its size, and `thoroughly`, or where it was missing before, by its hash. Raises OSError.
        """
        name = str(self.audio_file.name)
        is_whole = storage.is_in_podcasts_folder(name) and storage.exists(name)
        if is_whole and self.audio_bytes is not None:
            is_whole = storage.has_size(name, self.audio_bytes)
        if is_whole and self.audio_sha256 and (thoroughly or self.error_code == Reason.MISSING):
            is_whole = storage.hash_of(name) == self.audio_sha256
        self.mark_missing(not is_whole)
        return is_whole

    def mark_missing(self, is_missing: bool) -> None:
        """Save on the row that its file is missing, or that it is there again."""
        if is_missing is (self.error_code == Reason.MISSING):
            return
        self.error_code = Reason.MISSING if is_missing else ""
        rows = DailyPodcast.objects.filter(pk=self.pk, status=Status.COMPLETED, audio_file=self.audio_file.name)
        rows.update(error_code=self.error_code)

    @property
    def is_in_progress(self) -> bool:
        return self.status in (Status.PENDING, Status.RUNNING)

    @property
    def progress(self) -> str:
        """The state in a sentence or two, for a person."""
        if self.has_audio:
            return f"{_('The episode is ready.')} {self.passed_over_text}".strip()
        if self.status == Status.RUNNING:
            return str(_("The audio is being made.") if self.script_text else _("The script is being written."))
        if self.status == Status.PENDING:
            return " ".join(
                filter(None, (str(_("The episode waits to be made.")), self.failure_text, self._next_attempt))
            )
        return self.failure_text

    @property
    def progress_for_learner(self) -> str:
        """The state in a sentence or two, without the details, such as a vendor's own words: they are for staff."""
        without_details = copy(self)
        without_details.error_message, without_details.passed_over = "", []
        return without_details.progress

    def save_position(self, seconds: float) -> None:
        """Save where the learner stopped, in seconds. An episode counts as heard from HEARD_AT of its length on."""
        length = self.duration_seconds or 0.0
        self.position_seconds = min(max(seconds, 0.0), length) if isfinite(seconds) else 0.0
        row = DailyPodcast.objects.filter(pk=self.pk)  # it may be deleted meanwhile
        row.update(position_seconds=self.position_seconds)
        if not self.heard_at and length and self.position_seconds >= HEARD_AT * length:
            self.heard_at = timezone.now()
            row.filter(heard_at=None).update(heard_at=self.heard_at)  # another device may have been faster

    @property
    def _next_attempt(self) -> str:
        if self.next_attempt_at is None or self.next_attempt_at <= timezone.now():
            return ""
        when = date_format(local(self.next_attempt_at), "DATETIME_FORMAT")
        return str(_("Next attempt: {}")).format(when)

    @property
    def failure_text(self) -> str:
        """What went wrong, or why there is no audio, for staff; empty when nothing did."""
        return f"{self.get_error_code_display()} {self.error_message}".strip()

    @property
    def passed_over_text(self) -> str:
        """Who failed before the one that served, and why, for staff; empty when nobody did."""
        text = str(_("{provider} was passed over: {message}."))
        found = ((each["provider"], each["message"].rstrip(".")) for each in self.passed_over)
        return " ".join(text.format(provider=provider, message=message) for provider, message in found)

    @property
    def webvtt(self) -> str:
        return captions.webvtt(captions.Cue(**cue) for cue in self.cues)

    @property
    def chapters_json(self) -> dict[str, Any]:
        return captions.chapters_json(captions.ChapterMark(**mark) for mark in self.chapters)

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """The script for a page: (kind, text), kind one of title, chapter, paragraph, pause."""
        return grammar.transcript_blocks(self.script_text)

    def name_audio(self) -> str:
        """A new file name that no episode has; the caller commits it before the file is written.

        Call it in a transaction: it locks the learner's row, so that two episodes of one learner in the same second
        get two names.
        """
        lock_learner(self.user_id)
        seconds = int(time.time())
        name = storage.episode_name(self.user_id, seconds)
        while DailyPodcast.objects.filter(audio_file=name).exists() or storage.exists(name):
            seconds += 1
            name = storage.episode_name(self.user_id, seconds)
        return name


def lock_learner(pk: int) -> None:
    """Lock a learner until the end of the transaction."""
    # SQLite has no row locks: an update takes its write lock, and has to come first.
    DailyPodcast.objects.filter(pk=0).update(title="")
    no_key = connections[router.db_for_write(DailyPodcast)].features.has_select_for_no_key_update
    get_user_model()._default_manager.select_for_update(no_key=no_key).filter(pk=pk).first()
