"""Writes the blocking classes from the asynchronous ones.

    python scripts/generate_blocking.py             write them anew
    python scripts/generate_blocking.py --check     fail if that would change anything

A public method calls the one it is made from in the background loop; what that returns is wrapped
if there is a blocking class for it. Methods that return an `AsyncIterator` pass on batches instead
of crossing the threads for each event: those are written by hand, in the base class.
"""

from __future__ import annotations

import ast
import copy
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """
Generated from the asynchronous classes: python scripts/generate_blocking.py
"""
TOOLS = {
    "Handle": "signedin.runtime.handles",
    "Iterator": "collections.abc",
    "call": "signedin.runtime.background_loop",
    "clean_up": "signedin.runtime.background_loop",
    "close_with": "signedin.runtime.background_loop",
    "each_of": "signedin.runtime.handles",
}
DUNDERS = {"__aenter__": "__enter__", "__aexit__": "__exit__", "aclose": "close"}
WORDING = {
    "A client belongs to the event loop of its first turn.": (
        "It may be used from several threads.\n    It ends with its last reference, at the latest "
        "with the interpreter."
    ),
    " A\n    client belongs to the event loop of its first call.": (
        "\n    It may be used from several threads.\n    It ends with its last reference, at the "
        "latest with the interpreter."
    ),
    ": at once in a\n            running event loop, else when the client is entered.": (
        ".\n           "
    ),
    "entered or awaited": "entered or asked for its result",
    "or being cancelled while waiting": "or an exception while waiting",
    "by several tasks": "by several threads",
    "an async iterator": "an iterator",
    "an ``async with``": "a ``with``",
    "``async with": "``with",
    "``async for": "``for",
}
"""What docstrings say of asynchronous calls, and say here."""


@dataclass
class Mirror:
    """A blocking class.

    Attributes:
        name: Its name.
        base: The class it extends; empty for a client, which makes what it wraps itself.
        sources: Modules and classes whose methods it has.
        hidden: Public methods that other modules of the package use, and callers do not.
        mixin: A class that both have as a base, whose methods need no event loop.
    """

    name: str
    base: str
    sources: Sequence[tuple[str, str]]
    hidden: frozenset[str] = frozenset()
    mixin: str = ""

    @property
    def wrapped(self) -> str:
        """The asynchronous class."""
        return self.sources[0][1]

    @property
    def owner(self) -> str:
        """The client, which must not be closed while something of it is used."""
        return "self._owner" if self.base else "self"


API = "signedin.providers.codex.api"
LOGIN = "signedin.providers.codex.account.login"
ATTEMPT = (LOGIN, "_AsyncLoginAttempt")
MODULES = {
    "signedin.client.blocking": (
        """The blocking API: the same calls without ``await``.

All blocking clients of a process share one background thread with one event loop, so they work in
scripts, in threads and inside a running event loop (a notebook) alike.
""",
        [
            Mirror(
                "Turn",
                "BlockingTurn[OutputT_co]",
                [("signedin.client.turn", "AsyncTurn")],
                frozenset({"html"}),
            ),
            Mirror(
                "Session",
                "BlockingSession",
                [("signedin.client.session", "AsyncSession")],
                frozenset({"html", "turn", "roll_back", "running"}),
            ),
            Mirror("Login", "Handle[AsyncLogin]", [("signedin.accounts.status", "AsyncLogin")]),
            Mirror(
                "Client",
                "",
                [("signedin.client.async_client", "AsyncClient")],
                mixin="FromConfig",
            ),
        ],
    ),
    "signedin.jobs.blocking": (
        """The jobs without ``await``, over the background event loop.
""",
        [
            Mirror("Worktree", "", [("signedin.jobs.worktree", "AsyncWorktree")]),
            Mirror("BestOf", "Handle[AsyncBestOf]", [("signedin.jobs.best_of", "AsyncBestOf")]),
        ],
    ),
    "signedin.jobs.batch.blocking": (
        """Batches without ``await``.
""",
        [
            Mirror(
                "Batch",
                "Handle[AsyncBatch[OutputT_co]], Generic[OutputT_co]",
                [("signedin.jobs.batch.batch", "AsyncBatch")],
            ),
        ],
    ),
    f"{API}.blocking": (
        """The typed Codex client without ``await``, over the background event loop.
""",
        [
            Mirror("TurnHandle", "BlockingTurnHandle", [(f"{API}.turns", "AsyncTurnHandle")]),
            Mirror("Thread", "Handle[AsyncThread]", [(f"{API}.threads", "AsyncThread")]),
            *(
                Mirror(name, f"Handle[Async{name}]", [(LOGIN, f"Async{name}"), ATTEMPT])
                for name in ["ChatgptLogin", "DeviceCodeLogin"]
            ),
            Mirror("Codex", "", [(f"{API}.client", "AsyncCodex")]),
        ],
    ),
}
PUBLIC = r"signedin\."
"""What a name begins with that lives in a layer above, which the package loads when it is used."""
NAMES = {mirror.wrapped: mirror.name for _, mirrors in MODULES.values() for mirror in mirrors}
BATCHES = {"__aenter__", "__aexit__", "aclose", "next_batch", "raise_failure"}
"""Methods of turns that the base class has in its own form."""


