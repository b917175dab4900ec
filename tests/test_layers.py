"""The house stands as its plan says: imports point down the floors, SDKs stay out until they are needed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dailycast

APP = Path(dailycast.__file__).parent
FLOORS = {
    0: "conf signals errors audio.id3 audio.mp3 script.grammar languages.table gateway.vendor",
    1: "audio.cover learner.context audio.storage gateway.registry llm.base tts.base",
    2: "audio.clips script.prompt audio.captions llm.template llm.openai llm.gemini tts.polly tts.pico",
    3: "models.episode",
    4: "purchases.money purchases.rate_limits jobs.queue purchases.purchase web.listening",
    5: "studio.speech services",
    6: "runners.pool runners.nightly runners.retention",
    7: "admin.episodes admin.ledger admin.forms admin.filters web.audio urls apps checks receivers tasks "
    "management.commands.generate_test_podcast "
    "management.commands.generate_daily_podcasts management.commands.dailycast_worker "
    "management.commands.prune_podcasts api.views api.openapi web.pages templatetags.dailycast web.feed",
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
ENVIRONMENT = re.compile(r"os\.(environ|getenv)")
SDKS = ["openai", "google.generativeai", "google.genai", "boto3", "botocore", "py_nanotts", "lameenc"]


def rooms() -> list[str]:
    paths = (path.relative_to(APP).with_suffix("") for path in APP.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths if path.name != "__init__" and path.parts[0] != "migrations")


def source(room: str) -> str:
    return (APP / (room.replace(".", "/") + ".py")).read_text(encoding="utf-8")


def imported(room: str) -> set[str]:
    """The rooms that `room` imports, at any depth of its code."""
    package = ["dailycast", *room.split(".")][:-1]
    tree = ast.parse(source(room))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            path = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            names |= {path, *(f"{path}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("dailycast.") for name in names} & set(rooms())


def climbs(room: str, floors: dict[str, int]) -> list[str]:
    return [other for other in imported(room) if floors[other] > floors[room]]


def test_every_room_stands_on_a_floor() -> None:
    assert rooms() == sorted(FLOOR)


@pytest.mark.parametrize("room", rooms())
def test_imports_point_down_the_floors(room: str) -> None:
    assert climbs(room, FLOOR) == []


def test_an_import_that_climbs_is_seen() -> None:
    assert "purchases.money" in climbs("services", {**FLOOR, "services": 3})


def test_no_two_rooms_import_each_other() -> None:
    assert [(a, b) for a in rooms() for b in imported(a) if a in imported(b)] == []


def is_broad(node: ast.AST) -> bool:
    return isinstance(node, ast.ExceptHandler) and (
        node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
    )


def test_only_the_job_boundary_catches_everything() -> None:
    assert [room for room in rooms() for node in ast.walk(ast.parse(source(room))) if is_broad(node)] == ["services"]


def test_no_room_reads_the_environment() -> None:
    assert [room for room in rooms() if "import os" in source(room) and ENVIRONMENT.search(source(room))] == []


def test_setup_and_check_load_no_sdk() -> None:
    code = (
        "import django, sys; django.setup(); from django.core.management import call_command; call_command('check');"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=APP.parent,
    )
    assert done.stdout.splitlines()[-1] == "[]"
