"""Command lines that people paste → the text of a manifest. Pure but for files that a command itself names."""
