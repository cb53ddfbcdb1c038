"""The records and folders of runs on this machine."""
