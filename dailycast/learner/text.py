"""The records' texts made fit for a prompt and for speech."""

import re

EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@\w[\w-]*(?:\.\w[\w-]*)+")


def without_emails(text: str) -> str:
    """`text` with every e-mail address taken out, so that none reaches a prompt, a script or the database."""
    return " ".join(EMAIL.sub(" ", text).split()) if EMAIL.search(text) else text.strip()
