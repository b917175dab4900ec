"""Planted keys are looked for in every page, row and log line, after editions with every kind of fault."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from dailycast.models import DailyPodcast, Outcome, ProviderCall
from dailycast.purchases import attempts
from dailycast.runners import nightly
from dailycast.tts import polly
from tests.cloud import Cloud, Fault
from tests.cloud.polly import REFUSALS
from tests.cloud.wire import DRIPS

from .five_learners import NAMES, SECOND, enrol, run_edition, script

pytestmark = [pytest.mark.reliability, pytest.mark.django_db(transaction=True)]
KEYS = {
    "OPENAI_API_KEY": "sk-planted-openai-4711",
    "GEMINI_API_KEY": "AIzaPlantedGemini4712",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED4713",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-4714",
    "AWS_SESSION_TOKEN": "planted-token-4715",
}
# At DEBUG botocore itself logs the request that it signs, with the key's id and the token in it, never the secret.
BOTOCORE_LOGS = {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"}
MOST_PAGES = 60  # of one table
FAULTS = [fault for fault in Fault if fault not in (Fault.HANG, *DRIPS, Fault.RATE_LIMIT)]


class LogRecorder(logging.Handler):
    """Everything that any logger writes, as it would be in a file."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, self.format(record)))

    def lines_of(self, of_botocore: bool) -> list[str]:
        """Lines of botocore, or of everybody else."""
        return [line for name, line in self.lines if name.startswith("botocore") == of_botocore]


@pytest.fixture
def recorder() -> Iterator[LogRecorder]:
    recorder, root = LogRecorder(), logging.getLogger()
    names = ("dailycast", "botocore", "boto3", "openai", "urllib3", "httpx", "httpcore", "google")
    loggers = [root, *map(logging.getLogger, names)]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
    root.addHandler(recorder)
    yield recorder
    root.removeHandler(recorder)
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)


@pytest.fixture
def school(cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    settings.DAILYCAST_LEARNER_CONTEXT = "tests.reliability.five_learners.learner"
    settings.DAILYCAST_LLM_PROVIDERS = ["openai", "gemini"]
    settings.DAILYCAST_MAX_ATTEMPTS = 1
    for name, key in KEYS.items():
        setattr(settings, name, key)
    monkeypatch.setattr(attempts, "RETRY_DELAY", 0.0)
    monkeypatch.setattr("dailycast.jobs.job.FIRST_RETRY_DELAY", 0.01)
    monkeypatch.setattr(nightly, "LONGEST_WAIT", 0.0)
    monkeypatch.setattr(attempts, "FIRST_BACKOFF", 0.0002)
    monkeypatch.setattr(polly, "_engine_refusals", {})
    cloud.script = script
    enrol()
    yield cloud
    connection.close()


def fail_all(cloud: Cloud, fault: Fault) -> None:
    """The first three learners meet the fault at the writers, the others at the voice."""
    known = {each.name: each for each in cloud._vendors}
    for name in NAMES[:3]:
        for vendor in ("openai", "gemini"):
            if known[vendor].knows(fault):
                cloud.fail(vendor, fault, times=None, matching=name)
    for name in NAMES[3:]:
        if known["polly"].knows(fault):
            cloud.fail("polly", fault, times=None, matching=SECOND.format(name))


def echo_keys(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor, or a proxy before it, that quotes the keys in its error messages."""
    message = f"Wrong: {' '.join(KEYS.values())}"
    monkeypatch.setattr("tests.cloud.openai.OVERDRAWN", message)
    for fault, (status, code, _) in REFUSALS.copy().items():
        monkeypatch.setitem(REFUSALS, fault, (status, code, message))


def keys_in(texts: Iterable[str]) -> set[str]:
    """The names of the keys that are in any of `texts`."""
    joined = "\n".join(texts)
    return {name for name, key in KEYS.items() if key in joined}


def columns() -> list[str]:
    """Every value of every row of every table of ours, as text."""
    models = apps.get_app_config("dailycast").get_models()
    return [str(value) for model in models for row in model._default_manager.values_list() for value in row]


def pages(client: Client) -> list[str]:
    """What staff see of every table that the admin has: its list, and the pages of its latest rows."""
    client.force_login(User.objects.create_superuser(f"staff{User.objects.count()}"))
    addresses = [reverse("admin:index")]
    for model in apps.get_app_config("dailycast").get_models():
        if admin.site.is_registered(model):
            name = f"admin:dailycast_{model._meta.model_name}"
            latest = model._default_manager.order_by("-pk").values_list("pk", flat=True)[:MOST_PAGES]
            addresses += [reverse(f"{name}_changelist"), f"{reverse(f'{name}_changelist')}?p=2"]
            addresses += [reverse(f"{name}_change", args=[pk]) for pk in latest]
    answers = [client.get(address, follow=True) for address in addresses]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.content.decode() for answer in answers]


def run_editions(cloud: Cloud, faults: Iterable[Fault], media: Path) -> list[str]:
    """What the nightly command printed. Each fault has an edition of its own, without a clip to begin with."""
    printed = []
    for fault in faults:
        cloud.clear_faults()
        fail_all(cloud, fault)
        ended = run_edition()
        printed += [ended.out, ended.err]
        DailyPodcast.objects.update(request_key=None)
        for path in media.rglob("clips/*.mp3"):
            path.unlink()
    return printed


def test_after_every_fault_no_key_is_seen_anywhere(
    school: Cloud, client: Client, recorder: LogRecorder, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo_keys(school, monkeypatch)
    printed = run_editions(school, FAULTS, media)
    outcomes = set(ProviderCall.objects.values_list("outcome", flat=True))
    assert outcomes >= {Outcome.OK, Outcome.FAILED, Outcome.UNANSWERED, Outcome.REFUSED, Outcome.BLOCKED}
    assert DailyPodcast.objects.exclude(error_message="").count() >= len(FAULTS) // 2
    assert any("***" in text for text in columns()), "no vendor was quoted, so nothing was tested"
    assert keys_in(printed) == set()
    assert keys_in(columns()) == set()
    assert keys_in(pages(client)) == set()
    assert len(recorder.lines) > 1_000
    assert keys_in(recorder.lines_of(of_botocore=False)) == set(), leaks(recorder)


def leaks(recorder: LogRecorder) -> list[str]:
    return [line[:200] for line in recorder.lines_of(of_botocore=False) if keys_in([line])][:5]


def test_at_debug_botocore_itself_logs_the_id_and_the_token_and_never_the_secret(
    school: Cloud, recorder: LogRecorder
) -> None:
    """The docs say so: leave the loggers of botocore at INFO."""
    run_edition()
    assert keys_in(recorder.lines_of(of_botocore=True)) == BOTOCORE_LOGS
    debug = [record for record in recorder.lines if record[0].startswith("botocore") and " DEBUG " not in record[1]]
    assert keys_in(line for _, line in debug) == set()


@pytest.mark.parametrize("name", KEYS)
def test_a_planted_leak_is_found(name: str, school: Cloud, client: Client, recorder: LogRecorder) -> None:
    logging.getLogger("dailycast").debug("calling with %s", KEYS[name])
    user = User.objects.get(first_name=NAMES[0])
    DailyPodcast.objects.create(user=user, error_message=f"The key {KEYS[name]} was refused.", status="failed")
    assert keys_in(recorder.lines_of(of_botocore=False)) == {name}
    assert keys_in(columns()) == {name}
    assert keys_in(pages(client)) == {name}
