"""The same code on S3: only STORAGES differs. The bucket is moto's, over real HTTP on loopback."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from dailycast import services
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Status
from tests.host_providers import Speaker

pytest.importorskip("storages.backends.s3", reason="needs dailycast[s3]")
ThreadedMotoServer = pytest.importorskip("moto.server", reason="needs moto[s3,server]").ThreadedMotoServer
boto3 = import_module("boto3")
Config = import_module("botocore.config").Config
ClientError = import_module("botocore.exceptions").ClientError
AUDIO = bytes(range(256)) * 4
NAME = "podcasts/podcast_1_1701920000.mp3"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def bucket(settings: Any, endpoint: str) -> Any:
    keys = {"access_key": "test", "secret_key": "test", "region_name": "us-east-1"}
    options = {**keys, "bucket_name": "lms", "endpoint_url": endpoint, "querystring_expire": 600}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
    }
    s3 = boto3.resource(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
    )
    bucket = s3.create_bucket(Bucket="lms")
    yield bucket
    bucket.objects.all().delete()
    s3_storage: Any = default_storage
    s3_storage.connection.meta.client.close()
    s3.meta.client.close()


@pytest.fixture
def episode(alex: User) -> DailyPodcast:
    row = DailyPodcast.objects.create(user=alex, audio_file=NAME, status=Status.COMPLETED, completed_at=timezone.now())
    storage.write_atomic(NAME, AUDIO)
    return row


def names(bucket: Any) -> list[str]:
    return [found.key for found in bucket.objects.all()]


def test_its_learner_is_redirected_to_a_signed_url_that_serves_ranges(
    episode: DailyPodcast, client: Client, endpoint: str
) -> None:
    client.force_login(episode.user)
    response = client.get(f"/media/{NAME}", headers={"Range": "bytes=0-1"})
    signed = response["Location"]
    assert (response.status_code, response["Cache-Control"]) == (302, "private, no-store")
    assert signed.startswith(f"{endpoint}/lms/{NAME}?")
    assert "Signature=" in signed
    with urlopen(Request(signed, headers={"Range": "bytes=2-4"})) as part:
        assert (part.status, part.read(), part.headers["Content-Range"]) == (206, b"\x02\x03\x04", "bytes 2-4/1024")


def test_nobody_else_is_redirected(episode: DailyPodcast, client: Client) -> None:
    client.force_login(User.objects.create_user("other"))
    assert client.get(f"/media/{NAME}").status_code == 404


def test_audio_that_is_made_again_has_the_same_name(episode: DailyPodcast, bucket: Any) -> None:
    assert storage.write_atomic(NAME, b"second") == NAME
    assert (names(bucket), bucket.Object(NAME).get()["Body"].read()) == ([NAME], b"second")


def test_the_object_of_a_deleted_episode_is_deleted_after_the_commit(
    episode: DailyPodcast, bucket: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        episode.delete()
        assert names(bucket) == [NAME]
    assert names(bucket) == []


# What an S3 that does not answer does


@pytest.fixture(params=["refused", "no bucket", "no permission"])
def broken(request: pytest.FixtureRequest, bucket: Any, settings: Any) -> Iterator[None]:
    settings.STORAGES["default"]["OPTIONS"] |= {"client_config": Config(retries={"total_max_attempts": 1})}
    if request.param == "refused":
        settings.STORAGES["default"]["OPTIONS"] |= {"endpoint_url": "http://127.0.0.1:9"}
    elif request.param == "no bucket":
        settings.STORAGES["default"]["OPTIONS"] |= {"bucket_name": "nobodys"}
    settings.STORAGES = {**settings.STORAGES}
    if request.param != "no permission":
        yield
        return

    def refuse(self: Any, operation: str, kwargs: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, operation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.client.BaseClient._make_api_call", refuse)
        yield


@pytest.mark.parametrize("broken", ["refused", "no permission"], indirect=True)
def test_a_listener_is_told_to_come_back(episode: DailyPodcast, client: Client, broken: None) -> None:
    client.force_login(episode.user)
    response = client.get(f"/media/{NAME}")
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    episode.refresh_from_db()
    assert episode.has_audio


def test_an_episode_keeps_its_script(alex: User, broken: None, settings: Any) -> None:
    settings.DAILYCAST_TTS_PROVIDERS = ["tests.audio.test_s3.Hum"]
    podcast = services.create_podcast_for_user(alex, "en")
    assert (podcast.status, podcast.error_code, bool(podcast.script_text)) == ("completed", "not_saved", True)
    assert "The storage of the files failed" in podcast.error_message


class Hum(Speaker):
    remote = False
