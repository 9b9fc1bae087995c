"""The durable record of every decision, delivery and attempt. The truth."""
