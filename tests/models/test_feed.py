from django.contrib.auth.models import User

from dailycast.models import Feed


def test_each_learner_has_one_feed_and_may_have_a_new_address(alex: User) -> None:
    feed = Feed.for_user(alex)
    assert Feed.for_user(alex) == feed
    old = feed.token
    feed.renew()
    assert (len(old), Feed.objects.get().token) == (43, feed.token)
    assert old != feed.token
    assert old not in str(feed)
