"""The OpenAPI 3.1 document of the JSON API, written by hand. The tests compare it with the routes and the responses."""

from typing import Any

from ..languages.table import LANGUAGES
from ..models import Kind, Reason, Status

MAX_POSITION_SECONDS = 1_000_000  # that a client may send

Json = dict[str, Any]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def object_schema(properties: Json, required: list[str] | None = None) -> Json:
    """An object of a response, with these properties and no others; all are required, unless `required` names some."""
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def request_schema(properties: Json, required: list[str]) -> Json:
    """An object that a client sends; additional properties are ignored."""
    return {"type": "object", "properties": properties, "required": required}


def field(json_type: str, description: str, **more: Any) -> Json:
    return {"type": json_type, "description": description, **more}


def nullable(json_type: str, description: str = "", **more: Any) -> Json:
    return {"type": [json_type, "null"], "description": description, **more}


def nullable_ref(name: str, description: str) -> Json:
    return {"anyOf": [ref(name), {"type": "null"}], "description": description}


def array_of(name: str) -> Json:
    return {"type": "array", "items": ref(name)}


ID_FIELD = {"id": field("integer", "The episode's own number.")}
STATE_FIELDS = {
    **ID_FIELD,
    "status": field("string", "`completed` may be without audio.", enum=Status.values),
    "progress": field("string", "The state in a sentence, in the language of the request."),
    "reason": nullable_ref("Reason", "Why there is no audio; null when there is, or while it is being made."),
}
POSITION_FIELDS = {
    **ID_FIELD,
    "position_seconds": field("number", "Where the learner stopped."),
    "heard_at": nullable("string", "When nine tenths of it had been heard.", format="date-time"),
}
EPISODE_FIELDS = {
    **STATE_FIELDS,
    **POSITION_FIELDS,
    "title": field("string", "Empty until the script is written."),
    "language": field("string", "BCP-47; empty until it is known."),
    "audio": nullable_ref("Audio", "Null when there is none."),
    "chapters": array_of("Chapter"),
    "edition_date": nullable("string", "The local day of a nightly edition.", format="date"),
    "created_at": field("string", "When it was asked for.", format="date-time"),
}
DETAIL_FIELDS = {
    **EPISODE_FIELDS,
    "script": field("string", "The whole script, with its headings and pauses."),
    "cues": array_of("Cue"),
    "passed_over": array_of("PassedOver"),
}
START_FIELD = {"start": field("number", "Seconds.")}
LANGUAGE_CODES = "|".join(f"[{code[0].upper()}{code[0]}][{code[1].upper()}{code[1]}]" for code in LANGUAGES)
LANGUAGE_FORMAT = {
    "pattern": f"^(({LANGUAGE_CODES})([-_][A-Za-z0-9]{{1,8}}){{0,3}})?$",
    "maxLength": 35,
    "examples": ["en", "pt-BR"],
}
KEY_FORMAT = {"pattern": r"^[^\u0000]*$", "maxLength": 255}
KEY_DESCRIPTION = (
    "The same key gives the same episode, however often it is sent. Without one, there is one episode a local day."
)

