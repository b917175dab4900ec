"""What can go wrong, in as few kinds as a caller can act on."""

from datetime import datetime


class DailycastError(Exception):
    """Base of every error that dailycast raises on purpose. Its text says what to do and is safe to show to staff."""


class LearnerContextError(DailycastError):
    """The host's learner-context callable is missing, failed to import, or returned something we cannot read."""


class LanguageError(DailycastError):
    """A language code that we do not know."""


class ScriptError(DailycastError):
    """A script text that an editor has to correct."""


class Mp3Error(DailycastError):
    """Bytes that are not the whole, constant-bitrate MP3 they should be."""


class MixedMp3Error(Mp3Error):
    """A whole MP3 whose frames differ in format, as those of a variable bitrate do."""


class StorageError(DailycastError, OSError):
    """The storage of the audio files cannot be read or written, or its disk is nearly full."""


class InTransactionError(DailycastError):
    """An episode was requested inside a transaction: a rollback would lose the records of what was paid."""


class SkippedError(DailycastError):
    """There is no nightly edition for this learner; the text is one of `models.Skip`."""


class ClaimLostError(DailycastError):
    """Another worker has claimed the job, or its row is deleted: this worker stops and writes nothing more."""


class ReleasedError(DailycastError):
    """This process is about to end: the job is put back, and another process finishes it."""


class NeedsPersonError(DailycastError):
    """A job that was cut off too often: a person has to look before it costs more."""


class CooldownError(DailycastError):
    """A learner asks again too soon. From `until` on the next episode may be requested."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


Units = tuple[int | None, ...]  # what a vendor bills: (tokens in, tokens out) or (characters,)


class ProviderError(DailycastError):
    """A vendor's call failed.

    `permanent`: the same call would fail again, so do not repeat it.
    `retry_after`: seconds, where the vendor sent them.
    `billed`: the units that the vendor bills all the same; () for nothing, None when that is unknown.
    """

    def __init__(
        self, message: str, permanent: bool, retry_after: float | None = None, billed: Units | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.billed = billed


class ThrottledError(ProviderError):
    """Too many calls at once: nothing was done or billed, and the same call will succeed a little later."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, permanent=False, retry_after=retry_after, billed=())


class NoEngineError(ProviderError):
    """The voice does not have this engine, and nothing was billed: ask the provider for its voice again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True, billed=())


class VendorWideError(ProviderError):
    """The call would fail for every learner: a wrong key, no credit, an unknown model. Nothing was billed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True, billed=())


class BudgetError(ProviderError):
    """The owner's budget does not allow the call, so it was not made. The text says until when, or what to set."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True, billed=())


class ProviderNotConfigured(ProviderError):  # noqa: N818  # it describes a state
    """A provider cannot be used here: no key, no SDK, or no voice. The text says what to set or install."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True, billed=())


class CapturedError:
    """A context manager that stores the error of its block, for code that raises it later or in another thread."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True
