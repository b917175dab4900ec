"""Google Gemini, through google-genai where that is installed, else through google-generativeai's REST client."""

import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

from ..conf import conf
from ..errors import ProviderError
from ..gateway.answers import clean_text, sane_figure, without_odd_figures
from ..gateway.clients import guard_httpx, guard_requests
from ..gateway.http import Vendor, key_problem, validate_url
from ..gateway.messages import no_answer_error
from ..gateway.provider import bill_errors, require
from .base import MAX_COMPLETION, Completion, LLMProvider, Prompt, cut_error, empty_error, http_error, token_limit

Answer = dict[str, Any]  # a GenerateContentResponse in snake_case, the same from both SDKs
Errors = tuple[type[Exception], ...]

FIGURES = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")
# Both SDKs refuse a whole answer, which is billed, for one odd figure in it.
CLEAN = partial(without_odd_figures, field="usageMetadata", names=FIGURES)
VENDOR = Vendor("Gemini", "GEMINI_BASE_URL", MAX_COMPLETION, CLEAN)
ENDPOINT = "https://generativelanguage.googleapis.com"
THINKING_TOKENS = 8_000  # the tokens of thoughts count towards the limit of the answer
FINISHED = ("STOP", "FINISH_REASON_UNSPECIFIED", None)  # no reason means that the answer was not cut
# Of google-genai 3, 2, 1.0.
TRANSPORT_ERRORS = (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("requests", "RequestException"))
RETRY_DELAY = re.compile(r'"retryDelay":\s*"([\d.]+)s"')  # google.rpc.RetryInfo, where there is no Retry-After header


class Provider(LLMProvider):
    name = "gemini"

    def missing(self) -> str:
        if not (conf.GEMINI_API_KEY or conf.GEMINI_BASE_URL):
            return "set GEMINI_API_KEY"
        is_installed = _is_installed("google.genai") or _is_installed("google.generativeai")
        installation = "" if is_installed else "pip install 'dailycast[genai]'"
        return key_problem("GEMINI_API_KEY", conf.GEMINI_API_KEY) or installation

    def unbilled(self) -> bool:
        return bool(conf.GEMINI_BASE_URL) and not conf.GEMINI_API_KEY

    def model(self) -> str:
        return conf.DAILYCAST_GEMINI_MODEL

    def most_tokens(self, prompt: Prompt) -> tuple[int, int]:
        tokens_in, tokens_out = super().most_tokens(prompt)
        return tokens_in, tokens_out + THINKING_TOKENS

    def prepare(self) -> None:
        _client()

    def complete(self, prompt: Prompt, timeout: float) -> Completion:
        answer = _send(prompt, self.model(), timeout)
        tokens = _billed_tokens(answer.get("usage_metadata"))
        with bill_errors(*tokens):
            return Completion(_script_text(answer), self.name, self.model(), *tokens)


class GenaiClient:
    """google-genai. The key is sent in a header; there are no retries by default."""

    def __init__(self, key: str, endpoint: str) -> None:
        sdk = require("google.genai", "genai")
        options = {"base_url": endpoint, "api_version": "v1beta"}  # as in the older SDK; some releases default to v1
        self.client = sdk.Client(api_key=key, vertexai=False, http_options=options)
        self._guard(self.client._api_client)
        self.status_errors: type[Exception] = require("google.genai.errors", "genai").APIError
        self.connection_errors: Errors = tuple(
            getattr(sys.modules[name], error) for name, error in TRANSPORT_ERRORS if name in sys.modules
        )
        self.format_errors: Errors = (ValueError, AttributeError, TypeError)  # raised for an unexpected body

    @staticmethod
    def _guard(api: Any) -> None:
        if hasattr(api, "_httpx_client"):
            guard_httpx(api._httpx_client, VENDOR)
        else:  # before 1.8
            api._request_unauthorized = partial(
                _send_by, guard_requests(require("requests", "genai").Session(), VENDOR)
            )

    def generate(self, prompt: Prompt, model: str, max_tokens: int, timeout: float) -> Answer:
        config = {
            "system_instruction": prompt.system,
            "max_output_tokens": max_tokens,
            "http_options": {"timeout": round(timeout * 1000)},
        }
        response = self.client.models.generate_content(model=model, contents=prompt.user, config=config)
        answer: Answer = response.model_dump(mode="json")
        return answer


def _send_by(session: Any, request: Any, stream: bool) -> Any:
    """In place of google-genai's own method, which makes a `requests.Session` of its own for each call."""
    body = json.dumps(request.data)
    response = session.request(request.method, request.url, headers=request.headers, data=body, timeout=request.timeout)
    require("google.genai.errors", "genai").APIError.raise_for_response(response)
    return require("google.genai._api_client", "genai").HttpResponse(response.headers, [response.text])


