"""How a job info is read, since nobody outside knows its shape."""
