"""`aftrun ui`: the pages of `report/`, served live to this machine alone. Reads the record, and writes nothing."""
