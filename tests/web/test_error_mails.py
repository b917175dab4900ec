"""No mail about an error holds a token, wherever a request failed and whatever the mail shows of it."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django import VERSION
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.utils.log import AdminEmailHandler

from dailycast.models import DailyPodcast, Feed
from dailycast.web import feed_views, pages, signed_urls
from tests.web.feed_host import feed_address
from tests.web.test_access import addresses
from tests.web.test_access import episode as episode

LOOKS_LIKE_A_TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)
MOST_QUERIES = 40  # of one request


@pytest.fixture(autouse=True)
def mailing(settings: Any) -> Iterator[None]:
    """The owner gets mails about errors, as HTML, too."""
    settings.ADMINS = ["owner@example.com"] if VERSION >= (6, 0) else [("Owner", "owner@example.com")]
    logger, handler = logging.getLogger("django.request"), AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def texts(mails: list[Any]) -> list[str]:
    return [mail.subject + mail.body + "".join(str(each) for each in mail.alternatives) for mail in mails]


def shows(mails: list[Any], *tokens: str) -> bool:
    """Whether a token, or the part of it that makes it valid, is in a mail; there has to be one, with its frames."""
    assert any("<h2>Traceback" in text for text in texts(mails))
    return any(token.rpartition(":")[2] in text for text in texts(mails) for token in tokens)


def failing_at(number: int) -> Callable[..., Any]:
    """A database that fails at that query of a request."""
    seen = 0

    def execute(run: Callable[..., Any], *args: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            raise OperationalError("the database is gone")
        return run(*args)

    return execute


@pytest.mark.reliability
@pytest.mark.django_db(transaction=True)
def test_no_address_of_ours_shows_a_token_at_whatever_query_it_fails(
    episode: DailyPodcast, alex: User, mailoutbox: list[Any]
) -> None:
    token, signed = Feed.for_user(alex).token, signed_urls.audio_token(episode, alex)
    client = Client(raise_request_exception=False)
    client.force_login(alex)
    failed = set()
    for name, address in addresses(episode, token, signed).items():
        for number in range(1, MOST_QUERIES):
            mailoutbox.clear()
            with connection.execute_wrapper(failing_at(number)):
                method = client.post if name.endswith(("new", "rotate", "ask")) else client.get
                response: Any = method(address)
                response.close()
            if response.status_code != 500:
                break
            failed.add(name.rpartition(":")[2])
            assert not shows(mailoutbox, *Feed.objects.values_list("token", flat=True), token, signed), name
            assert not any(LOOKS_LIKE_A_TOKEN.search(text) for text in texts(mailoutbox)), name  # a new one, say
    assert {"today", "feed", "feed_audio", "feed_cover", "feed_new", "audio", "dailycast_media"} <= failed


def test_no_page_shows_the_address_that_it_was_about_to_print(
    episode: DailyPodcast, alex: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "render", lambda request, name, context, status: 1 // 0)
    client = Client(raise_request_exception=False)
    client.force_login(alex)
    client.get("/dailycast/")
    assert not shows(mailoutbox, Feed.for_user(alex).token)
    assert any("feed_url" in text for text in texts(mailoutbox))


def break_down(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware of the host that fails before any view is found."""

    def middleware(request: HttpRequest) -> HttpResponse:
        address = request.build_absolute_uri()
        raise ValueError(len(address))

    return middleware


def test_a_middleware_that_fails_shows_no_token(
    episode: DailyPodcast, alex: User, mailoutbox: list[Any], settings: Any
) -> None:
    settings.MIDDLEWARE = ["tests.web.test_error_mails.break_down"]
    token, signed = Feed.for_user(alex).token, signed_urls.audio_token(episode, alex)
    client = Client(raise_request_exception=False)
    client.get(feed_address(alex))
    client.get(f"/dailycast/audio/{signed}/a.mp3")
    assert not shows(mailoutbox, token, signed)


@pytest.mark.parametrize("quoted", [False, True])
def test_neither_referrer_nor_query_shows_a_token(
    quoted: bool, alex: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "render", lambda request, name, context, status: 1 // 0)
    address = f"http://testserver{feed_address(alex)}"
    client = Client(raise_request_exception=False)
    client.force_login(alex)
    query = {"QUERY_STRING": f"next={address}"} if not quoted else {"data": {"next": address}}
    client.get("/dailycast/archive/", headers={"Referer": address}, **query)
    assert not shows(mailoutbox, Feed.for_user(alex).token)
    assert mailoutbox[0].body.count("http://testserver/dailycast/feed/***/podcast.xml") >= 3  # referrer, query, GET


def test_the_filter_of_the_host_still_hides_what_it_hid(
    alex: User, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(feed_views, "EpisodeFeed", lambda *args: 1 // 0)
    settings.OPENAI_API_KEY = "sk-very-secret"
    Client(raise_request_exception=False).get(feed_address(alex), headers={"Authorization": "Basic c2VjcmV0"})
    text = "".join(texts(mailoutbox))
    assert ("sk-very-secret" in text, "c2VjcmV0" in text) == (False, False)
    assert "ZeroDivisionError" in text
    assert "EpisodeFeed(request, row)" in text
