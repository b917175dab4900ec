"""What all processes share of one rate limit of a vendor."""

from django.db import models


class RateLimit(models.Model):
    """What all processes share of one limit of a vendor: see `limits`."""

    key = models.CharField(max_length=200, unique=True)
    version = models.PositiveBigIntegerField(default=0)
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.key
