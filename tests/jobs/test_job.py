import time

import pytest

from dailycast.errors import ProviderError
from dailycast.jobs import job


def test_a_job_past_its_deadline_stops() -> None:
    late = job.Job()
    late.check()
    late.deadline = time.monotonic()
    with pytest.raises(ProviderError, match="the episode took longer than DAILYCAST_JOB_TIMEOUT") as caught:
        late.check()
    assert caught.value.permanent is True
