"""The application layer below the command line: opens clouds and commits, and runs pipelines."""
