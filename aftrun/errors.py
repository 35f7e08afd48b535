"""Exceptions, with their exit codes: public names, whose home is `aftrun.domain.errors`."""

from aftrun.domain.errors import *  # noqa: F403  # a list of them here would be a second one
