"""The admin. Importing this package registers its pages on Django's admin site."""

from .episodes import DailyPodcastAdmin as DailyPodcastAdmin
from .ledger import ProviderCallAdmin as ProviderCallAdmin
