"""What a run costs, against the least it could cost on the same machine."""
