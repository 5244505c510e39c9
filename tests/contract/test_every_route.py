"""What every route promises: access, errors as JSON, headers, documents, first answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from livchat.client.client import Client
from livchat.wire.errors import ErrorResponse
from livchatd.api.http.openapi import document
from livchatd.api.middleware.auth import Access
from livchatd.api.routes import EVENTS, ROUTES, Route
from tests.integration.daemon_process import DaemonProcess, running

NAMES = {
    "job_id": "job_20260101_000000_000000000000",
    "name": "nowhere",
    "app_name": "n8n",
    "key": "no/such",
}
BODIES: dict[str, dict[str, Any]] = {
    "/api/servers/{name}/setup": {"zone_name": "example.com", "ssl_email": "me@example.com"},
    "/api/servers/{name}/apps": {"app_name": "n8n"},
    "/api/servers/{name}/exec": {"command": "true"},
}
IDS = [f"{route.method} {route.path}" for route in ROUTES]
TAKING = [route for route in ROUTES if route.body is not None]
SPECIFIED = [
    "GET /", "GET /health", "POST /api/init", "POST /api/config/provider",
    "POST /api/config/cloudflare", "GET /api/jobs", "GET /api/jobs/{job_id}",
    "GET /api/jobs/{job_id}/logs", "DELETE /api/jobs/{job_id}", "POST /api/jobs/{job_id}/retry",
    "DELETE /api/jobs", "POST /api/servers", "GET /api/servers", "GET /api/servers/{name}",
    "DELETE /api/servers/{name}", "POST /api/servers/{name}/setup", "GET /api/apps",
    "POST /api/servers/{name}/apps", "GET /api/servers/{name}/apps",
    "DELETE /api/servers/{name}/apps/{app_name}", "GET /api/providers/server-types",
    "GET /api/providers/locations", "GET /api/providers/images", "GET /api/jobs/{job_id}/events",
    "GET /api/events", "GET /api/jobs/{job_id}/wait", "POST /api/up", "GET /api/apps/{app_name}",
    "GET /openapi.json", "GET /docs", "POST /api/servers/{name}/exec", "GET /api/secrets",
    "GET /api/secrets/{key}", "PUT /api/secrets/{key}", "DELETE /api/secrets/{key}",
]  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d")) as started:
        yield started


@pytest.mark.parametrize("wanted", SPECIFIED)
def test_the_contract_is_there(wanted: str) -> None:
    assert wanted in IDS


def test_no_route_is_there_twice() -> None:
    assert len(set(IDS)) == len(IDS)
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_a_route_cannot_be_made_without_access() -> None:
    with pytest.raises(TypeError):
        Route("GET", "/x", ROUTES[0].handler, summary="x", response=None)  # type: ignore[call-arg]


def test_only_the_documents_are_open() -> None:
    opened = {route.path for route in ROUTES if route.access is Access.OPEN}
    assert opened == {"/openapi.json", "/docs"}


def test_the_document_is_openapi_3_1_and_has_every_route() -> None:
    made = json.loads(json.dumps(document(ROUTES)))
    assert made["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(made).validate()
    told = [f"{m.upper()} {path}" for path, methods in made["paths"].items() for m in methods]
    assert sorted(told) == sorted(IDS)


def test_the_served_document_is_the_made_one(daemon: DaemonProcess) -> None:
    assert daemon.request("GET", "/openapi.json").json == document(ROUTES)


def test_the_page_shows_every_route_and_needs_no_network(daemon: DaemonProcess) -> None:
    answer = daemon.request("GET", "/docs")
    page = answer.raw.decode()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert all(route.path in page and route.summary.split("'")[0] in page for route in ROUTES)
    assert "<script" not in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_answer_says_who_speaks(daemon: DaemonProcess, route: Route) -> None:
    answer = _ask(daemon, route)
    assert answer.headers["Api-Version"] == "1"
    assert answer.headers["Livchat-Version"]


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if re.search("{(job_id|name|key)}", r.path) and r.method != "PUT"],
    ids=lambda r: r.name,
)
def test_what_is_not_there_is_told_as_an_error_response(
    daemon: DaemonProcess, route: Route
) -> None:
    answer = _ask(daemon, route)
    assert answer.status == 404
    told = ErrorResponse.model_validate(answer.json)
    assert told.code == "not_found"
    assert told.error[0].islower()
    assert not told.error.endswith(".")
    assert "\n" not in told.error


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_another_method_is_told_as_an_error_response(daemon: DaemonProcess, path: str) -> None:
    allowed = {route.method for route in ROUTES if route.path == path}
    for method in {"PUT", "PATCH", "PROPFIND"} - allowed:
        answer = daemon.request(method, path.format(**NAMES))
        assert answer.status == 405
        assert answer.json["code"] == "method_not_allowed"
        assert allowed <= {name.strip() for name in answer.headers["Allow"].split(",")}


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_options_tells_the_methods_and_lets_no_browser_in(daemon: DaemonProcess, path: str) -> None:
    answer = daemon.request("OPTIONS", path.format(**NAMES))
    assert (answer.status, answer.raw) == (204, b"")
    allowed = {route.method for route in ROUTES if route.path == path}
    assert allowed <= {name.strip() for name in answer.headers["Allow"].split(",")}
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [r.path for r in ROUTES if r.method == "GET" and r.media != EVENTS and "{" not in r.path],
)
def test_head_is_get_without_a_body(daemon: DaemonProcess, path: str) -> None:
    answer = daemon.request("HEAD", path)
    assert (answer.status, answer.raw) == (200, b"")


@pytest.mark.parametrize("route", TAKING, ids=lambda r: r.name)
def test_a_body_that_cannot_be_read_is_refused(daemon: DaemonProcess, route: Route) -> None:
    path, json_type = route.path.format(**NAMES), {"Content-Type": "application/json"}
    cases = [
        (b"{", json_type, 400, "bad_request"),
        (b"[" * 100_000, json_type, 400, "bad_request"),
        (b'{"a": NaN}', json_type, 400, "bad_request"),
        (b'{"a": "\xff"}', json_type, 400, "bad_request"),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media"),
        (b"{}", {}, 415, "unsupported_media"),
        (b"{}", {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media"),
        (b" " * (1024 * 1024 + 1), json_type, 413, "too_large"),
        (b"[]", json_type, 422, "invalid"),
        (b'{"surprise": 1}', json_type, 422, "invalid"),
    ]
    for body, headers, status, code in cases:
        answer = daemon.request(route.method, path, body, headers)
        assert (answer.status, answer.json["code"]) == (status, code), body[:20]


@pytest.mark.parametrize("route", TAKING, ids=lambda r: r.name)
def test_a_wrong_field_is_named(daemon: DaemonProcess, route: Route) -> None:
    answer = daemon.request(route.method, route.path.format(**NAMES), {"surprise": 1})
    assert {"field": "surprise", "message": "is not a field of this request"} in answer.json[
        "details"
    ]["fields"]


@pytest.mark.parametrize("route", [r for r in ROUTES if r.mutates], ids=lambda r: r.name)
def test_an_idempotency_key_has_a_form(daemon: DaemonProcess, route: Route) -> None:
    for key in ("short", "x" * 129):
        answer = _ask(daemon, route, {"Idempotency-Key": key})
        assert answer.status == 422
        assert answer.json["details"]["fields"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("route", [r for r in ROUTES if r.query is not None], ids=lambda r: r.name)
def test_an_unknown_question_is_refused(daemon: DaemonProcess, route: Route) -> None:
    body = {"apps": ["n8n"], "server": "x", "zone_name": "example.com"}
    path = f"{route.path.format(**NAMES)}?surprise=1"
    answer = daemon.request(route.method, path, body if route.body else None)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == "surprise"


def test_every_route_has_a_client_method() -> None:
    documented = " ".join(
        str(getattr(Client, name).__doc__) for name in dir(Client) if not name.startswith("_")
    )
    apart = {"GET /openapi.json", "GET /docs", "GET /api/events"}
    missing = [name for name in IDS if name not in apart and name not in documented]
    assert missing == []


def test_nothing_odd_in_a_path_breaks_it(daemon: DaemonProcess) -> None:
    for part in ("%00", "%0a", "..%2f..", "%ff", "a" * 300, "%E2%80%AE", "'"):
        answer = daemon.request("GET", f"/api/servers/{part}")
        assert answer.status == 404
        assert answer.json["code"] == "not_found"


def _ask(daemon: DaemonProcess, route: Route, headers: dict[str, str] | None = None) -> Any:
    path = route.path.format(**NAMES)
    if route.path == "/api/events":
        path += "?after=gone-1"
    body = BODIES.get(route.path, {}) if route.body is not None else None
    return daemon.request(route.method, path, body, headers)
