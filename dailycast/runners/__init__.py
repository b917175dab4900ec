"""Who makes an episode, and when. Hosts use `submit`, `retry` and `sweep`."""

from .pool import retry as retry
from .pool import submit as submit
from .pool import sweep as sweep
