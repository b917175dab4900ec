"""For hosts that import `require` from here; new code takes it from `dailycast.llm.base` or `dailycast.tts.base`."""

from .gateway.provider import require as require
