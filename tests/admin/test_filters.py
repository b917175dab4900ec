import pytest
from django.contrib.auth.models import User
from django.test import Client

from dailycast.models import DailyPodcast, Status
from tests.admin.pages import url


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["gamma", "beta", "alpha"]),
        ("status__exact=failed", ["gamma"]),
        ("language=en", ["beta", "alpha"]),
        ("language=ja", ["gamma"]),
        ("language=de", []),
        ("llm_provider=quill", ["alpha"]),
        ("tts_provider=choir", ["alpha"]),
        ("tts_provider=none", ["beta"]),
        ("q=beta", ["beta"]),
        ("q=alex", ["beta", "alpha"]),
        ("q=Alexandra", ["beta", "alpha"]),
        ("q=example.com", ["beta", "alpha"]),
        ("q=nobody", []),
    ],
)
def test_filters_and_search(superuser_client: Client, alex: User, query: str, found: list[str]) -> None:
    User.objects.filter(pk=alex.pk).update(first_name="Alexandra")
    other = User.objects.create_user("other")
    DailyPodcast.objects.create(user=alex, title="alpha", language="en", llm_provider="quill", tts_provider="choir")
    DailyPodcast.objects.create(user=alex, title="beta", language="en-GB", llm_provider="x", tts_provider="none")
    DailyPodcast.objects.create(user=other, title="gamma", language="ja", status=Status.FAILED)
    page = superuser_client.get(f"{url('')}?{query}")
    assert [row.title for row in page.context["cl"].result_list] == found


def test_filters_offer_the_configured_providers(superuser_client: Client, episode: DailyPodcast) -> None:
    specs = {
        spec.title: [name for _, name in spec.lookup_choices]
        for spec in superuser_client.get(url("")).context["cl"].filter_specs[1:]
    }
    assert {title: names for title, names in specs.items() if title != "language"} == {
        "writer": ["quill"],
        "voice": ["choir", "no audio"],
    }
    assert specs["language"][:4] == ["Arabic", "Chinese", "Dutch", "English"]
