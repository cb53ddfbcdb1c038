"""What every other room builds on: time limits, programs, locks, secrets, files and text."""
