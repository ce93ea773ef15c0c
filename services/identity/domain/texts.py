"""Words of the mails that operators get."""

__all__ = ["reset_text"]


def reset_text(reason: str, name: str, link: str, minutes: int) -> tuple[str, str]:
    """Subject and body of the mail with a link to choose a password."""
    why = (
        "you have been given access to Kontor."
        if reason == "invited"
        else "somebody, probably you, asked for a new password for Kontor."
    )
    subject = "Your access to Kontor" if reason == "invited" else "A new password for Kontor"
    body = (
        f"Hello {name},\n\n{why} Choose a password here, within {minutes} minutes:\n\n{link}\n\n"
        "The link works once. If you did not expect this mail, do nothing: nothing changes.\n"
    )
    return subject, body
