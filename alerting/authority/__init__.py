"""Who may do what: people, what needs a second one, approvals, and reviewed templates."""
