"""What people use instead of aftrun, as programs of their own: the other side of the ratios."""
