"""Tests of SSH, against a real sshd."""
