"""Who is told: lists of people, read as a stream and brought to normal form."""
