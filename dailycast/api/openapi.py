"""The JSON API as OpenAPI 3.1 tells it. Written by hand; the tests hold it against the routes and the answers."""

from typing import Any

from ..languages.table import LANGUAGES
from ..models import Reason, Status

LONGEST = 1_000_000  # seconds that a position may be at

Json = dict[str, Any]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def thing(properties: Json, required: list[str] | None = None) -> Json:
    """An object with these properties and no other; all of them are there, unless `required` says which."""
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def wish(properties: Json, required: list[str]) -> Json:
    """An object that a client sends: what else is in it is not looked at."""
    return {"type": "object", "properties": properties, "required": required}


def told(kind: str, description: str, **more: Any) -> Json:
    return {"type": kind, "description": description, **more}


def maybe(kind: str, description: str = "", **more: Any) -> Json:
    return {"type": [kind, "null"], "description": description, **more}


def either(name: str, description: str) -> Json:
    return {"anyOf": [ref(name), {"type": "null"}], "description": description}


def array(name: str) -> Json:
    return {"type": "array", "items": ref(name)}


ID = {"id": told("integer", "The episode's own number.")}
STATE = {
    **ID,
    "status": told("string", "`completed` may be without audio.", enum=Status.values),
    "progress": told("string", "The state in a sentence, in the language of the request."),
    "reason": either("Reason", "Why there is no audio; null when there is, or while it is being made."),
}
POSITION = {
    **ID,
    "position_seconds": told("number", "Where the learner stopped."),
    "heard_at": maybe("string", "When nine tenths of it had been heard.", format="date-time"),
}
EPISODE = {
    **STATE,
    **POSITION,
    "title": told("string", "Empty until the script is written."),
    "language": told("string", "BCP-47; empty until it is known."),
    "audio": either("Audio", "Null when there is none."),
    "chapters": array("Chapter"),
    "edition_date": maybe("string", "The local day of a nightly edition.", format="date"),
    "created_at": told("string", "When it was asked for.", format="date-time"),
}
DETAIL = {**EPISODE, "script": told("string", "The whole script, with its headings and pauses."), "cues": array("Cue")}
START = {"start": told("number", "Seconds.")}
FIRST = "|".join(f"[{code[0].upper()}{code[0]}][{code[1].upper()}{code[1]}]" for code in LANGUAGES)
LANGUAGE = {"pattern": f"^(({FIRST})([-_][A-Za-z0-9]{{1,8}}){{0,3}})?$", "maxLength": 35, "examples": ["en", "pt-BR"]}
NO_NULL = {"pattern": r"^[^\u0000]*$", "maxLength": 255}
KEY = "The same key gives the same episode, however often it is sent. Without one, there is one episode a local day."

SCHEMAS: Json = {
    "Reason": thing(
        {"code": told("string", "Stays the same.", enum=Reason.values), "text": told("string", "For the learner.")}
    ),
    "Audio": thing(
        {
            "url": told("string", "The MP3, for one hour, without a cookie; byte ranges work.", format="uri"),
            "seconds": maybe("number", "Its measured length."),
            "bytes": maybe("integer", "Its size."),
        }
    ),
    "Chapter": thing({**START, "title": {"type": "string"}}),
    "Cue": thing({**START, "end": told("number", "Seconds."), "text": told("string", "One sentence.")}),
    "State": thing(STATE),
    "Position": thing(POSITION),
    "Episode": thing(EPISODE),
    "EpisodeDetail": thing(DETAIL),
    "Episodes": thing(
        {
            "next": maybe("string", "The page of older ones.", format="uri"),
            "previous": maybe("string", "The page of newer ones.", format="uri"),
            "results": array("Episode"),
        }
    ),
    "Feed": thing({"url": told("string", "The private feed. Whoever has it can hear all episodes.", format="uri")}),
    "Error": thing(
        {
            "detail": told("string", "For a person."),
            "code": told("string", "For a program; stays the same."),
            "seconds": told("integer", "Of a 429: how long to wait.", minimum=1),
        },
        ["detail", "code"],
    ),
    "Wish": wish(
        {
            "language": maybe("string", f"BCP-47: {', '.join(LANGUAGES)}. Without it: the learner's own.", **LANGUAGE),
            "idempotency_key": maybe("string", f"In place of the header. {KEY}", **NO_NULL),
        },
        [],
    ),
    "Stop": wish({"seconds": told("number", "Where the learner stopped.", minimum=0, maximum=LONGEST)}, ["seconds"]),
}

