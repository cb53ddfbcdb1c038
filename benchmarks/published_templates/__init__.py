"""Templates that others have published, through infraci: how many of the usable stacks it takes."""
