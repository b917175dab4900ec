"""The state of a vendor's rate limit, shared by all processes."""

from django.db import models


class RateLimit(models.Model):
    """The state of one rate limit: see `purchases.rate_limits`."""

    key = models.CharField(max_length=200, unique=True)
    version = models.PositiveBigIntegerField(default=0)
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.key
