"""Texts for what went wrong: short, and without any secret of ours."""

from ..conf import secrets
from ..errors import ProviderError
from .answers import clean_text

MAX_QUOTE_LENGTH = 200  # characters of a vendor's text that our messages quote


def redact_and_shorten(vendor_text: object) -> str:
    """The start of a vendor's text as one sentence on one line, without any secret of ours."""
    text = " ".join(clean_text(vendor_text).split())
    for secret in secrets():
        text = text.replace(secret, "***")
    text = text if len(text) <= MAX_QUOTE_LENGTH else text[:MAX_QUOTE_LENGTH].rstrip() + "…"
    return text if text.endswith((".", "…")) else (text or "no reason given") + "."


def no_answer_error(vendor: str, timeout: float, setting: str) -> ProviderError:
    """The error for a connection that was refused, reset or silent for `timeout` seconds; `setting` may be wrong."""
    failure = f"{vendor} could not be reached or gave no whole answer within {timeout:g} s"
    return ProviderError(f"{failure}: check the network and {setting}.", permanent=False)
