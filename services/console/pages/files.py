"""What anybody may read: styles, scripts, and whether the console is there."""

from fastapi import APIRouter, HTTPException, Response

from services.console.views import ASSETS

__all__ = ["router"]

router = APIRouter()


@router.get("/static/{digest}/{name}")
async def get_asset(digest: str, name: str) -> Response:
    """A file under an address that changes with its content, so that it is fetched once."""
    content, kind, current = ASSETS().get(name, (b"", "", ""))
    if not current or digest != current:
        raise HTTPException(404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=kind, headers=headers)


@router.get("/favicon.ico")
async def get_icon() -> Response:
    """Browsers ask for this one beside what cannot name an icon, such as a PDF."""
    content, kind, _ = ASSETS()["icon.svg"]
    return Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})


@router.get("/console/health")
async def get_health() -> dict[str, str]:
    return {"status": "ok"}