ERRORS = {
    "400": "The request cannot be read, or says what cannot be.",
    "401": "Not signed in.",
    "403": "Not signed in, or without the CSRF token that a session needs.",
    "404": "No such episode; another learner's is none either.",
    "406": "Only JSON is given.",
    "415": "Only JSON is taken.",
    "429": "Too soon: `Retry-After` says how many seconds to wait.",
}
ANYWHERE = ("401", "403", "404", "406", "429")
WITH_BODY = ("400", "415")
WAIT = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def content(name: str) -> Json:
    return {"application/json": {"schema": ref(name)}}


def error(status: str) -> Json:
    answer: Json = {"description": ERRORS[status], "content": content("Error")}
    return {**answer, "headers": WAIT} if status == "429" else answer


def operation(name: str, summary: str, answer: str, sent: str = "", status: str = "200", **more: Any) -> Json:
    """`answer` and `sent` name the schemas of what comes back and of the request's body."""
    known = ANYWHERE + (WITH_BODY if sent else ())
    answers = {status: {"description": summary, "content": content(answer)}, **{code: error(code) for code in known}}
    body = {"requestBody": {"content": content(sent), "required": "Stop" in sent}} if sent else {}
    return {"operationId": name, "summary": summary, "responses": answers, **body, **more}


def parameter(name: str, place: str, kind: str, description: str, **more: Any) -> Json:
    return {"name": name, "in": place, "description": description, "schema": {"type": kind}, **more}


PK = {"parameters": [parameter("pk", "path", "integer", "The episode's `id`.", required=True, example=1)]}
CURSOR = parameter("cursor", "query", "string", "As `next` and `previous` have it.")
IDEMPOTENCY_KEY = parameter("Idempotency-Key", "header", "string", KEY)

PATHS: Json = {
    "/episodes/": {
        "get": operation("listEpisodes", "The learner's episodes, newest first.", "Episodes", parameters=[CURSOR]),
        "post": operation(
            *("askForEpisode", "Ask for an episode; ask for its status while it is being made.", "EpisodeDetail"),
            sent="Wish",
            status="202",
            parameters=[IDEMPOTENCY_KEY],
        ),
    },
    "/episodes/today/": {"get": operation("getToday", "The newest episode of the local day.", "EpisodeDetail")},
    "/episodes/{pk}/": {**PK, "get": operation("getEpisode", "An episode with script and cues.", "EpisodeDetail")},
    "/episodes/{pk}/status/": {**PK, "get": operation("getStatus", "How far it is.", "State")},
    "/episodes/{pk}/progress/": {
        **PK,
        "put": operation("stopAt", "Keep where the learner stopped.", "Position", "Stop"),
    },
    "/feed/": {"get": operation("getFeed", "The private feed's address.", "Feed")},
    "/feed/rotate/": {"post": operation("rotateFeed", "A new address; the old one is worth nothing any more.", "Feed")},
    "/schema/": {
        "get": {
            "operationId": "getSchema",
            "summary": "This document.",
            "security": [],
            "responses": {
                "200": {"description": "OpenAPI.", "content": {"application/json": {"schema": {"type": "object"}}}},
                **{code: error(code) for code in ("404", "406", "429")},
            },
        }
    },
}


def document(root: str, ways: list[Json]) -> Json:
    """The whole of it, for an API at `root`, a host's `ways` of signing in being known."""
    schemes = {f"way{number}": way for number, way in enumerate(ways, 1)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dailycast", "version": "1", "description": "A learner's own episodes."},
        "servers": [{"url": root}],
        "security": [{name: []} for name in schemes],
        "paths": PATHS,
        "components": {"schemas": SCHEMAS, "securitySchemes": schemes},
    }
