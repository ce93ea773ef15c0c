"""What the subscriptions service can do: load -> decide -> save -> publish.

Verbs that consume events take a list, at most one event per customer.
"""
