"""aftrun: a declarative job runner for Syncplify AFT!."""

__version__ = "0.1.0"
