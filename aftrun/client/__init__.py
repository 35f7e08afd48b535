"""One server, over HTTPS: the only door to the network."""
