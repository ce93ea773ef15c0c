"""Which pictures can stand on a document."""

import struct

__all__ = ["LOGO_BYTES_MAX", "LOGO_PIXELS_MAX", "LOGO_SIDE_MAX", "refusal"]

LOGO_BYTES_MAX = 256 * 1024
LOGO_SIDE_MAX = 3_000
LOGO_PIXELS_MAX = 2_000_000
"""Every document has it in it: these are 300 dpi on 60 mm, many times over."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def refusal(logo: bytes) -> str | None:
    """Why a file is no logo, as a rule for whoever sent it; None: it is one."""
    if len(logo) > LOGO_BYTES_MAX:
        return f"must have at most {LOGO_BYTES_MAX // 1024} KB"
    try:
        # The first chunk is IHDR, which begins with both sides (ISO 15948, 11.2.1).
        signature, kind, width, height = struct.unpack_from(">8s4x4sII", logo)
    except struct.error:  # too short
        return "must be a PNG"
    if (signature, kind) != (_SIGNATURE, b"IHDR"):
        return "must be a PNG"
    # Looked at before anything is unpacked: a small file may be a huge picture.
    if not (0 < width <= LOGO_SIDE_MAX and 0 < height <= LOGO_SIDE_MAX):
        return f"must have 1 to {LOGO_SIDE_MAX} pixels on each side"
    if width * height > LOGO_PIXELS_MAX:
        return f"must have at most {LOGO_PIXELS_MAX} pixels"
    return None
