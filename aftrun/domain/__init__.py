"""Rules that every room shares, each in one place. Nothing here does I/O or imports another room."""
