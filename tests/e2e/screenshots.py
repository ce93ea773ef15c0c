"""`python -m tests.e2e.screenshots`: pictures of every page, light and dark, wide and narrow."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.e2e.browser import Desk, Stack, open_browser, running_stack
from tests.e2e.places import furnish, places

_FOLDER = Path(__file__).parent.parent.parent / "docs" / "screenshots"
# On these the Action menu of a card is open.
_OPEN = {"plans-free": "Team", "plans": "Team", "modules-busy": "Analytics"}
_SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 390, "height": 844}}


def _take(stack: Stack) -> int:
    furnish(stack)
    paths = places(stack)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        first = Desk.open(browser, stack)
        signed_in = first.sign_in(stack).context.storage_state()
        for scheme in ("light", "dark"):
            for size, viewport in _SIZES.items():
                look = {"color_scheme": scheme, "viewport": viewport}
                stranger = Desk.open(browser, stack, **look)
                stranger.page.goto("/sign-in")
                _picture(stranger, f"sign-in-{size}-{scheme}")
                desk = Desk.open(browser, stack, storage_state=signed_in, **look)
                for name, path in paths.items():
                    desk.page.goto(path)
                    if name in _OPEN:
                        card = desk.page.get_by_role("region", name=_OPEN[name])
                        card.locator("summary").click()
                    if name == "invoice-partly-paid":
                        desk.page.locator("#head").get_by_text("Action", exact=True).click()
                    _picture(desk, f"{name}-{size}-{scheme}")
    return len(list(_FOLDER.glob("*.png")))


def _picture(desk: Desk, name: str) -> None:
    """Of a few colours, which is all that a page has: a third of the size."""
    picture = Image.open(BytesIO(desk.page.screenshot()))
    picture.quantize(128, dither=Image.Dither.NONE).save(_FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    with (
        TemporaryDirectory(prefix="kontor-pictures-") as state,
        running_stack(Path(state)) as stack,
    ):
        print(f"{_take(stack)} pictures in {_FOLDER}")  # noqa: T201 - for whoever runs this


if __name__ == "__main__":
    main()
