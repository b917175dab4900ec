"""The ledger of calls to vendors, and the budget of a day."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .choices import Kind, Outcome
from .episode import DailyPodcast


class ProviderCall(models.Model):
    """An entry of the ledger: one call to a vendor, written before the call and closed after it.

    A year later the entries of a day that are alike become one, with `calls` as their number.
    """

    podcast = models.ForeignKey(
        DailyPodcast, on_delete=models.SET_NULL, null=True, blank=True, related_name="calls", verbose_name=_("episode")
    )
    day = models.DateField(_("day"))  # local
    provider = models.CharField(_("provider"), max_length=100)
    model = models.CharField(_("model or engine"), max_length=100, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    unit = models.CharField(_("what was asked for"), max_length=64, blank=True)  # a clip's SHA-256, or "script"
    calls = models.PositiveIntegerField(_("calls"), default=1)
    units = models.PositiveBigIntegerField(_("units"), null=True, blank=True)  # characters, or tokens in and out
    # The most that it may cost until the vendor says what it bills; null: no price, or not counted.
    cost_usd = models.DecimalField(_("cost (USD)"), max_digits=16, decimal_places=9, null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, default=Outcome.UNKNOWN)
    message = models.TextField(_("message"), blank=True)
    answer = models.TextField(_("answer"), blank=True)  # a completion as JSON, until its script is saved on the episode
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("call to a vendor")
        verbose_name_plural = _("calls to vendors")
        indexes = [models.Index(fields=["day", "provider"], name="dailycast_call_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.provider}/{self.model} {self.kind} {self.outcome}"


class Budget(models.Model):
    """What a local day has cost so far, plus the most that calls in flight may cost. Only where a budget is set."""

    day = models.DateField(_("day"), unique=True)
    reserved = models.BigIntegerField(_("reserved"), default=0)  # in millionths of a USD: exact in every database

    class Meta:
        verbose_name = _("budget of a day")
        verbose_name_plural = _("budgets of days")

    def __str__(self) -> str:
        return f"{self.day}: ${self.reserved / 1_000_000:.6f}"
