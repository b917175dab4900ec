"""Google Gemini, through google-genai where that is installed, else through google-generativeai's REST client."""

import os
import re
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from ..conf import conf
from ..errors import ProviderError
from ..gateway.http import check_address, sendable
from ..gateway.messages import unanswered
from ..gateway.provider import require
from .base import Completion, LLMProvider, Prompt, http_error, token_limit

Answer = dict[str, Any]  # a GenerateContentResponse in snake_case, the same from both SDKs
Errors = tuple[type[Exception], ...]

ENDPOINT = "https://generativelanguage.googleapis.com"
THINKING_TOKENS = 8_000  # Gemini counts its thoughts against the limit of the answer
FINISHED = ("STOP", "FINISH_REASON_UNSPECIFIED", None)  # a server that names no reason has not cut its answer
HTTP = (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("requests", "RequestException"))  # of google-genai 3, 2, 1.0
DELAY = re.compile(r'"retryDelay":\s*"([\d.]+)s"')  # google.rpc.RetryInfo, where there is no Retry-After header


class Provider(LLMProvider):
    name = "gemini"

    def missing(self) -> str:
        if not (conf.GEMINI_API_KEY or conf.GEMINI_BASE_URL):
            return "set GEMINI_API_KEY"
        if not sendable(conf.GEMINI_API_KEY):
            return "copy GEMINI_API_KEY again: it holds characters that no key has"
        return "" if _has("google.genai") or _has("google.generativeai") else "pip install 'dailycast[genai]'"

    def unbilled(self) -> bool:
        return bool(conf.GEMINI_BASE_URL) and not conf.GEMINI_API_KEY

    def model(self) -> str:
        return conf.DAILYCAST_GEMINI_MODEL

    def most_tokens(self, prompt: Prompt) -> tuple[int, int]:
        asked, given = super().most_tokens(prompt)
        return asked, given + THINKING_TOKENS

    def prepare(self) -> None:
        _chosen()

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        answer = _send(prompt, self.model(), timeout)
        asked, given = _tokens(answer.get("usage_metadata"))
        try:
            return Completion(_text(answer), self.name, self.model(), asked, given)
        except ProviderError as error:
            error.billed = None if asked is None else (asked, given)
            raise


class Genai:
    """google-genai. The key travels in a header; there are no retries unless one asks for them."""

    def __init__(self, key: str, endpoint: str) -> None:
        sdk = require("google.genai", "genai")
        options = {"base_url": endpoint, "api_version": "v1beta"}  # as the older SDK; some releases would say v1
        self.client = sdk.Client(api_key=key, vertexai=False, http_options=options)
        self.refused: type[Exception] = require("google.genai.errors", "genai").APIError
        self.broken: Errors = tuple(getattr(sys.modules[name], error) for name, error in HTTP if name in sys.modules)
        self.unreadable: Errors = (ValueError, AttributeError, TypeError)  # as bodies happen to fail inside the SDK

    def ask(self, prompt: Prompt, model: str, most: int, timeout: float) -> Answer:
        config = {
            "system_instruction": prompt.system,
            "max_output_tokens": most,
            "http_options": {"timeout": round(timeout * 1000)},
        }
        response = self.client.models.generate_content(model=model, contents=prompt.user, config=config)
        answer: Answer = response.model_dump(mode="json")
        return answer


