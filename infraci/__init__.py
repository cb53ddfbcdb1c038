"""infraci makes every infrastructure commit prove itself on a real stack."""

__version__ = "0.1.0"
