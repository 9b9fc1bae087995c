"""What leaves the record for other readers: the report, CAP 1.2, the feed."""
