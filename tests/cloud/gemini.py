"""Gemini's POST /v1beta/models/MODEL:generateContent, the one path of both SDKs. Error shapes: google.rpc.Status."""

import re
from collections.abc import Callable
from typing import Any

from .openai import OVERDRAWN, half
from .wire import RETRY_AFTER, Fault, Make, Reply, Request, Vendor, cut, in_json, key_in_url, tokens, with_retry_after

MODELS = {"gemini-3.5-flash-lite", "gemini-3.5-flash", "gemini-2.5-flash", "gemini-2.5-flash-lite"}
NUMBERS = {"STOP": 1, "MAX_TOKENS": 2, "SAFETY": 3, "PROHIBITED_CONTENT": 4}  # of FinishReason and BlockReason
RPC = "type.googleapis.com/google.rpc."
INVALID_KEY = {"@type": RPC + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}


class Gemini(Vendor):
    name = "gemini"

    def __init__(self, write: Callable[[str], str]) -> None:
        self.write = write
        self.faults = {
            **{fault: too_many(value) for fault, value in RETRY_AFTER.items()},
            # So the real service answers a wrong key: HTTP 400, with only the reason in its details to recognise it.
            Fault.BAD_KEY: lambda _: error(
                400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", INVALID_KEY
            ),
            Fault.QUOTA: lambda _: exhausted(OVERDRAWN, "38s"),
            Fault.SERVER_ERROR: lambda _: error(500, "INTERNAL", "An internal error has occurred."),
            Fault.UNAVAILABLE: lambda _: error(
                503, "UNAVAILABLE", "The model is overloaded. Please try again with_retry_after."
            ),
            Fault.NO_CHOICES: lambda request: self.response(request, {}),
            Fault.EMPTY: lambda request: self.candidate(request, "", "STOP"),
            Fault.REFUSAL: lambda request: self.response(
                request, {"promptFeedback": {"blockReason": enum(request, "PROHIBITED_CONTENT")}}
            ),
            Fault.FILTER: lambda request: self.candidate(request, "", "SAFETY"),
            Fault.LENGTH: lambda request: self.candidate(request, half(self.write(self.text(request))), "MAX_TOKENS"),
        }

    def serves(self, path: str) -> bool:
        return bool(re.fullmatch(r"/v1beta/models/[^/:]+:generateContent", path))

    def kind(self, request: Request) -> str:
        return request.path.rpartition("/")[2].partition(":")[0]

    def text(self, request: Request) -> str:
        system = request.body.get("systemInstruction") or {}
        return "\n".join(
            part.get("text", "")
            for turn in [system, *request.body.get("contents", [])]
            for part in turn.get("parts", [])
        )

    def refuse(self, request: Request) -> Reply | None:
        key, model = request.header("x-goog-api-key"), self.kind(request)
        if key_in_url(request):
            return error(400, "key_in_url", "Never send a key in a URL.")
        if not key:
            return error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use API Key.")
        if key == "bad-key":
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if model not in MODELS:
            return error(404, "NOT_FOUND", f"models/{model} is not found for API version v1beta.")
        if not request.body.get("contents"):
            return error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents: contents is not specified")
        return None

    def answer(self, request: Request) -> Reply:
        limit = request.body.get("generationConfig", {}).get("maxOutputTokens")
        text, is_cut = cut(self.write(self.text(request)), limit)
        return self.candidate(request, text, "MAX_TOKENS" if is_cut else "STOP")

    def candidate(self, request: Request, text: str, reason: str) -> Reply:
        content = {"role": "model", **({"parts": [{"text": text}]} if text else {})}
        candidate = {"content": content, "finishReason": enum(request, reason), "index": 0}
        return self.response(request, {"candidates": [candidate]}, tokens(text) if text else 0)

    def response(self, request: Request, body: dict[str, Any], tokens_out: int = 0) -> Reply:
        tokens_in = tokens(self.text(request))
        usage = {
            "promptTokenCount": tokens_in,
            "candidatesTokenCount": tokens_out,
            "totalTokenCount": tokens_in + tokens_out,
        }
        return in_json(
            200, {**body, "usageMetadata": usage, "modelVersion": self.kind(request)}, {}, units=tokens_in + tokens_out
        )


def enum(request: Request, name: str) -> str | int:
    """google-generativeai asks for enums as numbers, google-genai takes their names."""
    return NUMBERS[name] if "enum-encoding=int" in request.query.get("$alt", "") else name


def too_many(retry_after: Callable[[], str]) -> Make:
    return lambda _: with_retry_after(exhausted("Resource has been exhausted (e.g. check quota).", "1s"), retry_after())


def exhausted(message: str, delay: str) -> Reply:
    return error(429, "RESOURCE_EXHAUSTED", message, {"@type": RPC + "RetryInfo", "retryDelay": delay})


def error(status: int, word: str, message: str, *details: dict[str, str]) -> Reply:
    body = {"code": status, "message": message, "status": word, **({"details": details} if details else {})}
    return in_json(status, {"error": body}, {}, outcome=word)
