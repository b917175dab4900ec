"""OpenAI's POST /v1/chat/completions. Error shapes: platform.openai.com/docs/guides/error-codes, and users' reports."""

import time
from collections.abc import Callable
from typing import Any

from .wire import (
    RETRY_AFTER,
    Fault,
    Make,
    Reply,
    Request,
    Vendor,
    cut,
    in_json,
    key_in_url,
    new_id,
    tokens,
    with_retry_after,
)

MODELS = {"gpt-6-luna", "gpt-5", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"}
OVERDRAWN = "You exceeded your current quota, please check your plan and billing details."
REFUSED = "I'm sorry, but I can't help with that."


class OpenAI(Vendor):
    name = "openai"

    def __init__(self, write: Callable[[str], str]) -> None:
        self.write = write
        self.faults = {
            **{fault: too_many(value) for fault, value in RETRY_AFTER.items()},
            Fault.BAD_KEY: lambda _: bad_key(),
            Fault.QUOTA: lambda _: error(429, OVERDRAWN, "insufficient_quota", kind="insufficient_quota"),
            Fault.SERVER_ERROR: lambda _: error(500, "The server had an error. Sorry about that!", kind="server_error"),
            Fault.UNAVAILABLE: lambda _: error(503, "The engine is currently overloaded.", kind="server_error"),
            Fault.NO_CHOICES: lambda request: self.completion(request, None),
            Fault.EMPTY: lambda request: self.completion(request, ""),
            Fault.REFUSAL: lambda request: self.completion(request, None, refusal=REFUSED),
            Fault.FILTER: lambda request: self.completion(request, "", "content_filter"),
            Fault.LENGTH: lambda request: self.completion(request, half(self.write(self.text(request))), "length"),
        }

    def serves(self, path: str) -> bool:
        return path == "/v1/chat/completions"

    def kind(self, request: Request) -> str:
        return str(request.body.get("model", ""))

    def text(self, request: Request) -> str:
        return "\n".join(content(message) for message in request.body.get("messages", []))

    def refuse(self, request: Request) -> Reply | None:
        scheme, _, key = request.header("Authorization").partition(" ")
        model = self.kind(request)
        if key_in_url(request):
            return error(400, "Never send a key in a URL.", "key_in_url")
        if scheme != "Bearer" or not key:
            return error(401, "You didn't provide an API key. Use an Authorization header with Bearer auth.")
        if key == "bad-key":
            return bad_key()
        if model not in MODELS:
            return error(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")
        if not request.body.get("messages"):
            return error(400, "Missing required parameter: 'messages'.", "missing_required_parameter", "messages")
        return unsupported(model, request.body)

    def answer(self, request: Request) -> Reply:
        body = request.body
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        text, is_cut = cut(self.write(self.text(request)), limit)
        return self.completion(request, text, "length" if is_cut else "stop")

    def completion(self, request: Request, text: str | None, reason: str = "stop", refusal: str | None = None) -> Reply:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        content = text or refusal
        tokens_in, tokens_out = tokens(self.text(request)), tokens(content) if content else 0
        body = {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.kind(request),
            "choices": [] if text is None and refusal is None else [choice],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }
        return in_json(200, body, {"x-request-id": new_id("req_")}, units=tokens_in + tokens_out)


def content(message: dict[str, Any]) -> str:
    parts = message.get("content") or ""
    return parts if isinstance(parts, str) else "\n".join(part.get("text", "") for part in parts)


def half(text: str) -> str:
    return text[: len(text) // 2]


def unsupported(model: str, body: dict[str, Any]) -> Reply | None:
    """The parameters that a family of models rejects: gpt-4o and 4.1 do not reason, gpt-5 and 6 always may."""
    if model.startswith(("gpt-4o", "gpt-4.1")):
        return not_supported("reasoning_effort") if "reasoning_effort" in body else None
    if "max_tokens" in body:
        return not_supported("max_tokens", " Use 'max_completion_tokens' instead.")
    if body.get("temperature", 1) != 1:
        message = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model."
        return error(400, message, "unsupported_value", "temperature")
    return None


def not_supported(name: str, advice: str = "") -> Reply:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{advice}"
    return error(400, message, "unsupported_parameter", name)


def bad_key() -> Reply:
    return error(401, "Incorrect API key provided: bad-key.", "invalid_api_key")


def too_many(retry_after: Callable[[], str]) -> Make:
    message = "Rate limit reached on requests per min (RPM)."
    return lambda _: with_retry_after(error(429, message, "rate_limit_exceeded", kind="requests"), retry_after())


def error(
    status: int, message: str, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error"
) -> Reply:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return in_json(status, body, {"x-request-id": new_id("req_")}, outcome=code or str(status))
