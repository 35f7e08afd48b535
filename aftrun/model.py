"""The data that goes in and comes back: public names, whose home is `aftrun.domain.model`."""

from aftrun.domain.model import *  # noqa: F403  # a list of them here would be a second one
