"""Figures anyone can rerun: ``make bench`` (all) and ``make bench-quick`` (under two minutes)."""
