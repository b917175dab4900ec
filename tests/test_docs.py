"""The docs agree with the code: settings, checks, providers, fields, figures, paths, examples; and words of names."""

import ast
import re
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from django.contrib.auth.models import User
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern

from dailycast import services
from dailycast.conf import PARSERS, SETTING_TYPES, Conf, from_environment
from dailycast.errors import LearnerContextError
from dailycast.languages.table import LANGUAGES, primary_subtag
from dailycast.learner import context
from dailycast.models import Reason, Status
from dailycast.purchases import prices
from dailycast.tts import pico, polly

ROOT = Path(__file__).parents[1]
APP = ROOT / "dailycast"
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in TOP_PAGES), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = {"bench", "config", "dailycast", "docs", "examples", "tests"} | {path.name for path in APP.iterdir()}
PATH = re.compile(r"`(\w+(?:/\w+)*(?:/|\.(?:conf|css|html|js|md|po|py|toml|txt)))`")
PLACEHOLDER = re.compile(r"NAME|CODE")
# Metaphors that only their authors understood; the names of the code use the terms of the field instead.
RETIRED = {"broom", "counter", "crew", "door", "flight", "floor", "hall", "heart"}
RETIRED |= {"kept", "land", "maybe", "room", "stood", "thing", "told", "wish"}
IN_FLIGHT = {"in_flight", "InFlightCall", "InFlightCalls"}  # the field's term for a request without an answer yet
KIND_NAMES = {"a text": "text", "true or false": "true or false"}
KIND_NAMES |= dict.fromkeys(("a number above 0", "a number, 0 or more"), "number")
KIND_NAMES |= {"a whole number above 0": "whole number", "an amount of 0 or more": "amount"}
KIND_NAMES |= {words: words.split()[0] for _, words in PARSERS.values() if words.startswith("names")}
KIND_NAMES |= {words: "pairs" for _, words in PARSERS.values() if "pairs" in words}
SILENT_FRAME = bytes([0xFF, 0xF3, 0x84, 0xC4]) + bytes(188)  # MPEG-2 Layer III, 24 kHz, mono, 64 kbit/s: 24 ms


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """The text under `heading` of a page, up to the next heading of its level or higher. `# ` is a comment in code."""
    level = len(heading) - len(heading.lstrip("#"))
    text = page(name) + "\n"
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.compile(rf"^#{{2,{level}}} ", re.MULTILINE).search(text, start)
    return text[start : end.start() if end else len(text)]


def table(text: str) -> list[list[str]]:
    """The rows of the tables in `text`, without their header rows."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    rules = [index for index, row in enumerate(rows) if set("".join(row)) <= set("-|")]
    return [row for index, row in enumerate(rows) if index not in rules and index + 1 not in rules]


def code(text: str) -> str:
    return text.strip("`")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of a list item."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def as_environment(value: Any) -> str:
    """A default value as an environment variable."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, (tuple, dict)) else str(value or "")


DEFAULTS = {name: as_environment(getattr(Conf, name)) for name in SETTING_TYPES}


def test_operations_lists_every_setting_with_its_type_and_default() -> None:
    documented = {
        code(name): (kind, code(default))
        for name, kind, default, _ in table(section("docs/operations.md", "## Settings"))
    }
    assert documented == {
        name: (KIND_NAMES[PARSERS[SETTING_TYPES[name]][1]], default or "empty") for name, default in DEFAULTS.items()
    }


def test_the_example_environment_has_every_setting_with_its_default() -> None:
    lines = dict(line.split("=", 1) for line in page(".env.example").splitlines() if line and line[0] != "#")
    assert {name: lines.get(name) for name in DEFAULTS} == DEFAULTS
    assert from_environment(lines) == {name: getattr(Conf, name) for name, default in DEFAULTS.items() if default}


def test_the_example_environment_says_that_aws_is_optional() -> None:
    comment = page(".env.example").split("AWS_ACCESS_KEY_ID=")[0].rsplit("\n# ---", 1)[1]
    for promise in ("optional", "only for audio", "media/podcasts/", "no S3", "empty to skip audio and save"):
        assert promise in comment


def test_every_check_is_documented() -> None:
    ids = set(re.findall(r'id="(dailycast\.[WI]\d{3})"', (APP / "checks.py").read_text(encoding="utf-8")))
    assert {code(row[0]) for row in table(section("docs/operations.md", "## Checks"))} == ids
    assert len(ids) >= 11


@pytest.mark.parametrize(("folder", "heading"), [("llm", "## Writers"), ("tts", "## Voices")])
def test_every_provider_has_its_heading(folder: str, heading: str) -> None:
    files = {path.stem for path in (APP / folder).glob("*.py")} - {"__init__", "base"}
    assert set(re.findall(r"^### `(\w+)`$", section("docs/providers.md", heading), re.MULTILINE)) == files


def test_the_voice_table_is_pollys() -> None:
    documented = {
        row[0]: (row[1], row[2]) for row in table(section("docs/providers.md", "### `polly`")) if row[0] in polly.VOICES
    }
    assert documented == {name: (voice.language, ", ".join(voice.engines)) for name, voice in polly.VOICES.items()}


