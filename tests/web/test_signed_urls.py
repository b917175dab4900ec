import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from dailycast.audio import storage
from dailycast.models import DailyPodcast, Status
from dailycast.web import signed_urls
from tests.web.clients import Browser

AUDIO = bytes(range(256)) * 40
NAME = "podcasts/podcast_1_1701920000.mp3"


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    storage.write_atomic(NAME, AUDIO)
    return DailyPodcast.objects.create(user=alex, audio_file=NAME, status=Status.COMPLETED)


def signed_url(podcast: DailyPodcast, user: User) -> str:
    return reverse("dailycast:audio", args=[signed_urls.audio_token(podcast, user), "episode"])


def test_a_signed_address_needs_no_session(episode: DailyPodcast, alex: User) -> None:
    response = Browser().get(signed_url(episode, alex), headers={"Range": "bytes=0-3"})
    assert (response.status_code, response.body) == (206, AUDIO[:4])
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("case", ["stranger", "inactive", "deleted", "too old", "forged", "another row"])
def test_a_signed_address_permits_no_more_than_its_user_may_hear(
    episode: DailyPodcast, alex: User, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = User.objects.create_user("other")
    address = signed_url(episode, other if case in ("stranger", "deleted") else alex)
    if case == "inactive":
        User.objects.filter(pk=alex.pk).update(is_active=False)
    elif case == "deleted":
        other.delete()
    elif case == "too old":
        monkeypatch.setattr(signed_urls, "MAX_AGE", -1)
    elif case == "forged":
        address = address.replace("/episode.mp3", "x/episode.mp3")
    elif case == "another row":
        DailyPodcast.objects.filter(pk=episode.pk).update(status=Status.FAILED)
    assert Browser().get(address).status_code == 404
