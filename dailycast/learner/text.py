"""Texts of the records, prepared for a prompt and for speech."""

import re

EMAIL_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@\w[\w-]*(?:\.\w[\w-]*)+")


def without_emails(text: str) -> str:
    """`text` with every e-mail address taken out, so that none reaches a prompt, a script or the database."""
    return " ".join(EMAIL_ADDRESS.sub(" ", text).split()) if EMAIL_ADDRESS.search(text) else text.strip()
