"""Alerts: mails and webhooks when a branch begins to fail, and when it recovers."""
