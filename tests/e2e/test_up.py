"""A real server brought up by the command line: a bare Debian to apps that people use, and back."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import machine
from tests.e2e.conftest import Ground
from tests.e2e.house import House, done, looking_after

pytestmark = pytest.mark.timeout(900)  # the first run builds the images

APPS = ("postgres", "redis", "umami", "miniflux")


@pytest.fixture(scope="module")
def served(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A machine with four apps, from `server add` and `up` as a person types them."""
    folder: Path = tmp_path_factory.mktemp("served")
    with (
        machine.running(ground.images, ground.registry, folder) as box,
        looking_after(box, ground.registry, folder / "house") as house,
    ):
        added = house.livchat(
            *("server", "add", "box", "--host", box.ip, "--wait"),
            *("--identity", str(folder / "key"), "-o", "json"),
        )
        assert added[0] == 0, added
        up = house.livchat(
            *("up", *APPS, "--server", "box", "--zone", "example.com", "--subdomain", "lab"),
            *("--email", "ops@example.com", "--yes", "-o", "json"),
        )
        assert up[0] == 0, up
        assert json.loads(up[1])["status"] == "completed"
        yield house


def test_each_app_runs_and_nothing_but_the_web_is_open(served: House) -> None:
    box = served.machine
    assert box.state()["services"] == [
        "miniflux_web 1/1", "portainer_portainer 1/1", "postgres_postgres 1/1",
        "redis_redis 1/1", "traefik_socket-proxy 1/1", "traefik_traefik 1/1", "umami_web 1/1",
    ]  # fmt: skip
    listening = [line.split()[3].rpartition(":") for line in box.run("ss", "-Hltn").splitlines()]
    outside = {port for host, _, port in listening if not host.startswith(("127.", "[::1]"))}
    # 2377 and 7946 are the swarm's own, and 5355 the resolver's.
    assert {"22", "80", "443"} <= outside <= {"22", "80", "443", "2377", "7946", "5355"}
    code, out, _ = served.livchat("app", "list", "box", "-o", "json")
    listed = {app["app_name"]: app["status"] for app in json.loads(out)["apps"]}
    assert (code, listed) == (0, dict.fromkeys(APPS, "running"))


def test_a_database_answers_its_apps_own_role_and_no_other(served: House) -> None:
    assert served.site("umm.lab.example.com", password="any")[0] == 401
    gate = served.secret("app/box/umami/gate_password")
    status, told = served.site("umm.lab.example.com", password=gate)
    assert (status, json.loads(told)) == (200, {"user": "umami", "database": "umami"})

    password = served.secret("app/box/umami/db")
    postgres = _container(served, "postgres_postgres")

    def query(database: str) -> str:
        return served.machine.run(
            *("docker", "exec", "-e", f"PGPASSWORD={password}", postgres, "psql", "-X", "-A", "-t"),
            *("-h", "127.0.0.1", "-U", "umami", "-d", database, "-c", "SELECT current_user"),
            check=False,
        )

    assert query("umami") == "umami"
    assert query("miniflux") == ""


def test_a_real_app_migrates_its_database_and_lets_its_administrator_in(served: House) -> None:
    assert served.site("news.lab.example.com", "/healthcheck") == (200, "OK")
    assert served.site("news.lab.example.com", "/v1/me", password="wrong")[0] == 401
    password = served.secret("app/box/miniflux/admin_password")
    status, told = served.site("news.lab.example.com", "/v1/me", password=password)
    assert (status, json.loads(told)["username"]) == (200, "livchat")
    version = served.machine.run(
        *("docker", "exec", _container(served, "postgres_postgres"), "psql", "-X", "-A", "-t"),
        *("-U", "postgres", "-d", "miniflux", "-c"),
        "SELECT tableowner FROM pg_tables WHERE tablename = 'schema_version'",
    )
    assert version == "miniflux"


def test_a_host_name_has_a_certificate_of_the_authority_and_no_other_name_has(
    served: House,
) -> None:
    # The gate stands before an app that belongs to whoever comes first.
    assert served.site("umm.lab.example.com")[0] == 401
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        served.site("other.lab.example.com")
    for name in ("umm.lab.example.com", "news.lab.example.com"):
        assert served.certificate(name) == {name}
        assert served.visit(name) == f"301 https://{name}/"
    assert served.records() == {
        "umm.lab.example.com": served.machine.ip,
        "news.lab.example.com": served.machine.ip,
    }