def main() -> int:
    """Runs the command line; the exit code is 1 if there is something to do."""
    stale = [module for module in MODULES if not is_current(module)]
    if "--check" in sys.argv:
        for module in stale:
            print(f"{module} is out of date: run python scripts/generate_blocking.py")
        return 1 if stale else 0
    for module in stale:
        path_of(module).write_text(formatted(generate(module)), encoding="utf-8")
    return 0


def is_current(module: str) -> bool:
    """Whether a module is what would be generated, apart from its layout."""
    written, made = (
        ast.parse(text) for text in (path_of(module).read_text("utf-8"), generate(module))
    )
    return _normal(written) == _normal(made)


def generate(module: str) -> str:
    """Returns the text of a module."""
    title, mirrors = MODULES[module]
    body = [mirrored(mirror) for mirror in mirrors]
    sources = {source: None for mirror in mirrors for source, _ in mirror.sources}
    own = {mirror.name for mirror in mirrors}
    imports = imports_of(body, list(sources), own)
    text = "\n".join(ast.unparse(node) for node in [*imports, *body])
    return f'"""{title}{HEADER}"""\n\nfrom __future__ import annotations\n\n{text}\n'


def mirrored(mirror: Mirror) -> ast.ClassDef:
    """Returns a blocking class."""
    classes = [class_of(*source) for source in mirror.sources]
    doc = blocking_text(ast.get_docstring(classes[0], clean=False) or "")
    members = [member for each in classes for member in members_of(each, mirror)]
    [result] = parsed(f"class {mirror.name}({mirror.base or mirror.mixin}): ...")
    assert isinstance(result, ast.ClassDef)
    result.body = [ast.Expr(ast.Constant(doc)), *members]
    return result


def members_of(source: ast.ClassDef, mirror: Mirror) -> Iterator[ast.stmt]:
    """Yields what a blocking class has of an asynchronous one."""
    for node in source.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name == "__init__" and mirror.wrapped == source.name:
            yield from made_by_client(node, mirror) if not mirror.base else ()
        if node.name == "__init__" and mirror.base:
            yield from attributes(node, ast.get_docstring(source) or "")
        elif node.name == "__repr__":
            yield from parsed(
                "def __repr__(self) -> str:\n    return repr(self._async).removeprefix('Async')"
            )
        elif is_mirrored(node, mirror):
            yield forwarding(node, mirror)


