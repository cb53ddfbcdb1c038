"""What the embedded cloud makes on this machine: containers, networks, images."""