def languages_of(provider: str) -> str:
    """The languages that the table of a provider lists."""
    rows = table(section("docs/providers.md", f"### `{provider}`"))
    return next(row[1] for row in rows if row[0] == "languages")


def test_the_languages_are_documented() -> None:
    assert f"scripts by a model, in {len(LANGUAGES)} languages" in page("README.md")
    for writer in ("openai", "gemini"):
        assert languages_of(writer) == f"all {len(LANGUAGES)}"
    assert re.findall(r"`(\w\w)`", section("docs/integrating.md", "## Languages")) == list(LANGUAGES)


def test_the_languages_of_the_built_in_writer_are_documented() -> None:
    phrases = {path.stem for path in (APP / "llm" / "phrases").glob("*.toml")}
    listed = languages_of("template")
    assert set(listed.split(", ")) == phrases
    assert f"scripts by the built-in writer ({listed})" in page("README.md")


def test_the_languages_of_the_voices_are_documented() -> None:
    by_polly = sorted({primary_subtag(voice.language) for voice in polly.VOICES.values()})
    assert languages_of("polly") == ", ".join(by_polly)
    assert f"audio by Polly in {len(by_polly)} languages" in page("README.md")
    listed = languages_of("pico").replace(" (US and GB)", "")
    assert listed == ", ".join(dict.fromkeys(map(primary_subtag, pico.VOICES)))
    assert f"audio by the built-in voice ({listed})" in page("README.md")


def layers() -> list[set[str]]:
    """The contract of `make lint`, from low to high."""
    contracts = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    return [set(layer.split(" | ")) for layer in reversed(contracts[0]["layers"])]


def test_the_architecture_lists_every_folder_in_the_order_of_its_layer() -> None:
    listed = [
        set(re.findall(r"`(\w+)(?:/|\.py)`", row[0])) for row in table(section("docs/architecture.md", "## Folders"))
    ]
    assert listed == layers()


@pytest.mark.parametrize("choices", [Status, Reason])
def test_every_status_and_reason_is_documented(choices: Any) -> None:
    documented = [code(row[0]) for row in table(section("docs/architecture.md", "## The row"))]
    assert [word for word in documented if word in choices.values] == choices.values


