"""Who an episode is about: the learner's records as the host gives them. Knows no models."""

from .adapter import choose_language as choose_language
from .adapter import display_name as display_name
from .adapter import get_learner_context as get_learner_context
from .adapter import import_callable as import_callable
from .adapter import known_language as known_language
from .context import Course as Course
from .context import DueReview as DueReview
from .context import LearnerContext as LearnerContext
from .context import Lesson as Lesson
from .context import Mistake as Mistake
from .context import QuizResult as QuizResult
from .context import learner_context as learner_context
from .text import without_emails as without_emails
