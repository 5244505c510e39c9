"""Every app of the catalog that can be prepared comes up in the sandbox, behind its gate."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from livchatd.catalog.catalog import App, Catalog
from livchatd.steps.apps.stack_inputs import SUPPORTED_CAPABILITIES
from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.installation_folder import differences

APPS = [app for app in Catalog.load().apps() if app.id not in {"traefik", "portainer"}]
ANSWERS = {
    "text": "some words", "string": "word", "email": "me@example.com", "host": "mail.example.com",
    "url": "https://example.com", "int": 1025, "bool": True,
}  # fmt: skip


def _possible(app: App) -> bool:
    needed = {use.capability for use in app.spec.uses.values()}
    return needed <= SUPPORTED_CAPABILITIES


def _config(app: App) -> dict[str, Any]:
    """An answer to each question that has to be answered."""
    return {
        name: ANSWERS.get(param.type, "word")
        for name, param in app.spec.params.items()
        if param.required and param.default is None and not param.default_from
    }


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("every") / "livchat") as made:
        order = {"apps": ["redis"], "server": "one", "provider": "sandbox", "cpu": 16, "ram": 32}
        job = made.submit("POST", "/api/up", {**order, "zone_name": "livchat.localhost"})
        assert made.wait(job)["status"] == "completed"
        yield made


def _get(daemon: DaemonProcess, url: str, authorization: str = "") -> int:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    front = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    headers = {"Host": host} | ({"Authorization": authorization} if authorization else {})
    try:
        front.request("GET", "/", headers=headers)
        return front.getresponse().status
    finally:
        front.close()


@pytest.mark.parametrize("app", [app for app in APPS if _possible(app)], ids=lambda app: app.id)
def test_an_app_comes_up_and_goes_again(daemon: DaemonProcess, app: App) -> None:
    order = {"app_name": app.id, "config": _config(app)}
    job = daemon.wait(daemon.submit("POST", "/api/servers/one/apps", order))
    assert job["status"] == "completed", (job["error"], job["hint"])
    there = daemon.request("GET", "/api/servers/one/apps").json["apps"]
    url = next(found["url"] for found in there if found["app_name"] == app.id)
    if app.spec.admin.protect == "gate":
        assert _get(daemon, url) == 401
        user = f"{app.spec.admin.user}:"
        kept = f"/api/secrets/app/one/{app.id}/{app.spec.admin.password_secret}?reveal=true"
        password = daemon.request("GET", kept).json["value"]
        told = base64.b64encode(f"{user}{password}".encode()).decode()
        assert _get(daemon, url, f"Basic {told}") in {200, 302}
        assert _get(daemon, url, "Basic " + base64.b64encode(b"livchat:wrong").decode()) == 401
        opened = {"app_name": app.id, "config": {**_config(app), "open": True}}
        job = daemon.wait(daemon.submit("POST", "/api/servers/one/apps", opened))
        assert job["status"] == "completed", (job["error"], job["hint"])
        assert _get(daemon, url) in {200, 302}
    elif url:
        assert _get(daemon, url) in {200, 302}
    if app.id not in SUPPORTED_CAPABILITIES:
        gone = daemon.submit("DELETE", f"/api/servers/one/apps/{app.id}?purge=true")
        assert daemon.wait(gone)["status"] == "completed"
    assert differences(daemon) == []


@pytest.mark.parametrize("app", [app for app in APPS if not _possible(app)], ids=lambda app: app.id)
def test_an_app_that_cannot_be_prepared_yet_is_refused_before_anything_is_done(
    daemon: DaemonProcess, app: App
) -> None:
    jobs = daemon.request("GET", "/api/jobs").json["total"]
    order = {"app_name": app.id, "config": _config(app)}
    answer = daemon.request("POST", "/api/servers/one/apps", order)
    assert answer.status == 422, answer.raw
    assert "cannot be prepared for it yet" in answer.json["error"]
    assert answer.json["hint"] == "livchat app catalog"
    assert daemon.request("GET", "/api/jobs").json["total"] == jobs
    assert differences(daemon) == []
