"""Reports: pure functions of `RunReport`."""
