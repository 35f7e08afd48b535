"""Nodes → the model."""
