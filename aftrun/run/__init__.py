"""From a plan to events: decisions, scheduling, the record, the fold."""
