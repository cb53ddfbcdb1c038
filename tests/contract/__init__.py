"""What infraci promises, the same on every cloud: any difference is a bug or is documented."""
