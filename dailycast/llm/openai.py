"""OpenAI, and every server with its chat completions API, such as Ollama, llama.cpp, vLLM. For openai 1.59 to 3.x."""

import os
import re
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

from ..conf import conf
from ..errors import ProviderError, VendorWideError
from ..gateway.answers import sane_figure
from ..gateway.clients import guard_httpx
from ..gateway.http import Vendor, key_problem, own_error, validate_url
from ..gateway.messages import no_answer_error
from ..gateway.provider import bill_errors, require
from .base import MAX_COMPLETION, Completion, LLMProvider, Prompt, cut_error, empty_error, http_error, token_limit

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types.chat import ChatCompletion

VENDOR = Vendor("OpenAI", "OPENAI_BASE_URL", MAX_COMPLETION)
REASONING_MODEL = re.compile(r"(^|/)gpt-[56]")  # the older families reject `reasoning_effort`
OPTIONAL_PARAMETERS = {
    "reasoning_effort": "",
    "max_completion_tokens": "max_tokens",
}  # parameter -> its older name, where it has one


class Provider(LLMProvider):
    name = "openai"

    def missing(self) -> str:
        if not (conf.OPENAI_API_KEY or conf.OPENAI_BASE_URL):
            return "set OPENAI_API_KEY (or OPENAI_BASE_URL for a self-hosted server)"
        installation = "" if find_spec("openai") else "pip install 'dailycast[openai]'"
        return key_problem("OPENAI_API_KEY", conf.OPENAI_API_KEY) or installation

    def unbilled(self) -> bool:
        return bool(conf.OPENAI_BASE_URL) and not conf.OPENAI_API_KEY  # where there is a key, somebody bills

    def model(self) -> str:
        return conf.DAILYCAST_OPENAI_MODEL

    def prepare(self) -> None:
        _ = _client(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, os.getpid()).chat.completions  # the SDK loads it lazily

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        answer = _send(_request(prompt, self.model()), timeout)
        usage = getattr(answer, "usage", None)
        tokens = (
            sane_figure(getattr(usage, "prompt_tokens", None)),
            sane_figure(getattr(usage, "completion_tokens", None)),
        )
        with bill_errors(*tokens):
            return Completion(_script_text(answer), self.name, self.model(), *tokens)


def _request(prompt: Prompt, model: str) -> dict[str, Any]:
    request = {
        "model": model,
        "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
        "max_completion_tokens": token_limit(prompt.minutes),
    }
    return {**request, "reasoning_effort": "none"} if REASONING_MODEL.search(model) else request


def _send(request: dict[str, Any], timeout: float) -> "ChatCompletion":
    sdk = require("openai", "openai")
    client = _client(conf.OPENAI_API_KEY, conf.OPENAI_BASE_URL, os.getpid())
    try:
        answer: ChatCompletion = client.chat.completions.create(**request, timeout=timeout)
    except sdk.APIConnectionError as error:
        raise own_error(error) or no_answer_error("OpenAI", timeout, "OPENAI_BASE_URL") from error
    except sdk.APIStatusError as error:
        simpler = _without_rejected_parameter(request, error)
        if simpler == request:
            _raise_status_error(error)
        return _send(simpler, timeout)
    except (sdk.APIError, ValueError) as error:  # the SDK does not convert json's own errors
        raise _unreadable_error() from error
    return answer


@lru_cache(maxsize=4)
def _client(key: str, base_url: str, pid: int) -> "OpenAI":
    """One client for the process, a new one after a fork or a change of settings. The SDK requires some key."""
    validate_url("OPENAI_BASE_URL", base_url)
    client: OpenAI = require("openai", "openai").OpenAI(
        api_key=key or "no-key", base_url=base_url or None, max_retries=0
    )
    guard_httpx(client._client, VENDOR)
    return client


def _without_rejected_parameter(request: dict[str, Any], error: "APIStatusError") -> dict[str, Any]:
    """`request` without the parameter that an older server or model rejects by name; a 400 is not billed."""
    body = error.response.text if error.status_code in (400, 422) else ""
    rejected = next((name for name in OPTIONAL_PARAMETERS if name in body and name in request), None)
    if rejected is None:
        return request
    rest = {name: value for name, value in request.items() if name != rejected}
    return {**rest, OPTIONAL_PARAMETERS[rejected]: request[rejected]} if OPTIONAL_PARAMETERS[rejected] else rest


def _raise_status_error(error: "APIStatusError") -> NoReturn:
    if "insufficient_quota" in (error.code, error.type):
        message = "OpenAI's account is out of credit (429): add credit at platform.openai.com or set another key."
        raise VendorWideError(message) from error
    vendor_text = error.body.get("message") if isinstance(error.body, dict) else error.body
    raise http_error("OpenAI", error.status_code, vendor_text, error.response.headers.get("retry-after")) from error


def _script_text(answer: "ChatCompletion") -> str:
    try:
        choice = answer.choices[0]
        text, reason, refusal = choice.message.content, choice.finish_reason, choice.message.refusal
    except (AttributeError, LookupError, TypeError) as error:  # a web page, no choices, null or an object for choices
        raise _unreadable_error() from error
    if refusal or reason == "content_filter":
        message = "OpenAI refused to write this script: look for what may offend in the learner's records."
        raise ProviderError(message, permanent=True)
    if reason == "length":
        raise cut_error("OpenAI")
    if not isinstance(text, str) or not text.strip():
        raise empty_error("OpenAI")
    return text


def _unreadable_error() -> ProviderError:
    message = "OpenAI's answer is not a chat completion: check OPENAI_BASE_URL, or try again later."
    return ProviderError(message, permanent=False)
