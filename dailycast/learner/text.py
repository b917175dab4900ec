"""Texts of the records, prepared for a prompt and for speech."""

import re

# A run of characters that the local part of an address may have, and the domain if one follows. A pattern that needed
# the `@` would look for it again from each character of a long run.
LOCAL_PART = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]++(?P<domain>@\w[\w-]*+(?:\.\w[\w-]*+)++)?")


def without_emails(text: str) -> str:
    """`text` with every e-mail address taken out, so that none reaches a prompt, a script or the database."""
    cleaned = LOCAL_PART.sub(lambda match: " " if match["domain"] else match[0], text)
    return text.strip() if cleaned == text else " ".join(cleaned.split())
