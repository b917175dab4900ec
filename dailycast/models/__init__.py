"""The rows: an episode with its job, the ledger of calls to vendors, a learner's feed."""

from .choices import BILLED as BILLED
from .choices import NO_AUDIO as NO_AUDIO
from .choices import Kind as Kind
from .choices import Outcome as Outcome
from .choices import Reason as Reason
from .choices import Skip as Skip
from .choices import Source as Source
from .choices import Status as Status
from .dates import local as local
from .episode import FILE_FIELDS as FILE_FIELDS
from .episode import LONGEST_NAME as LONGEST_NAME
from .episode import WITHOUT_AUDIO as WITHOUT_AUDIO
from .episode import DailyPodcast as DailyPodcast
from .episode import PodcastQuerySet as PodcastQuerySet
from .episode import lock_learner as lock_learner
from .episode import may_view_all as may_view_all
from .feed import Feed as Feed
from .feed import new_token as new_token
from .ledger import Budget as Budget
from .ledger import ProviderCall as ProviderCall
from .rate_limit import RateLimit as RateLimit
from .users import active_users as active_users
from .users import has_column as has_column
from .users import is_active as is_active