class GenerativeaiClient:
    """google-generativeai: the client that the package is built on, without its process-wide `configure()`.

    Always REST: over gRPC a bad endpoint ignores every timeout. The key is metadata, which REST sends as a header; with
    credentials of its own the client would send a request with a refused key three times.
    """

    def __init__(self, key: str, endpoint: str) -> None:
        with warnings.catch_warnings():  # at import the packages warn of their own and of Python's end of life
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            sdk = require("google.ai.generativelanguage", "gemini")
        anonymous = require("google.auth.credentials", "gemini").AnonymousCredentials()
        options = {"api_endpoint": endpoint}
        self.client = sdk.GenerativeServiceClient(transport="rest", credentials=anonymous, client_options=options)
        guard_requests(self.client.transport._session, VENDOR)
        self.key = key
        self.not_signed_in = require("google.auth.exceptions", "gemini").GoogleAuthError
        self.status_errors: type[Exception] = require("google.api_core.exceptions", "gemini").GoogleAPICallError
        self.connection_errors: Errors = (require("requests", "gemini").RequestException,)
        self.format_errors: Errors = (
            require("google.protobuf.json_format", "gemini").ParseError,
            ValueError,
            AttributeError,
        )

    def generate(self, prompt: Prompt, model: str, max_tokens: int, timeout: float) -> Answer:
        request = {
            "model": f"models/{model}",
            "system_instruction": {"parts": [{"text": prompt.system}]},
            "contents": [{"role": "user", "parts": [{"text": prompt.user}]}],
            "generation_config": {"max_output_tokens": max_tokens},
        }
        header = ("x-goog-api-key", self.key)
        try:
            response = self.client.generate_content(request, retry=None, timeout=timeout, metadata=[header])
        except self.not_signed_in as error:  # what its session raises for a 401
            raise http_error("Gemini", 401, "", None) from error
        answer: Answer = type(response).to_dict(response, use_integers_for_enums=False)
        return answer


Client = GenaiClient | GenerativeaiClient


@lru_cache(maxsize=4)
def _cached_client(make: Callable[[str, str], Client], key: str, endpoint: str, pid: int) -> Client:
    """One client for the process, and a new one after a fork or a change of settings."""
    return make(key, endpoint)


def _client() -> Client:
    make = GenaiClient if _is_installed("google.genai") else GenerativeaiClient
    return _cached_client(make, conf.GEMINI_API_KEY or "no-key", _endpoint(conf.GEMINI_BASE_URL), os.getpid())


def _send(prompt: Prompt, model: str, timeout: float) -> Answer:
    client = _client()
    try:
        return client.generate(prompt, model, token_limit(prompt.minutes) + THINKING_TOKENS, timeout)
    except client.status_errors as error:
        raise _api_error(error) from error
    except client.connection_errors as error:
        raise no_answer_error("Gemini", timeout, "GEMINI_BASE_URL") from error
    except client.format_errors as error:
        message = "Gemini's answer is not a completion: check GEMINI_BASE_URL, or try again later."
        raise ProviderError(message, permanent=False) from error


def _endpoint(base_url: str) -> str:
    """`base_url` without `/v1beta`, because both SDKs add `/v1beta/models/...`. Raises ProviderError."""
    validate_url("GEMINI_BASE_URL", base_url)
    return base_url.rstrip("/").removesuffix("/v1beta") or ENDPOINT


def _is_installed(package: str) -> bool:
    """Whether `package` is installed, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent is not installed either
        return False


def _api_error(error: Any) -> ProviderError:
    """The errors of both SDKs have `code`, `message` and the HTTP `response`."""
    body, headers = error.response.text, error.response.headers
    if "API_KEY_INVALID" in body:  # it comes with status 400
        return http_error("Gemini", 401, "", None)
    vendor_text = re.sub(r"^POST \S+: ", "", clean_text(error.message))
    delay = RETRY_DELAY.search(body)
    retry_after = headers.get("retry-after") or (delay[1] if delay else None)
    return http_error("Gemini", int(error.code), vendor_text, retry_after)


def _script_text(answer: Answer) -> str:
    candidates = answer.get("candidates") or [{}]
    reason = candidates[0].get("finish_reason")
    blocked = (answer.get("prompt_feedback") or {}).get("block_reason")
    if reason == "MAX_TOKENS":
        raise cut_error("Gemini")
    if blocked or reason not in FINISHED:
        message = f"Gemini refused to write this script ({blocked or reason}): look at the learner's records."
        raise ProviderError(message, permanent=True)
    parts = (candidates[0].get("content") or {}).get("parts") or []
    text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    if not text.strip():
        raise empty_error("Gemini")
    return text


def _billed_tokens(usage: Answer | None) -> tuple[int | None, int | None]:
    """Tokens in and out. Thoughts are billed as output; the older SDK shows them only in the total."""
    if not isinstance(usage, dict) or not usage:
        return None, None
    names = "prompt_token_count", "total_token_count", "candidates_token_count"
    tokens_in, total, tokens_out = (sane_figure(usage.get(name) or 0) for name in names)
    if tokens_in is None or total is None or tokens_out is None:
        return tokens_in, None
    return tokens_in, max(total - tokens_in, tokens_out)
