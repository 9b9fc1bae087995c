"""For tests, ours and other people's: builders of values, and suites that an adapter inherits.

Import from its rooms: ``from alerting.testing.builders import an_alert``.
"""
