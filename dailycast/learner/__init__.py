"""Who an episode is about: the learner's records as the host gives them. Knows no models."""

from .context import Course as Course
from .context import DueReview as DueReview
from .context import LearnerContext as LearnerContext
from .context import Lesson as Lesson
from .context import Mistake as Mistake
from .context import QuizResult as QuizResult
from .context import display_name as display_name
from .context import get_learner_context as get_learner_context
from .context import host_callable as host_callable
from .context import learner_context as learner_context
from .context import without_emails as without_emails
