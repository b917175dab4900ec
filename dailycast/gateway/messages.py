"""Words for what went wrong: short, and without any key of ours."""

from ..conf import conf
from ..errors import ProviderError

LONGEST_QUOTE = 200  # characters of a vendor's text in a message of ours


def brief(told: object) -> str:
    """The start of a vendor's text in one line, ended like a sentence, without any key of ours."""
    text = " ".join(told.split()) if isinstance(told, str) else ""
    for secret in (
        conf.OPENAI_API_KEY,
        conf.GEMINI_API_KEY,
        conf.AWS_ACCESS_KEY_ID,
        conf.AWS_SECRET_ACCESS_KEY,
        conf.AWS_SESSION_TOKEN,
    ):
        text = text.replace(secret, "***") if secret else text
    text = text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE].rstrip() + "…"
    return text if text.endswith((".", "…")) else (text or "no reason given") + "."


def unanswered(vendor: str, timeout: float, setting: str) -> ProviderError:
    """The error for a connection refused, reset or silent for `timeout` seconds; `setting` is what may be wrong."""
    reached = f"{vendor} could not be reached or gave no whole answer within {timeout:g} s"
    return ProviderError(f"{reached}: check the network and {setting}.", permanent=False)
