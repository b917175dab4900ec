"""Where staff run it. Importing this package puts its pages on the admin site."""

from .episodes import DailyPodcastAdmin as DailyPodcastAdmin
from .ledger import ProviderCallAdmin as ProviderCallAdmin
