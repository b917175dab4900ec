"""OpenAI, and every server that speaks its chat completions, say Ollama, llama.cpp, vLLM. For openai 1.59 to 3.x."""

import os
import re
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

from ..conf import conf
from ..errors import ProviderError, VendorWideError
from ..gateway.http import check_address, sendable
from ..gateway.messages import unanswered
from ..gateway.provider import require
from .base import Completion, LLMProvider, Prompt, http_error, token_limit

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types.chat import ChatCompletion

REASONS_BY_DEFAULT = re.compile(r"(^|/)gpt-[56]")  # the older families reject `reasoning_effort`
OLDER = {"reasoning_effort": "", "max_completion_tokens": "max_tokens"}  # parameter -> its older name, where it has one


class Provider(LLMProvider):
    name = "openai"

    def missing(self) -> str:
        if not (conf.OPENAI_API_KEY or conf.OPENAI_BASE_URL):
            return "set OPENAI_API_KEY (or OPENAI_BASE_URL for a self-hosted server)"
        if not sendable(conf.OPENAI_API_KEY):
            return "copy OPENAI_API_KEY again: it holds characters that no key has"
        return "" if find_spec("openai") else "pip install 'dailycast[openai]'"

    def unbilled(self) -> bool:
        return bool(conf.OPENAI_BASE_URL) and not conf.OPENAI_API_KEY  # a key means that somebody bills

    def model(self) -> str:
        return conf.DAILYCAST_OPENAI_MODEL

    def prepare(self) -> None:
        _ = _client(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, os.getpid()).chat.completions  # which the SDK loads late

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        answer = _send(_request(prompt, self.model()), timeout)
        usage = getattr(answer, "usage", None)
        asked, given = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
        try:
            return Completion(_text(answer), self.name, self.model(), asked, given)
        except ProviderError as error:
            error.billed = None if asked is None else (asked, given)
            raise


def _request(prompt: Prompt, model: str) -> dict[str, Any]:
    request = {
        "model": model,
        "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
        "max_completion_tokens": token_limit(prompt.minutes),
    }
    return {**request, "reasoning_effort": "none"} if REASONS_BY_DEFAULT.search(model) else request


def _send(request: dict[str, Any], timeout: float) -> "ChatCompletion":
    sdk = require("openai", "openai")
    client = _client(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, os.getpid())
    try:
        answer: ChatCompletion = client.chat.completions.create(**request, timeout=timeout)
    except sdk.APIConnectionError as error:
        raise unanswered("OpenAI", timeout, "OPENAI_BASE_URL") from error
    except sdk.APIStatusError as error:
        plainer = _without_rejected(request, error)
        if plainer == request:
            _refuse(error)
        return _send(plainer, timeout)
    except (sdk.APIError, ValueError) as error:  # the SDK lets json's own errors through
        raise _unreadable() from error
    return answer


@lru_cache(maxsize=4)
def _client(key: str, base_url: str, pid: int) -> "OpenAI":
    """One for the process, and a new one after a fork or a change of settings. The SDK wants a key, even for nobody."""
    check_address("OPENAI_BASE_URL", base_url)
    client: OpenAI = require("openai", "openai").OpenAI(
        api_key=key or "no-key", base_url=base_url or None, max_retries=0
    )
    return client


def _without_rejected(request: dict[str, Any], error: "APIStatusError") -> dict[str, Any]:
    """`request` without the parameter that an older server or model rejects by name; it is not billed for a 400."""
    told = error.response.text if error.status_code in (400, 422) else ""
    rejected = next((name for name in OLDER if name in told and name in request), None)
    if rejected is None:
        return request
    rest = {name: value for name, value in request.items() if name != rejected}
    return {**rest, OLDER[rejected]: request[rejected]} if OLDER[rejected] else rest


def _refuse(error: "APIStatusError") -> NoReturn:
    if "insufficient_quota" in (error.code, error.type):
        message = "OpenAI's account is out of credit (429): add credit at platform.openai.com or set another key."
        raise VendorWideError(message) from error
    told = error.body.get("message") if isinstance(error.body, dict) else error.body
    raise http_error("OpenAI", error.status_code, told, error.response.headers.get("retry-after")) from error


def _text(answer: "ChatCompletion") -> str:
    try:
        choice = answer.choices[0]
        text, reason, refusal = choice.message.content, choice.finish_reason, choice.message.refusal
    except (AttributeError, IndexError, TypeError) as error:  # a web page, no choices, choices that are null
        raise _unreadable() from error
    if refusal or reason == "content_filter":
        message = "OpenAI refused to write this script: look for what may offend in the learner's records."
        raise ProviderError(message, permanent=True)
    if reason == "length":
        message = "OpenAI's script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."
        raise ProviderError(message, permanent=True)
    if not isinstance(text, str) or not text.strip():
        raise ProviderError("OpenAI answered with an empty text: try again later.", permanent=False)
    return text


def _unreadable() -> ProviderError:
    message = "OpenAI's answer is not a chat completion: check OPENAI_BASE_URL, or try again later."
    return ProviderError(message, permanent=False)
