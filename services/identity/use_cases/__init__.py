"""What the identity service can do: load -> decide -> save -> write down who did it."""