class Generativeai:
    """google-generativeai: the client that the package is built on, free of its process-wide `configure()`.

    REST always: over gRPC a bad endpoint outlives every timeout. The key goes as metadata, which REST sends as a
    header: credentials of the client's own would make it send a 401 three times.
    """

    def __init__(self, key: str, endpoint: str) -> None:
        with warnings.catch_warnings():  # the packages below warn, at import, of their own and of Python's end of life
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            sdk = require("google.ai.generativelanguage", "gemini")
        anonymous = require("google.auth.credentials", "gemini").AnonymousCredentials()
        options = {"api_endpoint": endpoint}
        self.client = sdk.GenerativeServiceClient(transport="rest", credentials=anonymous, client_options=options)
        self.key = key
        self.not_signed_in = require("google.auth.exceptions", "gemini").GoogleAuthError
        self.refused: type[Exception] = require("google.api_core.exceptions", "gemini").GoogleAPICallError
        self.broken: Errors = (require("requests", "gemini").RequestException,)
        self.unreadable: Errors = (
            require("google.protobuf.json_format", "gemini").ParseError,
            ValueError,
            AttributeError,
        )

    def ask(self, prompt: Prompt, model: str, most: int, timeout: float) -> Answer:
        request = {
            "model": f"models/{model}",
            "system_instruction": {"parts": [{"text": prompt.system}]},
            "contents": [{"role": "user", "parts": [{"text": prompt.user}]}],
            "generation_config": {"max_output_tokens": most},
        }
        header = ("x-goog-api-key", self.key)
        try:
            response = self.client.generate_content(request, retry=None, timeout=timeout, metadata=[header])
        except self.not_signed_in as error:  # what its session makes of a 401
            raise http_error("Gemini", 401, "", None) from error
        answer: Answer = type(response).to_dict(response, use_integers_for_enums=False)
        return answer


@lru_cache(maxsize=4)
def _sdk(load: Callable[[str, str], Genai | Generativeai], key: str, endpoint: str, pid: int) -> Genai | Generativeai:
    """One client for the process, and a new one after a fork or a change of settings."""
    return load(key, endpoint)


def _chosen() -> Genai | Generativeai:
    load = Genai if _has("google.genai") else Generativeai
    return _sdk(load, conf.GEMINI_API_KEY or "no-key", _endpoint(conf.GEMINI_BASE_URL), os.getpid())


def _send(prompt: Prompt, model: str, timeout: float) -> Answer:
    sdk = _chosen()
    try:
        return sdk.ask(prompt, model, token_limit(prompt.minutes) + THINKING_TOKENS, timeout)
    except sdk.refused as error:
        raise _refusal(error) from error
    except sdk.broken as error:
        raise unanswered("Gemini", timeout, "GEMINI_BASE_URL") from error
    except sdk.unreadable as error:
        message = "Gemini's answer is not a completion: check GEMINI_BASE_URL, or try again later."
        raise ProviderError(message, permanent=False) from error


def _endpoint(base_url: str) -> str:
    """`base_url` as both SDKs want it: they add `/v1beta/models/...` themselves. Raises ProviderError."""
    check_address("GEMINI_BASE_URL", base_url)
    return base_url.rstrip("/").removesuffix("/v1beta") or ENDPOINT


def _has(package: str) -> bool:
    """Whether `package` is installed, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even its parent is
        return False


def _refusal(error: Any) -> ProviderError:
    """Both SDKs' errors carry `code`, `message` and the HTTP `response`."""
    body, headers = error.response.text, error.response.headers
    if "API_KEY_INVALID" in body:  # which comes as a 400
        return http_error("Gemini", 401, "", None)
    told = re.sub(r"^POST \S+: ", "", error.message or "")
    delay = DELAY.search(body)
    return http_error("Gemini", int(error.code), told, headers.get("retry-after") or (delay[1] if delay else None))


def _text(answer: Answer) -> str:
    candidates = answer.get("candidates") or [{}]
    reason = candidates[0].get("finish_reason")
    blocked = (answer.get("prompt_feedback") or {}).get("block_reason")
    if reason == "MAX_TOKENS":
        message = "Gemini's script was cut at the token limit: ask for fewer DAILYCAST_MINUTES or another model."
        raise ProviderError(message, permanent=True)
    if blocked or reason not in FINISHED:
        message = f"Gemini refused to write this script ({blocked or reason}): look at the learner's records."
        raise ProviderError(message, permanent=True)
    parts = (candidates[0].get("content") or {}).get("parts") or []
    text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    if not text.strip():
        raise ProviderError("Gemini answered with an empty text: try again later.", permanent=False)
    return text


def _tokens(usage: Answer | None) -> tuple[int | None, int | None]:
    """Tokens in and out. The total holds the thoughts too: they are billed as output, and the older SDK hides them."""
    if not usage:
        return None, None
    asked, total = usage.get("prompt_token_count") or 0, usage.get("total_token_count") or 0
    return asked, max(total - asked, usage.get("candidates_token_count") or 0)
