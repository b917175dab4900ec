"""How soon a learner may ask for another episode."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from dailycast.errors import CooldownError
from dailycast.jobs import cooldown, queue
from dailycast.models import DailyPodcast, Kind, Outcome, ProviderCall, Source, Status, dates, lock_learner
from tests.jobs.rows import changed_row, from_now, in_threads


@pytest.mark.parametrize(
    ("source", "age", "status", "is_allowed"),
    [
        (Source.PAGE, 1, Status.COMPLETED, False),
        (Source.API, 23.9, Status.PENDING, False),
        (Source.PAGE, 24.1, Status.COMPLETED, True),
        (Source.PAGE, 1, Status.FAILED, True),
        (Source.DAILY, 1, Status.COMPLETED, True),
        (Source.ADMIN, 1, Status.COMPLETED, True),
    ],
)
def test_a_learner_asks_once_a_day(alex: User, source: Source, age: float, status: Status, is_allowed: bool) -> None:
    queue.submit(alex, "en", source=source)
    asked = changed_row(created_at=from_now(-age * 3600), status=status).created_at
    if is_allowed:
        assert cooldown.cooldown_until(alex) is None
        queue.submit(alex, "en", source=Source.PAGE)
    else:
        with pytest.raises(CooldownError, match="The next episode can be asked for from") as caught:
            queue.submit(alex, "en", source=Source.PAGE)
        assert caught.value.until == cooldown.cooldown_until(alex) == asked + timedelta(hours=24)


def test_the_cooldown_is_each_learners_own_and_stops_no_other_source(alex: User, settings: Any) -> None:
    queue.submit(alex, "en", source=Source.PAGE)
    queue.submit(User.objects.create_user("kim"), "en", source=Source.PAGE)
    queue.submit(alex, "en", source=Source.ADMIN)
    settings.DAILYCAST_COOLDOWN_HOURS = 0.5
    DailyPodcast.objects.update(created_at=from_now(-1801))
    queue.submit(alex, "en", source=Source.API)


def test_a_request_that_is_sent_again_meets_no_cooldown(alex: User) -> None:
    first = queue.submit(alex, "en", source=Source.API, request_key="k")
    assert queue.submit(alex, "en", source=Source.API, request_key="k") == first


@pytest.mark.django_db(transaction=True)
def test_eight_requests_of_one_learner_at_once_are_one_episode() -> None:
    alex = User.objects.create_user("alex")

    def ask(place: int) -> bool:
        try:
            return bool(queue.submit(alex, "en", source=Source.PAGE, request_key=f"k{place}"))
        except CooldownError:
            return False

    assert in_threads(ask).count(True) == DailyPodcast.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_click_that_comes_eight_times_at_once_is_one_episode_and_meets_no_cooldown() -> None:
    alex = User.objects.create_user("alex")
    pks = in_threads(lambda _: queue.submit(alex, "en", source=Source.PAGE, request_key="k").pk, retry=False)
    assert set(pks) == {DailyPodcast.objects.get().pk}


def test_a_request_that_waited_while_the_same_click_was_served_gets_its_row(
    alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lock_learner

    def insert_while_waiting(pk: int) -> None:
        real(pk)
        DailyPodcast.objects.create(user=alex, source=Source.PAGE, request_key="k")

    monkeypatch.setattr("dailycast.jobs.queue.lock_learner", insert_while_waiting)
    assert queue.submit(alex, "en", source=Source.PAGE, request_key="k") == DailyPodcast.objects.get()


def test_the_error_says_in_local_time_when_the_learner_may_ask_again(alex: User, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    queue.submit(alex, "en", source=Source.PAGE)
    moment = from_now(-3600).replace(microsecond=0)
    changed_row(created_at=moment)
    expected = (moment + timedelta(hours=24, minutes=9 * 60)).strftime("%Y-%m-%d %H:%M+09:00")
    with pytest.raises(CooldownError) as caught:
        queue.submit(alex, "en", source=Source.PAGE)
    assert str(caught.value) == f"The next episode can be asked for from {expected} on."


@pytest.mark.parametrize(
    ("outcome", "usd", "counts"),
    [
        (Outcome.FAILED, "0.004", True),
        (Outcome.OK, "0.004", True),
        (Outcome.UNANSWERED, None, True),
        (Outcome.OK, "0", False),  # the built-in writer, or a server of the owner's
        (Outcome.REFUSED, None, False),
        (Outcome.BLOCKED, None, False),
    ],
)
def test_a_failure_counts_if_it_cost_something(alex: User, outcome: Outcome, usd: str | None, counts: bool) -> None:
    failed = queue.submit(alex, "en", source=Source.PAGE)
    changed_row(status=Status.FAILED)
    ProviderCall.objects.create(
        podcast=failed, day=dates.today(), provider="openai", kind=Kind.SCRIPT, outcome=outcome, cost_usd=usd
    )
    assert (cooldown.cooldown_until(alex) is not None) is counts