def test_what_is_up_stays_as_it_is_when_it_is_brought_up_again(served: House) -> None:
    before = served.machine.state()
    code, out, err = served.livchat(
        *("up", *APPS, "--server", "box", "--zone", "example.com", "--subdomain", "lab"),
        *("--email", "ops@example.com", "--yes", "-o", "json"),
    )
    assert code == 0, err
    assert json.loads(out)["status"] == "completed"
    assert served.machine.state() == before


def test_a_deleted_app_takes_all_along_but_its_data_which_a_purge_takes_too(served: House) -> None:
    assert _left(served, "miniflux") == {"stack", "volumes", "database", "name"}
    code, _, err = served.livchat("app", "delete", "box", "miniflux", "--yes", "--wait")
    assert code == 0, err
    assert _left(served, "miniflux") == {"volumes", "database"}
    assert served.site("news.lab.example.com")[0] == 404

    done(served.deploy("miniflux"))
    # The role, the database and the administrator are those of before.
    password = served.secret("app/box/miniflux/admin_password")
    assert served.site("news.lab.example.com", "/v1/me", password=password)[0] == 200
    code, _, err = served.livchat("app", "delete", "box", "miniflux", "--purge", "--yes", "--wait")
    assert code == 0, err
    assert _left(served, "miniflux") == set()
    assert served.daemon.request("GET", "/api/servers/box/apps").json["total"] == 3


def test_networks_and_secrets_of_a_deleted_app_go_from_the_swarm(served: House) -> None:
    done(served.deploy("pair"))
    assert _left(served, "pair") == {"stack", "networks", "secrets", "volumes"}
    code, _, err = served.livchat("app", "delete", "box", "pair", "--yes", "--wait")
    assert code == 0, err
    assert _left(served, "pair") == {"volumes"}
    done(served.deploy("pair"))
    code, _, err = served.livchat("app", "delete", "box", "pair", "--purge", "--yes", "--wait")
    assert code == 0, err
    assert _left(served, "pair") == set()


def test_a_database_that_apps_need_is_not_deleted(served: House) -> None:
    code, _, err = served.livchat("app", "delete", "box", "postgres", "--yes", "--wait")
    assert code == 4
    assert "umami" in err
    assert "postgres_postgres 1/1" in str(served.machine.state()["services"])


def test_a_server_of_ones_own_that_is_deleted_is_forgotten_and_stays_as_it_is(
    served: House,
) -> None:
    state, files = served.machine.state(), served.machine.files()
    code, _, err = served.livchat("server", "delete", "box", "--yes", "--wait")
    assert code == 0, err
    assert served.machine.state() == state
    assert served.machine.changed(files) == []
    assert served.records() == {}
    code, out, _ = served.livchat("server", "list", "-o", "json")
    assert json.loads(out)["servers"] == {}
    kept = json.loads(served.livchat("secret", "list", "-o", "json")[1])
    assert not [one for one in _keys(kept) if "/box" in one]


def _keys(listed: dict[str, Any]) -> list[str]:
    return [one["key"] for one in listed["secrets"]]


def _container(house: House, service: str) -> str:
    return house.machine.run(
        "docker", "ps", "-q", "-f", f"label=com.docker.swarm.service.name={service}"
    )


def _left(house: House, app: str) -> set[str]:
    """What there is of an app, by kind."""
    box, names = house.machine, ("--format", "{{.Name}}")
    databases = box.run(
        *("docker", "exec", _container(house, "postgres_postgres"), "psql", "-X", "-A", "-t"),
        *("-U", "postgres", "-c", "SELECT datname FROM pg_database"),
    )
    listed = {
        "stack": box.run("docker", "stack", "ls", *names),
        "networks": box.run("docker", "network", "ls", *names),
        "secrets": box.run("docker", "secret", "ls", *names),
        "configs": box.run("docker", "config", "ls", *names),
        "volumes": box.run("docker", "volume", "ls", *names),
        "database": databases,
        "name": app if app == "miniflux" and "news.lab.example.com" in house.records() else "",
    }
    return {kind for kind, told in listed.items() if app in told}
