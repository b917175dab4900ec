"""Who makes an episode, and when. Hosts use `submit`, `retry` and `sweep`."""

from .dispatch import retry as retry
from .dispatch import submit as submit
from .dispatch import sweep as sweep
