"""What the notifier can do."""
