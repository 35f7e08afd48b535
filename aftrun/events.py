"""What happens in a run, as `apply(on_event=…)` tells it: public names, whose home is `aftrun.domain.events`."""

from aftrun.domain.events import *  # noqa: F403  # a list of them here would be a second one
