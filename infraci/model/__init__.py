"""The values that all rooms share: pipelines, commits, servers, runs, verdicts; frozen."""
