"""The runner `inline`: the caller makes the episode, here and now."""

from .. import services

ADOPTS_STALE = False  # a visitor must not wait for an episode that is not theirs


def start(pk: int) -> None:
    services.run(pk)
