import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.authentication import BaseAuthentication

from dailycast.api import openapi, views
from dailycast.models import DailyPodcast
from tests.api.client import METHODS, ROOT, ROUTES, CarelessAuthentication, send, view_of


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    body: dict[str, Any] = Client().get(f"{ROOT}/schema/").json()
    return body


def test_the_document_names_the_hosts_authentication(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": f"http://testserver{ROOT}"}]
    assert document["components"]["securitySchemes"] == {
        "way1": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        "way2": {"type": "http", "scheme": "basic"},
    }
    assert document["security"] == [{"way1": []}, {"way2": []}]


@pytest.mark.parametrize("method", METHODS)
def test_the_document_is_public(db: None, method: str) -> None:
    response = send(Client(), method, "/schema/")
    assert response.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert dict(response.cookies) == {}


def test_authentication_that_openapi_cannot_express_is_left_out(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(views.LearnerView, "authentication_classes", [BaseAuthentication, CarelessAuthentication])
    schemes = Client().get(f"{ROOT}/schema/").json()["components"]["securitySchemes"]
    assert schemes == {"way1": {"type": "http", "scheme": "bearer"}}


def test_the_document_has_exactly_the_routes_and_methods(document: dict[str, Any]) -> None:
    documented = {
        (path, method) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    assert documented == set(served_methods())


def served_methods() -> Iterator[tuple[str, str]]:
    """Every address of the API with each method that it answers."""
    for pattern in views.patterns:
        route = "/" + re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        for method in view_of(pattern)().allowed_methods:
            if method != "HEAD":  # it is implied by GET
                yield route, method.lower()


def schema_of(response: Any) -> dict[str, Any]:
    name = response["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    schema: dict[str, Any] = openapi.SCHEMAS[name]
    return schema


@pytest.mark.parametrize("route", ROUTES)
def test_a_response_has_the_fields_of_its_schema(client: Client, podcast: DailyPodcast, route: str) -> None:
    method, status, body = ROUTES[route]
    response = send(client, method, route.strip().format(pk=podcast.pk), body).json()
    schema = schema_of(openapi.PATHS[route.strip()][method.lower()]["responses"][str(status)])
    assert response.keys() == schema["properties"].keys() == set(schema["required"])
    for name in ("Audio", "Chapter", "Cue"):
        inner = (response.get("audio") or {}) if name == "Audio" else (response.get(f"{name.lower()}s") or [{}])[0]
        assert not inner or inner.keys() == openapi.SCHEMAS[name]["properties"].keys()


def test_an_error_has_the_fields_of_its_schema(client: Client) -> None:
    assert send(client, "GET", "/episodes/1/").json().keys() == set(openapi.SCHEMAS["Error"]["required"])


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(value["$ref"]).split("/")[-1] for _ in range("$ref" in value))
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


def test_every_schema_is_used_and_every_used_schema_exists(document: dict[str, Any]) -> None:
    assert set(references(document)) == set(openapi.SCHEMAS)


DOCS = Path(__file__).parents[2] / "docs" / "integrating.md"


def test_the_docs_have_every_route_and_method() -> None:
    section = DOCS.read_text(encoding="utf-8").split("## The JSON API")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]+) ([^`]+)` \|", section, re.MULTILINE)
    assert {(f"/{route.removeprefix('/')}", method.lower()) for method, route in rows} == set(served_methods())
