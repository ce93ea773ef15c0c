"""Which passwords are good enough (NIST SP 800-63B: length, no composition rules)."""

__all__ = ["MAX_CHARS", "MIN_CHARS", "password_fault"]

MIN_CHARS = 12
MAX_CHARS = 128


def password_fault(password: str, email: str) -> str | None:
    """The rule a new password breaks, or None."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        return f"must have {MIN_CHARS} to {MAX_CHARS} characters"
    if len(set(password)) < MIN_CHARS // 2:
        return f"must have at least {MIN_CHARS // 2} different characters"
    if email.partition("@")[0].lower() in password.lower() and len(password) < 2 * MIN_CHARS:
        return "must not contain the e-mail's name"
    return None
