"""The interface of a writer: `LLMProvider.complete` turns a `Prompt` into a `Completion`, or raises a ProviderError.

Subclass `LLMProvider`; the errors are in `dailycast.errors`. `require` imports an SDK, or says what to install.
"""

from abc import abstractmethod
from dataclasses import dataclass

from ..errors import ProviderError, VendorWideError
from ..gateway.answers import clean_name, clean_text, sane_figure
from ..gateway.http import TRANSIENT_STATUSES, parse_retry_after
from ..gateway.messages import redact_and_shorten
from ..gateway.provider import BaseProvider
from ..gateway.provider import require as require
from ..script.prompt import Prompt as Prompt

TOKENS_PER_SECOND = 40  # of speech: English takes 4, Japanese 7, and Hindi 39 where a tokenizer falls back to bytes
MIN_TOKENS, MAX_TOKENS = 2_000, 16_000
MAX_COMPLETION = 4_000_000  # bytes of an answer: over 100 a token, and JSON may take 6 for one


@dataclass(frozen=True)
class Completion:
    """A complete answer. Tokens are as the vendor bills them, None where it counts none.

    Whoever makes one, its texts are clean and its figures sane (gateway/answers.py).
    """

    text: str
    provider: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean_text(self.text))
        for name in ("provider", "model"):
            object.__setattr__(self, name, clean_name(getattr(self, name)))
        for name in ("prompt_tokens", "completion_tokens"):
            object.__setattr__(self, name, sane_figure(getattr(self, name)))


class LLMProvider(BaseProvider):
    """One writer, as DAILYCAST_LLM_PROVIDERS lists them."""

    def model(self) -> str:
        """The model that will be called: its price is listed under `name/model`."""
        return self.name

    def most_tokens(self, prompt: Prompt) -> tuple[int, int]:
        """The most tokens in and out that `prompt` may be billed, to be reserved in a budget.

        A token is at least one byte of text; the 100 are for what a vendor adds between the messages.
        """
        return len((prompt.system + prompt.user).encode()) + 100, token_limit(prompt.minutes)

    @abstractmethod
    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        """Write the script that `prompt` asks for, within `timeout` seconds a read.

        Raises ProviderError for every failure, also for a cut, refused or empty answer; never retries.
        """


def token_limit(minutes: float) -> int:
    """The most tokens that a script of `minutes` may take: more than a normal one needs in any language."""
    return round(min(max(minutes * 60 * TOKENS_PER_SECOND, MIN_TOKENS), MAX_TOKENS))


def http_error(vendor: str, status: int, vendor_text: object, retry_after: str | None) -> ProviderError:
    """The error for an HTTP `status` of `vendor`, with its own text and its Retry-After header."""
    reason = {
        401: f"refused the key ({status}): check {vendor.upper()}_API_KEY.",
        403: f"refused the key ({status}): check {vendor.upper()}_API_KEY and what it may be used for.",
        404: f"does not know the model or the address ({status}): check DAILYCAST_{vendor.upper()}_MODEL.",
        429: f"takes no more calls for now ({status}): try again later or raise the account's rate limit.",
    }.get(status)
    permanent = status < 500 and status not in TRANSIENT_STATUSES
    if status in (401, 403, 404):
        return VendorWideError(f"{vendor} {reason}")
    if reason is None and permanent:
        quote = redact_and_shorten(vendor_text)
        reason = f"rejected the request ({status}): {quote} Check DAILYCAST_{vendor.upper()}_MODEL."
    message = f"{vendor} {reason or f'failed ({status}): try again later.'}"
    return ProviderError(message, permanent, parse_retry_after(retry_after), ())


def cut_error(vendor: str) -> ProviderError:
    message = f"{vendor}'s script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."
    return ProviderError(message, permanent=True)


def empty_error(vendor: str) -> ProviderError:
    return ProviderError(f"{vendor} answered with an empty text: try again later.", permanent=False)
