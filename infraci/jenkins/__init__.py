"""A Jenkins controller: its jobs, builds and results, and the commits it is to build."""
