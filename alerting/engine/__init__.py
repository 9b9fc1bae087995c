"""Who runs the lanes: this process (embedded), or workers on a queue (distributed)."""
