"""One server, over HTTPS: the only way to the network."""
