"""What can go wrong, in as few kinds as a caller can act on."""


class DailycastError(Exception):
    """Base of every error that dailycast raises on purpose. Its text says what to do and is safe to show to staff."""


class LearnerContextError(DailycastError):
    """The host's learner-context callable is missing, failed to import, or returned something we cannot read."""


class LanguageError(DailycastError):
    """A language code that we do not know."""


class ScriptError(DailycastError):
    """A script text that an editor has to mend."""


class Mp3Error(DailycastError):
    """Bytes that are not the whole, constant-bitrate MP3 they should be."""


class MixedMp3Error(Mp3Error):
    """A whole MP3 whose frames differ in format, as those of a variable bitrate do."""


class ProviderError(DailycastError):
    """A vendor's call failed.

    `permanent` is the one bit that matters: the same call would fail again, so do not repeat it.
    `retry_after` is the vendor's own wish in seconds, where it gave one.
    """

    def __init__(self, message: str, permanent: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class ThrottledError(ProviderError):
    """Too many calls at once: nothing was done or billed, and the same call will pass a little later."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, permanent=False, retry_after=retry_after)


class ProviderNotConfigured(ProviderError):  # noqa: N818  # it reads as what it says
    """A provider cannot be used here: no key, no SDK, or no voice. The text says what to set or install."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)
