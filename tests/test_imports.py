"""Imports run one way, and every public name is at the front door."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import networkpype

PACKAGE = Path(networkpype.__file__).parent

# Each layer may import its own and those above it in this table. A name stands for the module and
# for all below it, the longest match counts, and every module has to have a place.
LAYERS: list[set[str]] = [
    # Leaves: no request, no exchange.
    {"_version", "arguments", "circuit", "clock", "codec", "copying", "deadline", "errors"}
    | {"environment", "hooks", "key_files", "opaque", "origins", "redact", "retry", "signing"}
    | {"status", "waits", "wire"},
    # Data and policy: what is sent, what came, when it may go.
    {"credentials", "throttler", "time_synchronizer", "timekeeping"}
    | {"rest", "rest.build", "rest.method", "rest.request", "rest.response"}
    | {"websocket", "websocket.answers", "websocket.decoding", "websocket.dialects"}
    | {"websocket.heartbeat", "websocket.spoken", "websocket.subscriptions"}
    | {"websocket.request", "websocket.response"},
    {"auth", "rest.processor", "websocket.processor"},
    {"connections", "transport", "rest.connection"}
    | {"websocket.connection", "websocket.dialing", "websocket.line"},
    {"rest.attempt", "rest.attempts", "rest.manager", "rest.refused_clock"}
    | {"websocket.first_login", "websocket.manager"}
    | {"websocket.pings", "websocket.session"},
    {"factory"},
    # The users of all that, the front door among them.
    {"", "__main__", "cli", "contrib", "exchanges", "shared", "testing"},
]

# Who may import aiohttp at run time: where bytes travel, and the server to travel to.
MEETS_AIOHTTP = {"connections", "rest.connection", "testing", "transport"} | {
    "websocket.connection",
    "websocket.dialing",
    "websocket.line",
}

# What a room may not import although its layer could.
FORBIDDEN = [
    ("auth", {"asyncio", "aiohttp", "networkpype.shared", "redis", "socket", "ssl"}),
    ("rest", {"networkpype.websocket"}),
    ("rest.connection", {"networkpype.auth"}),
    ("signing", {"asyncio", "aiohttp"}),
    ("transport", {"networkpype.auth"}),
    ("websocket", {"networkpype.rest"}),
    ("websocket.connection", {"networkpype.auth"}),
    ("websocket.dialing", {"networkpype.auth"}),
    ("websocket.line", {"networkpype.auth"}),
]

# Packages whose `__init__` hands names on; every other one is empty but for its docstring.
RE_EXPORTERS = {"", "auth", "exchanges", "testing"}

# Modules whose classes are for networkpype itself, and rooms that users import by their own path.
INSIDE = (
    {
        "_version",
        "arguments",
        "copying",
        "deadline",
        "opaque",
        "redact",
        "status",
        "timekeeping",
        "transport",
        "waits",
        "wire",
    }
    | {
        "rest.attempt",
        "rest.attempts",
        "rest.build",
        "rest.refused_clock",
        "websocket.answers",
        "websocket.dialects",
        "websocket.dialing",
        "websocket.first_login",
        "websocket.heartbeat",
        "websocket.line",
        "websocket.pacing",
        "websocket.session.agenda",
        "websocket.session.asked",
        "websocket.session.intents",
        "websocket.session.link",
        "websocket.session.login_driver",
        "websocket.session.logins",
        "websocket.session.options",
        "websocket.session.overlap",
        "websocket.session.reading",
        "websocket.session.replies",
        "websocket.session.sends",
        "websocket.session.sorting",
        "websocket.session.supervisor",
        "websocket.session.wanted",
        "websocket.session.watch",
    }
    | {"throttler.bottleneck", "throttler.charging", "throttler.checks", "throttler.heeding"}
    | {"throttler.configuration", "throttler.lanes", "throttler.learning", "throttler.lessons"}
    | {
        "throttler.lines",
        "throttler.local_queue",
        "throttler.local_share",
        "throttler.meters",
        "throttler.on_loop",
        "throttler.shared_asks",
        "throttler.shared_calls",
        "throttler.shared_deadlines",
        "throttler.shared_loss",
        "throttler.shared_outbox",
    }
    | {
        "throttler.shared_queue",
        "throttler.shared_told",
    }
    | {"throttler.store"}
    | {"auth.access_tokens", "auth.login_steps", "auth.setbacks", "auth.wallet_login"}
    | {"auth.actions", "auth.patterns", "auth.schemes", "exchanges", "signing", "testing"}
    | {"__main__", "cli", "contrib"}
    | {"shared.address", "shared.bell"}
    | {"shared.clock", "shared.counting", "shared.faults", "shared.insist", "shared.link"}
    | {"shared.routes", "shared.telling"}
)
# Classes for networkpype itself in a module that users know.
INSIDE_CLASSES = {
    "auth.identity.TimeSource",
    "auth.standing.Standing",
    "auth.standing.Timer",
    "circuit.Trial",
    "throttler.context.HeldRequestContext",
    "throttler.rate_limit.Weight",
    "websocket.decoding.MessageDecoder",
    "websocket.session.beats.AppPulse",
    "websocket.session.beats.Quiet",
    "websocket.session.buffer.Overflow",
    "websocket.session.buffer.SessionQueue",
    "websocket.session.events.MarkedMessage",
    "websocket.session.redial.Redial",
    "websocket.subscriptions.OwnFrames",
    "websocket.request.FrameSender",
}

DEEP_PATHS = [
    "networkpype.auth.Auth",
    "networkpype.factory.ConnectionManagersFactory",
    "networkpype.factory.ConnectionsFactory",
    "networkpype.rest.connection.RESTConnection",
    "networkpype.rest.manager.RESTManager",
    "networkpype.rest.method.RESTMethod",
    "networkpype.rest.processor.base.RESTPostProcessor",
    "networkpype.rest.processor.base.RESTPreProcessor",
    "networkpype.rest.processor.time_synchronizer.TimeSynchronizerRESTPreProcessor",
    "networkpype.rest.request.RESTRequest",
    "networkpype.rest.response.RESTResponse",
    "networkpype.throttler.context.AsyncRequestContext",
    "networkpype.throttler.rate_limit.LinkedLimitWeightPair",
    "networkpype.throttler.rate_limit.RateLimit",
    "networkpype.throttler.rate_limit.TaskLog",
    "networkpype.throttler.throttler.AsyncThrottler",
    "networkpype.time_synchronizer.TimeSynchronizer",
    "networkpype.websocket.connection.WebSocketConnection",
    "networkpype.websocket.manager.WebSocketManager",
    "networkpype.websocket.processor.base.WebSocketPostProcessor",
    "networkpype.websocket.processor.base.WebSocketPreProcessor",
    "networkpype.websocket.request.WebSocketJSONRequest",
    "networkpype.websocket.request.WebSocketPlainTextRequest",
    "networkpype.websocket.request.WebSocketRequest",
    "networkpype.websocket.response.WebSocketResponse",
]


def is_below(name: str, room: str) -> bool:
    return name == room or (room != "" and name.startswith(f"{room}."))


def is_in(name: str, rooms: set[str]) -> bool:
    return any(is_below(name, room) for room in rooms)


def layer_of(name: str) -> int:
    places = [
        (len(room), number)
        for number, layer in enumerate(LAYERS)
        for room in layer
        if is_below(name, room)
    ]
    assert places, f"networkpype.{name} has no place in LAYERS; give it one"
    return max(places)[1]


def read_package() -> dict[str, ast.Module]:
    """Return every module of the package by its name within it; the front door is ``""``."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return modules


