"""What Jenkins runs, and what talks to Jenkins."""
