"""Who is on call: the duty roster, what they are told about the system itself, and until when."""
