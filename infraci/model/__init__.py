"""What infraci knows: pipelines, commits, servers, runs, verdicts. Frozen values, no behaviour."""
