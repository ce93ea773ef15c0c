"""Every query of the identity service, by what it is about: import the module."""
