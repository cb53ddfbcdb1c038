"""The nouns of the embedded cloud (servers, networks, ports, routers…) and the rules for them."""
