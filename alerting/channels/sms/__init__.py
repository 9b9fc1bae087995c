"""Text messages, one folder for the kind ``sms.twilio``."""
