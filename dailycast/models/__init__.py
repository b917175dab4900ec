"""The rows: an episode with its job, the ledger of calls to vendors, a learner's feed."""

from .episode import BILLED as BILLED
from .episode import LONGEST_NAME as LONGEST_NAME
from .episode import NO_AUDIO as NO_AUDIO
from .episode import Budget as Budget
from .episode import DailyPodcast as DailyPodcast
from .episode import Feed as Feed
from .episode import Kind as Kind
from .episode import Outcome as Outcome
from .episode import PodcastQuerySet as PodcastQuerySet
from .episode import ProviderCall as ProviderCall
from .episode import RateLimit as RateLimit
from .episode import Reason as Reason
from .episode import Skip as Skip
from .episode import Source as Source
from .episode import Status as Status
from .episode import local as local
from .episode import lock_learner as lock_learner
from .episode import new_token as new_token