SCHEMAS: Json = {
    "Reason": object_schema(
        {"code": field("string", "Stays the same.", enum=Reason.values), "text": field("string", "For the learner.")}
    ),
    "Audio": object_schema(
        {
            "url": field("string", "The MP3, for one hour, without a cookie; byte ranges work.", format="uri"),
            "seconds": nullable("number", "Its measured length."),
            "bytes": nullable("integer", "Its size."),
        }
    ),
    "Chapter": object_schema({**START_FIELD, "title": {"type": "string"}}),
    "Cue": object_schema({**START_FIELD, "end": field("number", "Seconds."), "text": field("string", "One sentence.")}),
    "PassedOver": object_schema(
        {
            "kind": field("string", "What it was asked for.", enum=Kind.values),
            "provider": field("string", "A writer or voice that failed before the one that served. Only for staff."),
            "message": field("string", "Why."),
        }
    ),
    "State": object_schema(STATE_FIELDS),
    "Position": object_schema(POSITION_FIELDS),
    "Episode": object_schema(EPISODE_FIELDS),
    "EpisodeDetail": object_schema(DETAIL_FIELDS),
    "Episodes": object_schema(
        {
            "next": nullable("string", "The page of older ones.", format="uri"),
            "previous": nullable("string", "The page of newer ones.", format="uri"),
            "results": array_of("Episode"),
        }
    ),
    "Feed": object_schema(
        {"url": field("string", "The private feed. Whoever has it can hear all episodes.", format="uri")}
    ),
    "Error": object_schema(
        {
            "detail": field("string", "For a person."),
            "code": field("string", "For a program; stays the same."),
            "seconds": field("integer", "Of a 429: how long to wait.", minimum=1),
        },
        ["detail", "code"],
    ),
    "Wish": request_schema(
        {
            "language": nullable(
                "string", f"BCP-47: {', '.join(LANGUAGES)}. Without it: the learner's own.", **LANGUAGE_FORMAT
            ),
            "idempotency_key": nullable("string", f"In place of the header. {KEY_DESCRIPTION}", **KEY_FORMAT),
        },
        [],
    ),
    "Stop": request_schema(
        {"seconds": field("number", "Where the learner stopped.", minimum=0, maximum=MAX_POSITION_SECONDS)}, ["seconds"]
    ),
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
COMMON_ERRORS = ("401", "403", "404", "406", "429")
BODY_ERRORS = ("400", "415")
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def json_content(name: str) -> Json:
    return {"application/json": {"schema": ref(name)}}


def error_response(status: str) -> Json:
    response: Json = {"description": ERRORS[status], "content": json_content("Error")}
    return {**response, "headers": RETRY_AFTER} if status == "429" else response


def operation(name: str, summary: str, response: str, request: str = "", status: str = "200", **more: Any) -> Json:
    """One method of one path. `response` and `request` name the schemas of the bodies."""
    errors = COMMON_ERRORS + (BODY_ERRORS if request else ())
    success = {status: {"description": summary, "content": json_content(response)}}
    responses = {**success, **{code: error_response(code) for code in errors}}
    body = {"requestBody": {"content": json_content(request), "required": request == "Stop"}} if request else {}
    return {"operationId": name, "summary": summary, "responses": responses, **body, **more}


def parameter(name: str, location: str, json_type: str, description: str, **more: Any) -> Json:
    return {"name": name, "in": location, "description": description, "schema": {"type": json_type}, **more}


PK = {"parameters": [parameter("pk", "path", "integer", "The episode's `id`.", required=True, example=1)]}
CURSOR = parameter("cursor", "query", "string", "As `next` and `previous` have it.")
IDEMPOTENCY_KEY = parameter("Idempotency-Key", "header", "string", KEY_DESCRIPTION)

PATHS: Json = {
    "/episodes/": {
        "get": operation("listEpisodes", "The learner's episodes, newest first.", "Episodes", parameters=[CURSOR]),
        "post": operation(
            *("askForEpisode", "Ask for an episode; ask for its status while it is being made.", "EpisodeDetail"),
            request="Wish",
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
                **{code: error_response(code) for code in ("404", "406", "429")},
            },
        }
    },
}


def document(root: str, security_schemes: list[Json]) -> Json:
    """The whole document, for an API at `root`, with the host's `security_schemes`."""
    schemes = {f"way{number}": scheme for number, scheme in enumerate(security_schemes, 1)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "dailycast", "version": "1", "description": "A learner's own episodes."},
        "servers": [{"url": root}],
        "security": [{name: []} for name in schemes],
        "paths": PATHS,
        "components": {"schemas": SCHEMAS, "securitySchemes": schemes},
    }
