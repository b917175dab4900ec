"""A stand-in on loopback for the clouds that dailycast buys from: OpenAI, Gemini and Amazon Polly, over real HTTP.

    with Cloud() as cloud:
        cloud.fail("polly", Fault.RATE_LIMIT, times=1)
        ...  # point an SDK at cloud.environment
        assert cloud.calls[-1].outcome == "ok"

From a shell, `python -m tests.cloud --port 8099` prints the environment to export.
"""

from .server import Call, Cloud
from .wire import Fault

__all__ = ["Call", "Cloud", "Fault"]
