"""Proof that the record is what it was: seals, checkpoints, verification, and what may be forgotten."""
