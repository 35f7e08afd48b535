"""Text to `Manifest`: parsing, checking, expansion. Pure but for the files it reads."""