def run_time_imports(node: ast.AST) -> Iterator[str]:
    """Yield the full dotted names that the node imports, wherever that happens when it runs."""
    children: Iterable[ast.AST]
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING")):
            children = node.orelse
        case ast.Import():
            yield from (alias.name for alias in node.names)
            return
        case ast.ImportFrom():
            assert node.level == 0, f"line {node.lineno}: imports here are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            return
        case _:
            children = ast.iter_child_nodes(node)
    for child in children:
        yield from run_time_imports(child)


def own_module(imported: str) -> str | None:
    """Return the module of this package that the import reaches, None for another package."""
    name = imported.removeprefix("networkpype").removeprefix(".")
    if not is_below(imported, "networkpype"):
        return None
    return name if name in MODULES else name.rpartition(".")[0]


def is_package(name: str) -> bool:
    return (PACKAGE / name.replace(".", "/") / "__init__.py").is_file()


def is_class_name(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


def public_names(name: str) -> set[str]:
    """Return what the module says is public: its `__all__`."""
    for node in MODULES[name].body:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")], value=ast.List(elts)):
                return {str(ast.literal_eval(element)) for element in elts}
    assert not (defined_names(MODULES[name]) and not is_in(name, INSIDE)), f"{name} has no __all__"
    return set()


def defined_names(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


MODULES = read_package()
IMPORTS = {name: sorted(set(run_time_imports(tree))) for name, tree in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_place(name: str) -> None:
    assert layer_of(name) in range(len(LAYERS))


def test_every_import_points_the_same_way() -> None:
    wrong = [
        f"{name} imports {target}, which stands further down in LAYERS"
        for name, imported in IMPORTS.items()
        for target in map(own_module, imported)
        if target is not None and layer_of(target) > layer_of(name)
    ]
    assert wrong == []


def test_no_modules_import_each_other() -> None:
    graph = {name: {own_module(target) for target in IMPORTS[name]} - {None} for name in MODULES}
    TopologicalSorter(graph).prepare()


def test_aiohttp_is_met_only_where_bytes_travel() -> None:
    meets = {
        name for name, imported in IMPORTS.items() if any(is_below(i, "aiohttp") for i in imported)
    }
    assert {name for name in meets if not is_in(name, MEETS_AIOHTTP)} == set()


@pytest.mark.parametrize(("room", "forbidden"), FORBIDDEN, ids=[room for room, _ in FORBIDDEN])
def test_a_room_does_not_know(room: str, forbidden: set[str]) -> None:
    wrong = [
        f"{name} imports {target}"
        for name, imported in IMPORTS.items()
        for target in imported
        if is_below(name, room) and is_in(target, forbidden)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "absent",
    ["aiohttp.web", "networkpype.testing", "numpy", "opentelemetry", "prometheus_client", "rich"],
)
def test_importing_networkpype_does_not_import(absent: str) -> None:
    program = f"import sys, networkpype; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent).returncode == 0


def test_only_the_front_doors_hand_names_on() -> None:
    for name, tree in MODULES.items():
        if name not in RE_EXPORTERS and is_package(name):
            assert [type(node).__name__ for node in tree.body] in ([], ["Expr"]), name


def test_a_module_names_only_its_own_in_all() -> None:
    borrowed = {
        name: names
        for name, tree in MODULES.items()
        if name not in RE_EXPORTERS and (names := public_names(name) - defined_names(tree))
    }
    # `from networkpype.factory import *` had it in 1.1.5.
    assert borrowed == {"factory": {"ConnectionsFactory"}}


def test_every_name_of_the_front_door_exists_and_is_told() -> None:
    assert networkpype.__all__ == sorted(set(networkpype.__all__))
    assert {name for name in networkpype.__all__ if not hasattr(networkpype, name)} == set()
    imported = {
        alias.asname or alias.name
        for node in MODULES[""].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(networkpype.__all__)


def test_every_public_class_is_at_the_front_door() -> None:
    kept = [
        f"{name}.{public}"
        for name in MODULES
        if not is_in(name, INSIDE) and name not in RE_EXPORTERS
        for public in sorted(public_names(name))
        if is_class_name(public) and f"{name}.{public}" not in INSIDE_CLASSES
        if public not in networkpype.__all__
    ]
    assert kept == []


@pytest.mark.parametrize("path", DEEP_PATHS)
def test_a_path_of_networkpype_1_still_leads_to_the_same_object(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is getattr(networkpype, name)
