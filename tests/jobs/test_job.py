"""A job: guarded writes, the end of an attempt, and whether to go on."""

import time

import pytest

from dailycast.errors import ProviderError
from dailycast.jobs.job import Job


def test_a_job_without_a_row_does_not_go_on_past_its_deadline() -> None:
    job = Job()
    job.check()
    job.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        job.check()
    assert caught.value.permanent is True
