from typing import Any

import pytest

from dailycast.purchases import attempts

from .shop import KEY


@pytest.fixture
def shop(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit of the shop costs a cent, and nobody waits for another attempt."""
    settings.DAILYCAST_PRICES = {KEY: "10000"}
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
