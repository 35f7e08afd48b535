"""aftrun on Windows: on a real one where there is one, and on Linux in a real CPython for Windows under Wine."""
