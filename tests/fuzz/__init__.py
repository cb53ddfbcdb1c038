"""Inputs as mistakes and malice make them: each ends in success, or in an error made for it."""
