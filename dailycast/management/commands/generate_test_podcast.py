"""`manage.py generate_test_podcast --language en`: make one episode for one learner, in this process."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from ... import services
from ...audio import storage
from ...conf import conf
from ...errors import DailycastError
from ...jobs import queue
from ...learner import display_name
from ...models import DailyPodcast, Source, Status, active_users, has_column, is_active
from ...purchases import prices


class Command(BaseCommand):
    help = "Make one episode now: write the script, speak it where a voice is configured, save it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--language", help="BCP-47 code, say en or ja; by default the learner's own")
        parser.add_argument(
            "--user", help="username or id; by default DAILYCAST_TEST_USER_ID, else the first active learner"
        )
        parser.add_argument("--minutes", type=float, help="length of the episode; by default DAILYCAST_MINUTES")
        parser.add_argument("--script-only", action="store_true", help="write the script and make no audio")
        parser.add_argument("--retry", type=int, metavar="ID", help="try this episode again, in place of a new one")

    def handle(self, *_: Any, **options: Any) -> None:
        minutes = options["minutes"]
        if options["retry"] is not None:
            return self.retry(options["retry"])
        if minutes is not None and not 0.5 <= minutes <= 30:
            raise CommandError("--minutes must be between 0.5 and 30.")
        user = find_user(options["user"] or conf.DAILYCAST_TEST_USER_ID)
        if reason := storage.unwritable_reason():
            raise CommandError(f"No MP3 can be saved: {reason}. Make MEDIA_ROOT writable for this user.")
        request = {"source": Source.COMMAND, "minutes": minutes, "with_audio": not options["script_only"]}
        try:
            podcast = queue.submit(user, options["language"], **request)
        except DailycastError as error:
            raise CommandError(str(error)) from error
        return self.report(services.retry_now(podcast))

    def retry(self, pk: int) -> None:
        podcast = DailyPodcast.objects.filter(pk=pk).first()
        if podcast is None:
            raise CommandError(f"There is no episode {pk}.")
        if podcast.has_audio:
            raise CommandError(f"Episode {pk} has its audio already.")
        self.report(services.retry_now(podcast))

    def report(self, podcast: DailyPodcast) -> None:
        if podcast.status != Status.COMPLETED:
            raise CommandError(podcast.failure_text or f"Episode {podcast.pk} is in other hands: {podcast.status}.")
        self.stdout.write(f"Script: {len(podcast.script_text):,} characters by {podcast.llm_provider}")
        if podcast.has_audio:
            minutes, seconds = divmod(round(podcast.duration_seconds or 0), 60)
            size = filesizeformat(podcast.audio_bytes or 0).replace("\xa0", " ")  # so that grep finds it
            self.stdout.write(f"Audio: {storage.display_location(str(podcast.audio_file))}")
            self.stdout.write(
                f"Length: {minutes} min {seconds:02} s, {size}, spoken by {podcast.tts_voice} ({podcast.tts_provider})"
            )
        else:
            self.stdout.write(f"Audio: none. {podcast.failure_text}")
        if podcast.passed_over:
            self.stderr.write(self.style.WARNING(f"Warning: {podcast.passed_over_text}"))
        self.stdout.write(f"Cost: {prices.text(podcast.cost_usd)}")
        name = display_name(podcast.user)
        self.stdout.write(self.style.SUCCESS(f"Podcast generated successfully (id={podcast.pk}) for user {name}"))


def find_user(name_or_id: str) -> AbstractBaseUser:
    """The user with that username or id. Empty: the first active learner, else the first active user."""
    if not name_or_id:
        active = active_users()
        learners = active.filter(is_staff=False) if has_column("is_staff") else active
        user: AbstractBaseUser | None = learners.first() or active.first()
        if user is None:
            raise CommandError("There is no active user. Make one: manage.py createsuperuser")
        return user
    users = get_user_model()._default_manager
    found = users.filter(**{get_user_model().USERNAME_FIELD: name_or_id}).first() or user_by_id(name_or_id)
    if found is None:
        raise CommandError(f"There is no user with the name or id {name_or_id!r}.")
    if not is_active(found):
        raise CommandError(f"The user {name_or_id!r} is not active, so nobody could listen.")
    return found


def user_by_id(text: str) -> AbstractBaseUser | None:
    try:
        return get_user_model()._default_manager.filter(pk=text).first()
    except (ValueError, ValidationError, OverflowError):  # not an id of this user model
        return None
