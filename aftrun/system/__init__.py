"""What touches this machine and belongs to no other room: files, signals, git, package data."""
