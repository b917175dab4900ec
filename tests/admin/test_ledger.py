from datetime import date
from decimal import Decimal

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dailycast.models import Kind, Outcome, ProviderCall


def test_the_ledger_is_read_only(superuser_client: Client, alex: User) -> None:
    call = ProviderCall.objects.create(
        day=date(2026, 11, 23), provider="polly", model="neural", kind=Kind.SPEECH, units=100, answer="the script"
    )
    ProviderCall.objects.update(cost_usd=Decimal("0.0016"), outcome=Outcome.LOST)
    shown = superuser_client.get(reverse("admin:dailycast_providercall_changelist")).content.decode()
    assert all(word in shown for word in ("polly", "neural", "$0.0016", "lost"))
    page = reverse("admin:dailycast_providercall_change", args=[call.pk])
    assert "the script" not in superuser_client.get(page).content.decode()
    assert superuser_client.post(page, {"outcome": "ok"}).status_code == 403
    assert superuser_client.get(reverse("admin:dailycast_providercall_add")).status_code == 403
    assert (
        superuser_client.post(
            reverse("admin:dailycast_providercall_delete", args=[call.pk]), {"post": "yes"}
        ).status_code
        == 403
    )