def kind_of(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return f"list of {get_args(hint)[0].__name__}"
    return {str: "text", int: "whole number", bool: "true or false"}[hint]


@pytest.mark.parametrize("name", ["LearnerContext", "Course", "Lesson", "QuizResult", "Mistake", "DueReview"])
def test_every_field_of_the_learner_context_is_documented(name: str) -> None:
    model = getattr(context, name)
    documented = [(code(row[0]), row[1]) for row in table(section("docs/integrating.md", f"### {name}"))]
    assert documented == [(field.name, kind_of(get_type_hints(model)[field.name])) for field in fields(model)]


def test_the_error_messages_are_those_of_the_adapter() -> None:
    rows = table(section("docs/integrating.md", "## Error messages"))
    assert len(rows) == 4
    for value, message in rows:
        with pytest.raises(LearnerContextError) as error:
            context.learner_context(eval(code(value)))
        assert str(error.value) == code(message)


def test_the_costs_follow_from_the_price_table() -> None:
    costs = {row[0]: row[2] for row in table(section("README.md", "## What it costs"))}
    neural, standard = prices.cost("polly/neural", 3600), prices.cost("polly/standard", 3600)
    luna = prices.cost("openai/gpt-6-luna", 2500, 900)
    flash = prices.cost("gemini/gemini-3.5-flash-lite", 2500, 900)
    assert (neural, standard) == (Decimal("0.0576"), Decimal("0.0144"))
    assert costs["audio by Polly, neural voice"] == f"{neural:.3f}"
    assert costs["audio by Polly, standard voice"] == f"{standard:.3f}"
    assert costs["script by `gpt-6-luna`"] == f"{luna:.4f}"
    assert costs["script by `gemini-3.5-flash-lite`"] == f"{flash:.4f}"
    assert neural is not None
    assert luna is not None
    assert luna < Decimal("0.004")
    assert 1_700 < (neural + luna) * 30_000 < 1_800


def test_the_disk_table_is_right() -> None:
    sizes = [row[1] for row in table(section("README.md", "## Disk"))]
    seconds = 4 * 60
    assert sizes == [f"{seconds * kbit / 8 / 1000:.2f} MB" for kbit in (64, 48)] + [f"{seconds * 8 * 30 / 1000:.1f} GB"]


@pytest.mark.parametrize("name", ["README.md", "docs/integrating.md"])
def test_the_log_line_is_quoted_exactly(name: str) -> None:
    assert services.NOT_CONFIGURED in page(name)


def test_the_commands_of_the_readme_are_in_the_makefile() -> None:
    commands = set(re.findall(r"^make (\w+)|`make (\w+)`", page("README.md"), re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", page("Makefile"), re.MULTILINE))
    assert {"demo", "serve", "test"} <= {first or second for first, second in commands} <= targets


def test_every_option_of_the_command_is_documented() -> None:
    parser = load_command_class("dailycast", "generate_test_podcast").create_parser(
        "manage.py", "generate_test_podcast"
    )
    own = set(parser._option_string_actions) - set(
        BaseCommand().create_parser("manage.py", "any")._option_string_actions
    )
    assert {code(row[0]) for row in table(section("docs/operations.md", "## Make an episode by hand"))} == own
    for command in re.findall(r"manage\.py generate_test_podcast (.+)$", page("README.md"), re.MULTILINE):
        parser.parse_args(command.split())


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_resolve(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if file.startswith("https:"):
            continue
        linked = (path.parent / file).resolve() if file else path
        headings = (
            re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if linked.is_file() else []
        )
        if not linked.is_file() or (anchor and anchor not in map(slug, headings)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_paths_exist(path: Path) -> None:
    """Of files and folders of the repository, also by their end, as `jobs/queue.py` or `rate_limits.py`."""
    named = {name for name in PATH.findall(path.read_text(encoding="utf-8")) if not PLACEHOLDER.search(name)}
    ours = {name for name in named if name.split("/")[0] in FOLDERS or name.endswith((".py", ".md"))}
    assert {name for name in ours if not (ROOT / name).exists() and not any(APP.rglob(name.rstrip("/")))} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_code_fences_are_closed(path: Path) -> None:
    assert len(re.findall(r"^ *```", path.read_text(encoding="utf-8"), re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_blocks_compile(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8"), "python"):
        compile(block, path.name, "exec")


def test_the_urls_of_the_readme_work() -> None:
    (block,) = (block for block in blocks(page("README.md"), "python") if "urlpatterns" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    first = names["urlpatterns"][0]
    assert isinstance(first, URLPattern)
    assert first.resolve("media/podcasts/podcast_1_1701920000.mp3") is not None
    assert first.resolve("media/avatars/alex.png") is None


def test_the_settings_of_the_readme_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILYCAST_MINUTES", "3")
    (block,) = (block for block in blocks(page("README.md"), "python") if "INSTALLED_APPS" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert (names["DAILYCAST_MINUTES"], names["INSTALLED_APPS"]) == (3.0, ["dailycast"])


def test_the_dict_form_gives_a_context() -> None:
    (block,) = blocks(section("docs/integrating.md", "## The dict form"), "python")
    names: dict[str, Any] = {}
    exec(block, names)
    learner = context.learner_context(names["learner_context"](None))
    assert learner.mistakes[0].right_answer == "went"
    assert learner.due_reviews[0].item == "ten words about food"


class SchoolServer(BaseHTTPRequestHandler):
    """The server of the example in providers.md. It writes one script and answers silence as speech."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        seconds = len(text) // 10 + 1
        body = (
            b"# From school\n## One\nGood morning." if self.path == "/write" else SILENT_FRAME * (seconds * 1000 // 24)
        )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def school(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host with the two providers of providers.md in place of `myschool.speech`, and the server that they call."""
    listing, source = blocks(section("docs/providers.md", "## Add a provider"), "python")
    module = ModuleType("dailycast_docs_speech")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source, module.__dict__)
    names: dict[str, Any] = {}
    exec(listing.replace("myschool.speech", module.__name__), names)
    for name in ("DAILYCAST_LLM_PROVIDERS", "DAILYCAST_TTS_PROVIDERS"):
        setattr(settings, name, names[name])
    server = HTTPServer(("127.0.0.1", 0), SchoolServer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    settings.SCHOOL_SERVER = f"http://127.0.0.1:{server.server_port}"
    yield settings.SCHOOL_SERVER
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_provider_of_the_docs_makes_an_episode(school: str, alex: User, media: Path) -> None:
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.status, podcast.error_message) == ("completed", "")
    assert (podcast.title, podcast.llm_provider, podcast.llm_model) == ("From school", "school", "school-1")
    assert (podcast.tts_provider, podcast.tts_voice, podcast.tts_characters) == ("school", "Anna school", 13)
    assert podcast.cost_usd == 0
    assert (media / str(podcast.audio_file.name)).stat().st_size == podcast.audio_bytes


def test_the_provider_of_the_docs_fails_as_a_provider_does(school: str, settings: Any, alex: User) -> None:
    settings.SCHOOL_SERVER = "http://127.0.0.1:9"
    settings.DAILYCAST_LLM_PROVIDERS = settings.DAILYCAST_LLM_PROVIDERS[:1]
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.status, podcast.error_message) == ("failed", "school: The school's server does not answer.")


def names_in(path: Path) -> Iterator[str]:
    """The module, and the names that it defines: classes, functions, parameters, variables, attributes."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def words_of(name: str) -> set[str]:
    return {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}


def test_no_name_has_a_retired_word() -> None:
    files = [path for folder in ("bench", "config", "dailycast", "examples") for path in (ROOT / folder).rglob("*.py")]
    names = {name for path in files if path.parent.name != "migrations" for name in names_in(path)}
    assert {name for name in names if words_of(name) & RETIRED} == IN_FLIGHT
