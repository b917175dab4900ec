"""System checks: what an owner should know, with a hint that says what to type.

None of them is an Error, because an Error would stop `migrate`.
"""

from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, resolve

from .audio import cover, storage
from .conf import SETTING_TYPES, conf
from .errors import DailycastError, LanguageError, LearnerContextError, ProviderNotConfigured
from .languages.table import normalise
from .learner import import_callable
from .purchases import prices, rate_limits
from .runners.dispatch import RUNNERS
from .studio.providers import Chain, voices, writers
from .web import audio

S3_RECIPE = """\
Django 5.1 and later ignore it, and files land on the local disk. In its place:
    STORAGES = {
        "default": {"BACKEND": %r},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }"""


@register()
def check_dailycast(**_: Any) -> list[CheckMessage]:
    messages = check_settings_readable()
    if messages:
        return messages
    return [
        *check_storage(),
        *check_providers(),
        *check_learner_context(),
        *check_language(),
        *check_prices(),
        *check_rate_limits(),
        *check_runner(),
        *check_cover(),
        *check_configured(),
    ]


def check_settings_readable() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for name in SETTING_TYPES:
        try:
            getattr(conf, name)
        except ImproperlyConfigured as error:
            problems.append(
                Warning(str(error), hint="Mend the setting; docs/operations.md lists them all.", id="dailycast.W001")
            )
    return problems


def check_storage() -> list[CheckMessage]:
    messages: list[CheckMessage] = check_media_root()
    if reason := storage.unwritable_reason():
        hint = f"Make it writable for the web server's user, say: chown -R www-data {settings.MEDIA_ROOT}"
        messages.append(Warning(f"No MP3 can be saved: {reason}.", hint=hint, id="dailycast.W002"))
    if old := getattr(settings, "DEFAULT_FILE_STORAGE", None):
        messages.append(Warning("DEFAULT_FILE_STORAGE is set.", hint=S3_RECIPE % old, id="dailycast.W003"))
    return messages


def check_media_root() -> list[CheckMessage]:
    """Where files go when MEDIA_ROOT is as `startproject` leaves it, or a disk is not mounted."""
    root = storage.local_path("")
    if root is None:
        return []
    if not settings.MEDIA_ROOT or settings.MEDIA_URL in ("", "/"):  # Django makes "/" of an empty one
        text = "MEDIA_ROOT or MEDIA_URL is empty: files land in the folder in which a process was started."
        hint = 'Set both, say MEDIA_ROOT = BASE_DIR / "media" and MEDIA_URL = "/media/".'
        return [Warning(text, hint=hint, id="dailycast.W015")]
    if not root.exists():
        hint = "Make it, or mount its disk: else audio is written to the disk below, and earlier audio is missing."
        return [Warning(f"MEDIA_ROOT={settings.MEDIA_ROOT} does not exist.", hint=hint, id="dailycast.W015")]
    return []


def check_providers() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    chains: tuple[Chain[Any], ...] = (writers, voices)
    for chain in chains:
        for name in chain.names():
            try:
                problems = chain.get(name).problems()
            except ProviderNotConfigured as error:
                hint = "Use a name of docs/providers.md or the dotted path of your own class."
                messages.append(Warning(str(error), hint=hint, id="dailycast.W004"))
            else:
                hint = "docs/providers.md lists what this provider takes."
                messages += [Warning(problem, hint=hint, id="dailycast.W005") for problem in problems]
    return messages


def check_learner_context() -> list[CheckMessage]:
    if not conf.DAILYCAST_LEARNER_CONTEXT:
        hint = "Write an adapter as docs/integrating.md shows and set DAILYCAST_LEARNER_CONTEXT to its dotted path."
        return [Info("Episodes know nothing but the learner's first name.", hint=hint, id="dailycast.I003")]
    try:
        import_callable(conf.DAILYCAST_LEARNER_CONTEXT)
    except LearnerContextError as error:
        hint = "Use the dotted path of a callable, say myschool.podcasts.learner_context."
        return [Warning(str(error), hint=hint, id="dailycast.W006")]
    return []


def check_language() -> list[CheckMessage]:
    try:
        normalise(conf.DAILYCAST_DEFAULT_LANGUAGE)
    except LanguageError as error:
        return [
            Warning(
                f"DAILYCAST_DEFAULT_LANGUAGE: {error}", hint="Say DAILYCAST_DEFAULT_LANGUAGE=en.", id="dailycast.W007"
            )
        ]
    return []


def check_prices() -> list[CheckMessage]:
    hint = "Write openai/MODEL=in/out (tokens) or polly/ENGINE=price (characters), in USD a million, without a sign."
    return [
        Warning(f"DAILYCAST_PRICES: {key}={listed} is no price.", hint=hint, id="dailycast.W009")
        for key, listed in conf.DAILYCAST_PRICES.items()
        if prices.read_price(listed) is None
    ]


def check_rate_limits() -> list[CheckMessage]:
    hint = "Write polly/ENGINE=calls a second, say polly/standard=80; with the calls at once, polly/neural=8/18; or =0."
    messages: list[CheckMessage] = []
    for key, listed in conf.DAILYCAST_RATE_LIMITS.items():
        try:
            rate_limits.read_limit(listed)
        except ValueError:
            text = f"DAILYCAST_RATE_LIMITS: {key}={listed} is no limit."
            messages.append(Warning(text, hint=hint, id="dailycast.W010"))
    return messages


def check_cover() -> list[CheckMessage]:
    try:
        cover.load_cover()
    except DailycastError as error:
        hint = "Name a square JPEG or PNG, 1400 to 3000 pixels wide, or leave it empty for the built-in one."
        return [Warning(str(error), hint=hint, id="dailycast.W014")]
    return []


def check_runner() -> list[CheckMessage]:
    runner = conf.DAILYCAST_RUNNER
    if runner not in RUNNERS:
        hint = f"Set it to one of {', '.join(RUNNERS)}."
        return [Warning(f"DAILYCAST_RUNNER={runner} is no runner.", hint=hint, id="dailycast.W011")]
    if runner == "celery" and not find_spec("celery"):
        hint = "pip install 'dailycast[celery]'"
        return [Warning("DAILYCAST_RUNNER is celery, and Celery is not installed.", hint=hint, id="dailycast.W012")]
    return []


@register(Tags.security, deploy=True)
def check_audio_is_private(**_: Any) -> list[CheckMessage]:
    """Warn when another pattern of the host answers for podcasts/ below MEDIA_URL, which could make audio public."""
    address = f"{urlsplit(settings.MEDIA_URL).path or '/media/'}podcasts/podcast_1_1701920000.mp3"
    try:
        view = resolve(address).func
    except Resolver404:
        view = None
    if view is audio.media:
        return []
    hint = "Put *dailycast.urls.media first in urlpatterns, above static() and every catch-all, as the README shows."
    return [Warning(f"{address} is not answered by dailycast, so audio may be public.", hint=hint, id="dailycast.W013")]


def check_configured() -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    configured, missing = writers.configured(), writers.missing()
    if not configured:
        messages.append(Warning("No writer is configured.", hint=missing, id="dailycast.W008"))
    elif missing and all(writer.unbilled() for writer in configured):
        names = ", ".join(writer.name for writer in configured)
        messages.append(Info(f"Scripts are written by {names}, without a key.", hint=missing, id="dailycast.I001"))
    if not voices.configured():
        missing = voices.missing()
        messages.append(Info("No voice is configured: episodes are script-only.", hint=missing, id="dailycast.I002"))
    return messages
