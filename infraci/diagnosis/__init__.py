"""What the output of programs tells: why one failed, and whether the commit is at fault."""
