"""What the customers service can do: load -> decide -> save -> publish."""
