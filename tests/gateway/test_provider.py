import pytest

from dailycast.errors import ProviderNotConfigured
from dailycast.gateway import provider


def test_a_missing_sdk_says_what_to_install() -> None:
    with pytest.raises(
        ProviderNotConfigured, match=r"no_such_sdk is not installed: pip install 'dailycast\[polly\]'"
    ) as caught:
        provider.require("no_such_sdk", "polly")
    assert caught.value.permanent is True


def test_an_installed_sdk_is_imported() -> None:
    assert provider.require("json", "x").loads("3") == 3
