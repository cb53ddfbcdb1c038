"""The embedded cloud: the real Heat engine, over servers that are systemd containers."""
