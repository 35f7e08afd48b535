"""What commands and the library do: the rooms below put together."""
