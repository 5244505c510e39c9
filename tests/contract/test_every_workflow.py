"""A workflow with its route, command and tool: each place that is forgotten fails a test by name.

What is looked for in source is looked for in its syntax tree: a name in a comment counts nothing.
Beside these, `test_every_route` sees that a route has a method of the client, `test_main` that a
command has help with an example of itself, `test_every_tool` that a tool is described, and
`test_graphs` that a workflow's steps are tried.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

import livchat.cli
import livchat.client
import livchat.mcp
import livchatd.api
import livchatd.operations
import livchatd.steps
import livchatd.workflows
from livchat.client.client import Client
from livchat.mcp import outputs
from livchat.transport import Transport
from livchat.wire.base import Request
from livchatd.api.http import queries
from livchatd.api.routes import ROUTES, Route
from livchatd.jobs.step import Step, Workflow
from livchatd.operations.operations import Operations
from livchatd.steps import params as all_params
from livchatd.steps.deps import AppDeps, ServerDeps
from livchatd.workflows.registry import workflows

WITHOUT_COMMAND = {"GET /", "GET /openapi.json", "GET /docs", "GET /api/events"}
"""Routes that no command uses: documents, and the stream that never ends."""
WITHOUT_TOOL = {
    "POST /api/up": "its steps have tools of their own",
    "POST /api/doctor": "what is deleted there is chosen at a terminal",
    "POST /api/jobs/{job_id}/retry": "an assistant calls the tool again",
}
"""Routes that start a job and have no tool, with the reason."""


def modules(package: ModuleType) -> list[ModuleType]:
    """Every module of a package, imported."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(each.name) for each in found]


@cache
def tree(module: ModuleType) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def called(*packages: ModuleType) -> set[str]:
    """The names of all methods that are called, or handed on, in these packages."""
    return {
        node.attr
        for package in packages
        for module in modules(package)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute)
    }


def names(*packages: ModuleType) -> set[str]:
    """The plain names that stand in these packages."""
    return {
        node.id
        for package in packages
        for module in modules(package)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Name)
    }


def without_parts(group: type[Any]) -> Any:
    """A group of dependencies that are not there: lists of steps are made without them."""
    return group(**{field.name: None for field in fields(group)})


@cache
def registered() -> dict[str, Workflow[Any, Any]]:
    made = workflows(without_parts(ServerDeps), without_parts(AppDeps), tuple)
    return {workflow.name: workflow for workflow in made}


def submitted() -> dict[str, str]:
    """The workflows that operations submit, each with its operation's module."""
    return {
        keyword.value.value: module.__name__
        for module in modules(livchatd.operations)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Submission"
        for keyword in node.keywords
        if keyword.arg == "workflow"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }


def leaves(kind: type[Any]) -> Iterator[type[Any]]:
    """The classes below this one that no other is made of."""
    below = kind.__subclasses__()
    if not below:
        yield kind
    for one in below:
        yield from leaves(one)


def client_methods() -> list[str]:
    inherited = {*dir(Transport)}
    return [name for name in dir(Client) if not name.startswith("_") and name not in inherited]


def documented_route(method: str) -> str:
    """The method and path that a client's method names first."""
    words = (getattr(Client, method).__doc__ or "").split()
    path = words[1].split("?")[0].rstrip(".;,") if len(words) > 1 else ""
    return f"{words[0]} {path or '/'}" if words else ""


def client_methods_of(route: Route) -> set[str]:
    """The methods of the client that name this route."""
    return {name for name in client_methods() if documented_route(name) == _name(route)}


def test_every_file_of_a_workflow_is_in_the_registry() -> None:
    files = {m.__name__ for m in modules(livchatd.workflows)} - {"livchatd.workflows.registry"}
    assert files == {workflow.steps.__module__ for workflow in registered().values()}


def test_every_workflow_is_submitted_by_an_operation() -> None:
    assert set(submitted()) == set(registered())


