"""Drills: when they happen, how one runs, and what it proved."""