def is_mirrored(node: ast.FunctionDef | ast.AsyncFunctionDef, mirror: Mirror) -> bool:
    """Whether callers of the blocking class have this method."""
    if mirror.base.startswith("BlockingTurn") and node.name in BATCHES:
        return False
    if "AsyncIterator" in ast.unparse(node.returns or ast.Constant(None)):
        return False
    return node.name in DUNDERS or (node.name[0] != "_" and node.name not in mirror.hidden)


def made_by_client(
    init: ast.FunctionDef | ast.AsyncFunctionDef, mirror: Mirror
) -> Sequence[ast.stmt]:
    """Returns the `__init__` of a client."""
    made = copy.deepcopy(init)
    arguments = passed_on(init.args)
    made.body = parsed(
        f"self._async = {mirror.wrapped}({arguments})\nclose_with(self, self._async.aclose)"
    )
    if "prewarm=" in arguments:
        made.body += parsed("if prewarm:\n    call(self._async.__aenter__)")
    return [made]


def attributes(init: ast.FunctionDef | ast.AsyncFunctionDef, doc: str) -> Iterator[ast.stmt]:
    """Yields a property for each public attribute that is an argument of `__init__`."""
    types = {arg.arg: ast.unparse(arg.annotation) for arg in init.args.args if arg.annotation}
    for node in init.body:
        match node:
            case ast.Assign([ast.Attribute(attr=name)], ast.Name(argument)) if name[0] != "_":
                said = re.search(rf"^    {name}: ([^.]*\.)", doc, re.MULTILINE)
                assert said, f"the docstring of the class does not describe {name}"
                yield from parsed(
                    f"@property\ndef {name}(self) -> {types[argument]}:\n"
                    f"    {' '.join(said[1].split())!r}\n    return self._async.{name}"
                )
            case _:
                pass


def forwarding(node: ast.FunctionDef | ast.AsyncFunctionDef, mirror: Mirror) -> ast.FunctionDef:
    """Returns a method that calls the asynchronous one."""
    [result] = parsed("def name(): ...")
    assert isinstance(result, ast.FunctionDef)
    result.name = DUNDERS.get(node.name, node.name)
    result.args, result.decorator_list = node.args, node.decorator_list
    result.body, result.returns = node.body, blocking_type(node.returns)
    decorators = [ast.unparse(each) for each in node.decorator_list]
    if "overload" in decorators:
        return result
    doc = ast.get_docstring(node, clean=False)
    result.body = [ast.Expr(ast.Constant(blocking_text(doc)))] if doc else []
    body = forwarded(node, mirror, is_property="property" in decorators)
    result.body += parsed(body)
    return result


def forwarded(
    node: ast.FunctionDef | ast.AsyncFunctionDef, mirror: Mirror, *, is_property: bool
) -> str:
    """Returns the statements of a method."""
    method = f"self._async.{node.name}"
    match node.name:
        case "aclose":
            return f"clean_up({method})"
        case "__aenter__":
            return f"call({method})\nreturn self"
        case "__aexit__" if node.args.vararg and len(node.args.args) == 1:  # whatever happened
            return "self.close()"
        case "__aexit__":
            return f"clean_up(lambda: {method}({passed_on(node.args)}))"
        case _:
            pass
    arguments = passed_on(node.args)
    called = method if is_property else f"{method}({arguments})"
    returns = ast.unparse(node.returns or ast.Constant(None))
    if isinstance(node, ast.AsyncFunctionDef):
        called = f"call(lambda: {called})" if arguments else f"call({method})"
    if returns.startswith("AsyncGenerator"):
        return f"return each_of({called}, {mirror.owner})"
    names = re.findall(rf"({PUBLIC})?(\w+)", returns)
    wrapper = next((f"{home}{NAMES[each]}" for home, each in names if each in NAMES), None)
    if wrapper and returns.endswith("| None"):
        return f"made = {called}\nreturn None if made is None else {wrapper}(made, {mirror.owner})"
    if wrapper:
        return f"return {wrapper}({called}, {mirror.owner})"
    return called if returns == "None" else f"return {called}"


