"""What a writer is: a `Prompt` goes in, a `Completion` comes out, or a ProviderError says why not."""

from abc import abstractmethod
from dataclasses import dataclass

from ..errors import ProviderError, VendorWideError
from ..gateway.http import TRANSIENT, retry_after
from ..gateway.messages import brief
from ..gateway.provider import BaseProvider
from ..script.prompt import Prompt as Prompt

TOKENS_A_SECOND = 40  # of speech: English takes 4, Japanese 7, and Hindi 39 where a tokenizer falls back to bytes
FEWEST_TOKENS, MOST_TOKENS = 2_000, 16_000


@dataclass(frozen=True)
class Completion:
    """A whole answer. Tokens are as the vendor bills them, None where there are none to bill."""

    text: str
    provider: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class LLMProvider(BaseProvider):
    """One writer, as DAILYCAST_LLM_PROVIDERS lists them."""

    def model(self) -> str:
        """The model that will be asked: its price stands under `name/model`."""
        return self.name

    def most_tokens(self, prompt: Prompt) -> tuple[int, int]:
        """The most tokens in and out that `prompt` may be billed, to be reserved in a budget.

        A token is a byte of text at least, and what a vendor adds between the messages is little.
        """
        return len((prompt.system + prompt.user).encode()) + 100, token_limit(prompt.minutes)

    @abstractmethod
    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        """Write the script that `prompt` asks for, within `timeout` seconds a read.

        Raises ProviderError for every failure, a cut, refused or empty answer included; never retries by itself.
        """


def token_limit(minutes: float) -> int:
    """The most tokens that a script of `minutes` may take: more than a normal one needs in any language."""
    return round(min(max(minutes * 60 * TOKENS_A_SECOND, FEWEST_TOKENS), MOST_TOKENS))


def http_error(vendor: str, status: int, told: object, wait: str | None) -> ProviderError:
    """The error for an HTTP `status` of `vendor`; `told` is its own text, `wait` its Retry-After header."""
    reason = {
        401: f"refused the key ({status}): check {vendor.upper()}_API_KEY.",
        403: f"refused the key ({status}): check {vendor.upper()}_API_KEY and what it may be used for.",
        404: f"does not know the model or the address ({status}): check DAILYCAST_{vendor.upper()}_MODEL.",
        429: f"takes no more calls for now ({status}): try again later or raise the account's rate limit.",
    }.get(status)
    permanent = status < 500 and status not in TRANSIENT
    if status in (401, 403, 404):
        return VendorWideError(f"{vendor} {reason}")
    if reason is None and permanent:
        reason = f"rejected the request ({status}): {brief(told)} Check DAILYCAST_{vendor.upper()}_MODEL."
    return ProviderError(
        f"{vendor} {reason or f'failed ({status}): try again later.'}", permanent, retry_after(wait), ()
    )
