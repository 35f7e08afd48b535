"""One module a command; its function has the command's name."""
