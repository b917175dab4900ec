"""The runner `inline`: the caller makes the episode, here and now."""

from .. import services


def start(pk: int) -> None:
    services.run(pk)
