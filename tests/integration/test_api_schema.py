"""The published OpenAPI document: whether it is OpenAPI, and whether a running project does what it says."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application

from dailycast.api import openapi
from dailycast.models import DailyPodcast, Status
from tests.integration.conftest import serve

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
ROOT = "/dailycast/api"
ARGUMENTS = ("--auth=alex:pw", "--checks=all", "--no-color", "--no-shrink")


class ResponseCounter:
    """A WSGI application that counts the responses by method, route and status."""

    def __init__(self) -> None:
        self.app = get_wsgi_application()
        self.responses: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        def count_response(status: str, *more: Any) -> Any:
            route = re.sub(r"(?<=/episodes/)(?!today/)[^/]+(?=/)", "{pk}", environ["PATH_INFO"].removeprefix(ROOT))
            self.responses[environ["REQUEST_METHOD"].lower(), route, status[:3]] += 1
            return start(status, *more)

        return self.app(environ, count_response)


@pytest.fixture
def counter(settings: Any, alex: User) -> ResponseCounter:
    """The project with one episode with audio. It accepts any number of requests for episodes and makes none."""
    settings.DAILYCAST_RUNNER, settings.DAILYCAST_COOLDOWN_HOURS = "worker", 1e-9
    cues, marks = [{"start": 0.0, "end": 1.5, "text": "Good morning."}], [{"start": 0.0, "title": "Welcome"}]
    DailyPodcast.objects.create(
        pk=1,
        user=alex,
        status=Status.COMPLETED,
        audio_file="podcasts/a.mp3",
        duration_seconds=9,
        cues=cues,
        chapters=marks,
    )
    return ResponseCounter()


@pytest.fixture
def address(counter: ResponseCounter) -> Iterator[str]:
    with serve(counter) as port:
        yield f"http://127.0.0.1:{port}{ROOT}/schema/"


@pytest.fixture
def document(address: str) -> Any:
    with urlopen(address, timeout=10) as answer:
        return json.load(answer)


def openapi_spec_validator(document: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "openapi_spec_validator", "openapi.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_the_document_is_valid_openapi(document: Any, tmp_path: Path) -> None:
    assert document["openapi"].startswith("3.1")
    done = openapi_spec_validator(document, tmp_path)
    assert (done.returncode, done.stdout) == (0, "openapi.json: OK\n"), done.stderr


def status_schema(document: Any) -> Any:
    return document["components"]["schemas"]["State"]["properties"]["status"]


DAMAGES: dict[str, Callable[[Any], object]] = {
    "is a required property": lambda document: document["info"].pop("version"),
    "'/components/schemas/Error' does not exist": lambda document: document["components"]["schemas"].pop("Error"),
    "'text' is not": lambda document: status_schema(document).update(type="text"),
    "Path parameter 'pk'": lambda document: document["paths"]["/episodes/{pk}/"].pop("parameters"),
    "Operation ID 'getToday'": lambda document: document["paths"]["/feed/"]["get"].update(operationId="getToday"),
}


@pytest.mark.parametrize("complaint", DAMAGES)
def test_a_document_that_is_not_valid_is_refused(document: Any, complaint: str, tmp_path: Path) -> None:
    DAMAGES[complaint](document)
    done = openapi_spec_validator(document, tmp_path)
    assert (done.returncode > 0, complaint in done.stdout + done.stderr) == (True, True), done.stdout + done.stderr


def schemathesis(address: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", address, *ARGUMENTS, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def successes() -> Iterator[tuple[str, str, str]]:
    """Each operation of the document with its status of success."""
    for path, item in openapi.PATHS.items():
        for method in item.keys() - {"parameters"}:
            (status,) = (code for code in item[method]["responses"] if code < "300")
            yield method, path, status


def test_every_endpoint_conforms_to_the_document(address: str, counter: ResponseCounter, tmp_path: Path) -> None:
    done = schemathesis(address, tmp_path, "--max-examples=15", "--seed=1")
    assert done.returncode == 0, done.stdout
    assert set(successes()) - set(counter.responses) == set()
    assert [key for key in counter.responses if key[2] >= "500"] == []
    print(done.stdout)
    print(json.dumps({" ".join(key): number for key, number in sorted(counter.responses.items())}))


def test_schemathesis_finds_a_response_that_is_not_in_the_document(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(openapi.SCHEMAS["State"]["properties"], "status", {"type": "integer"})
    done = schemathesis(address, tmp_path, "--include-path=/episodes/{pk}/status/", "--phases=examples")
    assert (done.returncode, "Response violates schema" in done.stdout) == (1, True), done.stdout
