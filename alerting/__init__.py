"""Campus emergency broadcaster."""
