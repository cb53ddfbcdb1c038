"""The records, locks and folders of runs on this machine."""
