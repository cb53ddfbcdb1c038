"""Who is told when a branch begins to fail, and when it has recovered."""
