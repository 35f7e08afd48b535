"""The record of runs: SQLite, a journal beside it, and the lock."""
