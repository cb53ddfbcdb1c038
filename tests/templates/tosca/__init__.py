"""Tests of TOSCA templates, with the real translator."""
