"""Mail through the campus's own relay: kind ``email.smtp``."""