def test_every_class_of_parameters_belongs_to_a_workflow() -> None:
    used: set[type[Any]] = set()

    def take(model: type[Any]) -> None:
        if model in used or not (isinstance(model, type) and issubclass(model, BaseModel)):
            return
        used.update(model.__mro__)
        for hint in get_type_hints(model).values():
            for part in (hint, *get_args(hint)):
                take(part)

    for workflow in registered().values():
        take(workflow.params)
    defined = {
        each
        for _, each in inspect.getmembers(all_params, inspect.isclass)
        if each.__module__ == all_params.__name__
    }
    assert {each.__name__ for each in defined - used} == set()


def test_every_step_is_in_a_workflow() -> None:
    modules(livchatd.steps)
    listed = names(livchatd.workflows, livchatd.steps)
    steps = {
        step.__name__ for step in leaves(Step) if step.__module__.startswith("livchatd.steps.")
    }
    assert len(steps) > 30
    assert steps - listed == set()


def test_every_operation_is_asked_for_by_a_route_or_by_another_operation() -> None:
    asked = called(livchatd.api, livchatd.operations)
    nouns = get_type_hints(Operations)
    offered = {
        f"{noun}.{name}"
        for noun, kind in nouns.items()
        if kind.__module__.startswith("livchatd.operations.")
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {each for each in offered if each.partition(".")[2] not in asked} == set()


def test_every_handler_is_in_the_table_of_routes() -> None:
    handlers = {
        member
        for module in modules(livchatd.api)
        if module.__name__.count(".") == 2
        for name, member in inspect.getmembers(module, inspect.iscoroutinefunction)
        if member.__module__ == module.__name__ and not name.startswith("_")
    }
    assert {f"{h.__module__}.{h.__name__}" for h in handlers - {r.handler for r in ROUTES}} == set()


def test_every_request_model_is_the_body_of_a_route() -> None:
    bodies = {route.body for route in ROUTES}
    models = {
        each
        for name in ("apps", "config", "doctor", "jobs", "secrets", "servers", "system", "up")
        for each in vars(importlib.import_module(f"livchat.wire.{name}")).values()
        if isinstance(each, type) and issubclass(each, Request) and each is not Request
    }
    parts = {base for body in bodies if body for base in body.__mro__}
    nested = {part for body in bodies if body for part in _nested(body)}
    assert {each.__name__ for each in models - bodies - parts - nested} == set()


def _nested(model: type[BaseModel]) -> Iterator[type[Any]]:
    """The models in the fields of a model, however deep."""
    open_hints: list[Any] = list(get_type_hints(model).values())
    while open_hints:
        hint = open_hints.pop()
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            yield hint
        open_hints += get_args(hint)


def test_every_query_is_the_query_of_a_route() -> None:
    used = {base for route in ROUTES if route.query for base in route.query.__mro__}
    models = {
        each
        for each in vars(queries).values()
        if isinstance(each, type) and issubclass(each, Request) and each is not Request
    }
    assert {each.__name__ for each in models - used} == set()


def test_every_method_of_the_client_names_a_route() -> None:
    known = {f"{route.method} {route.path}" for route in ROUTES}
    strange = {name: documented_route(name) for name in client_methods()}
    assert {name: route for name, route in strange.items() if route not in known} == {}


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if f"{r.method} {r.path}" not in WITHOUT_COMMAND],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_every_route_has_a_command(route: Route) -> None:
    methods = client_methods_of(route)
    assert methods, "no method of the client names it"
    assert methods & called(livchat.cli), f"no command calls {sorted(methods)}"


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if r.status == 202 and f"{r.method} {r.path}" not in WITHOUT_TOOL],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_every_route_that_starts_a_job_has_a_tool(route: Route) -> None:
    methods = client_methods_of(route)
    assert methods & called(livchat.mcp), f"no tool calls {sorted(methods)}"


def test_a_route_without_a_tool_is_a_route() -> None:
    assert set(WITHOUT_TOOL) <= {_name(route) for route in ROUTES}
    assert set(WITHOUT_COMMAND) <= {_name(route) for route in ROUTES}


def test_an_assistant_is_told_what_comes_after_a_job_of_each_workflow_with_a_tool() -> None:
    """`outputs` knows for each job type which tool starts it again."""
    without = {"up", "mend", "add_server"}
    assert set(registered()) - without == set(outputs.TOOL_OF)


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"
