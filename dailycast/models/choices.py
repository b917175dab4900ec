"""The words that are stored on rows; translated when shown."""

from django.db import models
from django.utils.translation import gettext_lazy as _


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
    """The `error_code` of an episode: why it failed, or has no audio. Stored as a code, translated when shown."""

    NO_SCRIPT = "no_script", _("No writer could write the script.")
    LEARNER = "learner", _("The learner's records could not be read.")
    AUDIO_NOT_ASKED = "audio_not_asked", _("Script only: audio was not asked for.")
    AUDIO_NOT_CONFIGURED = "audio_not_configured", _("Script only: no voice is configured.")
    NO_VOICE = "no_voice", _("Script only: no voice speaks this language.")
    AUDIO_FAILED = "audio_failed", _("Script only: the voice failed.")
    NOT_SAVED = "not_saved", _("The audio file could not be saved.")
    MISSING = "missing", _("The audio file is missing on the server.")
    PRUNED = "pruned", _("The audio was deleted because of its age; the script is kept.")
    BUDGET = "budget", _("The budget of the day does not allow it.")
    NEEDS_PERSON = "needs_person", _("It was cut off too often. Look into the log, then try again.")
    INTERNAL = "internal", _("Something unexpected went wrong; the log has the details.")


# Reasons for a missing audio that the owner did not choose: the nightly edition counts them, and its exit status is 1.
UNINTENDED = (Reason.AUDIO_FAILED, Reason.NOT_SAVED, Reason.INTERNAL, Reason.BUDGET)
# Reasons that probably hit every learner: several in a row end the nightly edition.
SYSTEMIC = (Reason.NO_SCRIPT, Reason.AUDIO_FAILED, Reason.NOT_SAVED, Reason.INTERNAL)


class Skip(models.TextChoices):
    """Why a learner gets no nightly edition. It is not stored."""

    OPTED_OUT = "opted_out", _("opted out")
    NO_DATA = "no_data", _("no data")


class Kind(models.TextChoices):
    """What a call to a vendor is for."""

    SCRIPT = "script", _("script")
    SPEECH = "speech", _("speech")


class Outcome(models.TextChoices):
    """How a call ended. The vendor said what it bills for OK and FAILED, and it bills nothing for REFUSED and BLOCKED.

    The others may be billed, at most with what their entry says.
    """

    UNKNOWN = "unknown", _("unknown")  # in flight
    OK = "ok", _("ok")
    FAILED = "failed", _("failed")  # the answer is unusable, and billed
    UNANSWERED = "unanswered", _("unanswered")
    REFUSED = "refused", _("refused")  # not billed
    BLOCKED = "blocked", _("blocked")  # not billed, and every other learner's would end so too: a wrong key, no credit
    LOST = "lost", _("lost")  # its worker died before the answer came
    RESERVED = "reserved", _("reserved")  # no call: what is left of an episode's reservation, while it is being made
    WRITTEN_OFF = "written_off", _("written off")  # lost, and a person asked for another attempt since


BILLED = (Outcome.OK, Outcome.FAILED)
NO_AUDIO = "none"  # the `tts_provider` of a script-only episode
