"""What the verbs of the command line share: it opens clouds and commits, and runs pipelines."""