def passed_on(arguments: ast.arguments) -> str:
    """Returns the arguments of a call with the parameters of its caller."""
    parts = [arg.arg for arg in [*arguments.posonlyargs, *arguments.args][1:]]
    parts += [f"{arg.arg}={arg.arg}" for arg in arguments.kwonlyargs]
    parts += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return ", ".join(parts)


def blocking_type(annotation: ast.expr | None) -> ast.expr | None:
    """Returns the type of what a blocking method returns."""
    if annotation is None:
        return None
    text = re.sub(r"AsyncGenerator\[(.*), None\]", r"Iterator[\1]", ast.unparse(annotation))
    text = re.sub(
        rf"({PUBLIC})?(?:\w+\.)?\b(Async\w+)",
        lambda name: f"{name[1] or ''}{NAMES[name[2]]}" if name[2] in NAMES else name[0],
        text,
    )
    return ast.parse(text, mode="eval").body


def blocking_text(text: str) -> str:
    """Returns a docstring as one of a blocking method."""
    for before, after in WORDING.items():
        text = text.replace(before, after)
    if re.search(r"\basync\b|await|event loop", text):
        raise ValueError(f"WORDING does not say what this is without await: {text}")
    return re.sub(r"\bAsync\w+", lambda name: NAMES.get(name[0], name[0]), text)


def imports_of(body: Sequence[ast.stmt], sources: Sequence[str], own: set[str]) -> list[ast.stmt]:
    """Returns the imports and type variables that classes need, as their sources have them."""
    used = {node.id for each in body for node in ast.walk(each) if isinstance(node, ast.Name)}
    homes: dict[str, ast.stmt] = {
        name: ast.ImportFrom(module, [ast.alias(name)], 0) for name, module in TOOLS.items()
    }
    variables: dict[str, ast.stmt] = {}
    for source in sources:
        for node in ast.parse(path_of(source).read_text("utf-8")).body:
            match node:
                case ast.Import([ast.alias(name, asname=None)]):
                    homes.setdefault(name, node)
                case ast.ImportFrom():
                    for alias in node.names:
                        home = ast.ImportFrom(node.module, [alias], 0)
                        homes.setdefault(alias.asname or alias.name, home)
                case ast.Assign([ast.Name(name)], ast.Call(ast.Name("TypeVar"))):
                    variables[name] = node
                case (
                    ast.ClassDef(name)
                    | ast.AnnAssign(ast.Name(name))
                    | ast.Assign([ast.Name(name)])
                ):
                    homes[name] = ast.ImportFrom(source, [ast.alias(name)], 0)
                case _:
                    pass
    needed = [variables[name] for name in sorted(used & variables.keys())]
    used |= {"TypeVar"} if needed else set()
    return [*(homes[name] for name in sorted((used & homes.keys()) - own)), *needed]


def class_of(module: str, name: str) -> ast.ClassDef:
    """Returns the source of a class."""
    tree = ast.parse(path_of(module).read_text("utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def path_of(module: str) -> Path:
    """Returns the file of a module."""
    return ROOT / "src" / f"{module.replace('.', '/')}.py"


def parsed(text: str) -> list[ast.stmt]:
    """Returns statements."""
    return ast.parse(text).body


def formatted(text: str) -> str:
    """Returns a text as `ruff` leaves it with the project's settings."""
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", "src/x.py", "-"]
        done = subprocess.run(
            ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT
        )
        text = done.stdout
    return text


def _normal(tree: ast.Module) -> tuple[set[str], list[str]]:
    """Returns what a module imports, in any order, and the rest of it."""
    imported: set[str] = set()
    rest: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{each.name} as {each.asname}" for each in node.names}
        else:
            rest.append(ast.dump(node))
    return imported, rest


if __name__ == "__main__":
    sys.exit(main())
