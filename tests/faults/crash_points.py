"""Every place where the product may be interrupted: before and after each of its awaits.

Nobody marks these places, they are found: `find_points` reads the sources, and with `instrument`
what is imported afterwards calls `shared.failpoints.failpoint` around each await, armed as ever by
`KONTOR_FAILPOINT`. A new await is a new point at once, and `test_crash_matrix` asks what it is.

A point is `<module>:<function>:<what is awaited>`, with `:before` or `:after` behind it; an
`async with` has two, `enter` and `exit`. `python -m tests.faults.crash_points` prints the matrix.

An armed point waits for its moment: it does nothing before the file of its name exists in the
folder `KONTOR_CRASH_FOLDER`. While a file `survey` is there, all points that are passed are noted
in `survey-<process id>`.
"""

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from shared import failpoints
from tests.faults.crash_scope import AT_ANY_TIME, NOT_PASSED, off_path

__all__ = ["Point", "find_points", "instrument", "on_path", "reached", "watched"]

ROOT = Path(__file__).parents[2]
_PACKAGES = ("shared", "services")
_CALLS = "_crash_points"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """`what`: the source of what is awaited, with a number when the function has it again."""

    module: str
    function: str
    what: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.function}:{self.what}"

    @property
    def sides(self) -> tuple[str, str]:
        return f"{self.name}:before", f"{self.name}:after"


class _Marker(ast.NodeTransformer):
    """Puts calls around each await and notes where."""

    def __init__(self, module: str) -> None:
        self.points: list[Point] = []
        self._module = module
        self._inside: list[str] = []
        self._met: Counter[tuple[str, str]] = Counter()

    def _point(self, what: str) -> str:
        function = ".".join(self._inside)
        self._met[function, what] += 1
        again = self._met[function, what]
        point = Point(self._module, function, f"{what} {again}" if again > 1 else what)
        self.points.append(point)
        return point.name

    def _visit_named(self, node: Any) -> ast.AST:
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()
        return node  # type: ignore[no-any-return]

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _visit_named  # noqa: N815

    def visit_Await(self, node: ast.Await) -> ast.AST:
        name = self._point(_words(node.value))
        self.generic_visit(node)
        sides = [_call("reached", ast.Constant(f"{name}:{side}")) for side in ("before", "after")]
        around = ast.Tuple([sides[0], node, sides[1]], ast.Load())
        return ast.Subscript(around, ast.Constant(1), ast.Load())

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        for item in node.items:
            words = _words(item.context_expr)
            names = [ast.Constant(self._point(f"{side} {words}")) for side in ("enter", "exit")]
            item.context_expr = _call("watched", item.context_expr, *names)
        self.generic_visit(node)
        return node


def _words(awaited: ast.expr) -> str:
    return ast.unparse(awaited.func if isinstance(awaited, ast.Call) else awaited)


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    called = ast.Attribute(ast.Name(_CALLS, ast.Load()), function, ast.Load())
    return ast.Call(called, list(arguments), [])


def _mark(module: str, source: str | bytes) -> tuple[ast.Module, Sequence[Point]]:
    marker = _Marker(module)
    tree = marker.visit(ast.parse(source))
    # Behind the docstring and imports from the future, which only may stand first.
    first = sum(
        isinstance(node, ast.Expr)
        or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        for node in tree.body[:2]
    )
    tree.body[first:first] = ast.parse(f"import tests.faults.crash_points as {_CALLS}").body
    return ast.fix_missing_locations(tree), marker.points


def find_points(root: Path = ROOT) -> list[Point]:
    """All of them, in the order of modules and then of the source."""
    found: list[Point] = []
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            found += _mark(module.removesuffix(".__init__"), path.read_bytes())[1]
    return found


def on_path(points: Iterable[Point]) -> list[Point]:
    """Those of the way of a payment and of a mail."""
    return [point for point in points if not off_path(point.sides[0])]


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        # Not from the cache of compiled files, and nothing into it.
        path = self.get_filename(fullname)
        tree, _ = _mark(fullname, self.get_data(path))
        return compile(tree, path, "exec")


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.split(".", 1)[0] not in _PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def instrument() -> None:
    """Mark all modules of the product that are imported from now on."""
    sys.meta_path.insert(0, _Finder())


_noted: set[str] = set()


def reached(name: str) -> None:
    folder = os.environ.get("KONTOR_CRASH_FOLDER")
    if folder is None:
        return
    if name not in _noted and os.path.exists(f"{folder}/survey"):  # noqa: PTH110 - called often
        _noted.add(name)
        with Path(folder, f"survey-{os.getpid()}").open("a") as notes:
            notes.write(f"{name}\n")
    armed = failpoints._ARMED
    if armed and armed[0] == name and Path(folder, name).exists():
        failpoints.failpoint(name)


class watched:  # noqa: N801 - stands where a function would
    """A context manager whose entry and exit are points, also when the block returns or fails."""

    def __init__(self, inner: Any, entry: str, way_out: str) -> None:
        self._inner, self._entry, self._way_out = inner, entry, way_out

    async def __aenter__(self) -> Any:
        reached(f"{self._entry}:before")
        entered = await self._inner.__aenter__()
        reached(f"{self._entry}:after")
        return entered

    async def __aexit__(self, *failure: object) -> Any:
        reached(f"{self._way_out}:before")
        handled = await self._inner.__aexit__(*failure)
        reached(f"{self._way_out}:after")
        return handled


def main() -> None:
    lines = ["| point | before | after |", "|---|---|---|"]
    lines += [f"| `{point.name}` | killed | killed |" for point in on_path(find_points())]
    lines += ["", "| not on the way | why |", "|---|---|"]
    lines += [f"| `{pattern}` | {why} |" for pattern, why in (NOT_PASSED | AT_ANY_TIME).items()]
    print(*lines, sep="\n")  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
