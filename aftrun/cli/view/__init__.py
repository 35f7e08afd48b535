"""What is shown while jobs run, and of their report."""
