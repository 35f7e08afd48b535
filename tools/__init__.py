"""What writes the files that follow from the code: run these from the root of a checkout."""
