from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dailycast.models import DailyPodcast
from tests.admin.pages import form_data, messages_of, url
from tests.admin.providers import SCRIPT, FakeWriter


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("Hello.\n\n[pause soon]\n\nBye.", "Line 3: [pause soon] is not a pause."),
        ("# Only a title", "There is nothing to speak"),
    ],
)
def test_a_script_that_cannot_be_spoken_is_not_saved(
    superuser_client: Client, script_only: DailyPodcast, script: str, problem: str
) -> None:
    response = superuser_client.post(url("change/", script_only.pk), {"title": "T", "script_text": script})
    assert response.status_code == 200
    assert problem in response.context["adminform"].errors["script_text"][0]
    script_only.refresh_from_db()
    assert script_only.script_text == SCRIPT


def test_the_language_is_the_learners_own_unless_chosen(superuser_client: Client, alex: User, settings: Any) -> None:
    settings.DAILYCAST_DEFAULT_LANGUAGE = "it"
    superuser_client.post(url("generate/"), form_data(alex))
    assert DailyPodcast.objects.get().language == "it"
    choices = superuser_client.get(url("generate/")).context["form"].fields["language"].choices
    assert list(choices)[:2] == [("", "The learner's own"), ("ar", "Arabic")]


def test_a_form_that_is_sent_twice_buys_one_episode(superuser_client: Client, alex: User) -> None:
    form = form_data(alex)
    first, second = (superuser_client.post(url("generate/"), form) for _ in range(2))
    assert first["Location"] == second["Location"] == url("change/", DailyPodcast.objects.get().pk)
    assert (len(FakeWriter.calls), messages_of(second)) == (1, [("success", "The episode is ready.")] * 2)


def test_each_form_has_a_key_of_its_own(superuser_client: Client) -> None:
    keys = {superuser_client.get(url("generate/")).context["form"]["request_key"].value() for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("invalid", "field"),
    [
        ({"user": ""}, "user"),
        ({"user": "999999"}, "user"),
        ({"language": "xx"}, "language"),
        ({"request_key": "1"}, "request_key"),
    ],
)
def test_an_invalid_form_buys_nothing(
    superuser_client: Client, alex: User, invalid: dict[str, str], field: str
) -> None:
    response = superuser_client.post(url("generate/"), form_data(alex, **invalid))
    assert (response.status_code, list(response.context["form"].errors)) == (200, [field])
    assert b'class="errorlist' in response.content
    assert not DailyPodcast.objects.exists()
