"""The mails Kontor writes: pure functions from content and envelope to a finished message."""
