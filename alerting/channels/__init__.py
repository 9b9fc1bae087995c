"""Channels out: one folder a provider, the port they share, and the registry that finds them."""
