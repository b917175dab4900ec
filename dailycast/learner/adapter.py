"""The host's adapter: the one function that gives the records of a learner."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from ..conf import conf
from ..errors import LanguageError, LearnerContextError
from ..languages.table import normalise
from .context import LearnerContext, learner_context

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("dailycast")


def get_learner_context(user: "AbstractBaseUser") -> LearnerContext:
    """Ask the host's DAILYCAST_LEARNER_CONTEXT callable about `user`; without one, only the first name is known.

    Raises LearnerContextError when the path cannot be imported or its answer cannot be read.
    """
    path = conf.DAILYCAST_LEARNER_CONTEXT
    records = import_callable(path)(user) if path else {}
    data = asdict(records) if isinstance(records, LearnerContext) else records
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise LearnerContextError(f"{path} must return a LearnerContext or a dict, not {type(records).__name__}.")
    return learner_context({"first_name": getattr(user, "first_name", ""), **data})


def choose_language(language: str | None, context: LearnerContext | None = None) -> str:
    """The language asked for, else the learner's own if we know it, else the default. Raises LanguageError."""
    return normalise(language or (context and known_language(context)) or conf.DAILYCAST_DEFAULT_LANGUAGE)


def known_language(context: LearnerContext) -> str:
    """The learner's own language in BCP-47's usual case; empty, with a warning, for one that we do not know."""
    if not context.language:
        return ""
    try:
        return normalise(context.language)
    except LanguageError as error:
        source = conf.DAILYCAST_LEARNER_CONTEXT or "the learner context"
        logger.warning("Dailycast: %s: the default language is used, because of this: %s", source, error)
        return ""


def display_name(user: "AbstractBaseUser") -> str:
    """What to call `user` on a screen: the first name, else the username."""
    return getattr(user, "first_name", "") or user.get_username()


def import_callable(path: str) -> Any:
    """The object at the dotted `path`. Raises LearnerContextError when it cannot be imported or called."""
    try:
        target = import_string(path)
    except ImportError as error:
        raise LearnerContextError(f"DAILYCAST_LEARNER_CONTEXT={path!r} cannot be imported: {error}.") from error
    if not callable(target):
        raise LearnerContextError(f"DAILYCAST_LEARNER_CONTEXT={path!r} is not callable.")
    return target
