"""What keeps the documentation true: its reference is generated, and its pictures are made from real runs."""
