import logging
from typing import Any
from uuid import uuid4

import pytest
from django import VERSION
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from dailycast.models import DailyPodcast, Feed
from dailycast.web import feed_views, redaction, signed_urls
from tests.web.clients import Browser
from tests.web.feed_host import FILES, REQUESTS, feed_address, feed_folder

pytestmark = pytest.mark.usefixtures("feed_host")


def test_no_log_line_has_the_token(
    app: Browser, alex: User, episode: DailyPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    token = Feed.for_user(alex).token
    with caplog.at_level(logging.DEBUG):
        for send in REQUESTS.values():
            for guid in (episode.guid, uuid4()):
                for file in FILES:
                    send(app, f"/dailycast/feed/{token}/{file.format(guid=guid)}")
        target = f"/dailycast/feed/{token}/{episode.guid}.mp3"
        assert app.get(target, headers={"Range": "bytes=99999-"}).status_code == 416
        assert app.get(target, headers={"If-Match": '"x"'}).status_code == 412
        Feed.for_user(alex).renew()
        assert app.get(target).status_code == 404
        assert app.get(f"/dailycast/feed/{token}/favicon.ico").status_code == 404
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if token in line] == []
    assert "Not Found: /dailycast/feed/***/favicon.ico" in lines


def test_without_the_filter_the_log_has_the_token(
    app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redaction.TokenRedactor, "filter", lambda self, record: True)
    target = f"{feed_folder(alex)}no-such-page"
    app.get(target)
    assert f"Not Found: {target}" in [record.getMessage() for record in caplog.records]


def test_no_log_line_has_a_truncated_link_or_a_signed_address(
    app: Browser, alex: User, episode: DailyPodcast, caplog: pytest.LogCaptureFixture
) -> None:
    token, signed = Feed.for_user(alex).token, signed_urls.audio_token(episode, alex)
    for cut in (feed_folder(alex).rstrip("/"), f"/dailycast/feed/{token[:20]}", f"/dailycast/audio/{signed}"):
        assert app.get(cut).status_code == 404
    assert app.get(f"/dailycast/audio/{signed}/x.mp3", headers={"Range": "bytes=99999-"}).status_code == 416
    lines = " ".join(record.getMessage() for record in caplog.records)
    assert (lines.count("/feed/***"), lines.count("/audio/***"), token[:20] in lines, signed[:20] in lines) == (
        2,
        2,
        False,
        False,
    )


def test_the_mail_about_an_error_has_no_token(
    app: Browser, alex: User, monkeypatch: pytest.MonkeyPatch, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.ADMINS = ["owner@example.com"] if VERSION >= (6, 0) else [("Owner", "owner@example.com")]
    token = Feed.for_user(alex).token
    monkeypatch.setattr(feed_views, "EpisodeFeed", lambda *args: 1 // 0)
    Client(raise_request_exception=False).get(feed_address(alex))
    (mail,) = mailoutbox
    assert ("ZeroDivisionError" in mail.body, "/feed/***/" in mail.body) == (True, True)
    assert token not in mail.subject + mail.body + "".join(str(each) for each in mail.alternatives)


def test_the_log_of_djangos_own_server_has_no_token(alex: User, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("django.server")
    logger.addHandler(caplog.handler)
    logger.warning('"%s" %s %s', f"GET {feed_address(alex)} HTTP/1.1", "200", "512")
    logger.warning("of %(one)s", {"one": "mapping"})
    logger.removeHandler(caplog.handler)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ['"GET /dailycast/feed/***/podcast.xml HTTP/1.1" 200 512', "of mapping"]


def test_no_page_of_the_admin_has_the_token(
    client: Client, alex: User, episode: DailyPodcast, admin_user: User
) -> None:
    tokens = [Feed.for_user(user).token for user in (alex, admin_user)]
    client.force_login(admin_user)
    for target in (
        "/admin/",
        "/admin/auth/user/",
        f"/admin/auth/user/{alex.pk}/change/",
        f"/admin/auth/user/{alex.pk}/delete/",
        "/admin/dailycast/dailypodcast/",
        f"/admin/dailycast/dailypodcast/{episode.pk}/change/",
    ):
        response = client.get(target)
        assert response.status_code == 200
        assert not any(token in response.content.decode() for token in tokens)
    assert Feed not in admin.site._registry
