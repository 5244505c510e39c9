"""A simulated machine under a clock that is moved by hand, for tests of its commands."""

from __future__ import annotations

import json

from livchat_sandbox.clock import Clock
from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from tests.contract.sandbox.machine_spec import machine_spec

UNIT = (
    "systemd-run --unit={name} -p RemainAfterExit=yes -p StandardOutput=append:/var/log/u.log "
    "-p StandardError=append:/var/log/u.log -- "
)

SHOW = "systemctl show {name} -p LoadState -p ActiveState -p SubState -p Result -p ExecMainStatus"

APT = "apt-get -o DPkg::Lock::Timeout=300 "

INSTALL = APT + "install -y --no-install-recommends "

EDGE = (
    "docker network create --driver overlay --attachable --subnet 172.20.0.0/20 "
    "--opt com.docker.network.driver.mtu=1450 livchat_edge"
)

POSTGRES = """
services:
  postgres:
    image: pgvector/pgvector:0.8.6-pg17-bookworm
    networks: [edge]
    volumes: [data:/var/lib/postgresql/data]
    healthcheck: {test: [CMD, pg_isready]}
volumes: {data: {}}
networks: {edge: {external: true, name: livchat_edge}}
"""

N8N = """
services:
  editor:
    image: n8nio/n8n:1.120.0
    networks: [edge]
    environment:
      DB_TYPE: postgresdb
      DB_POSTGRESDB_HOST: postgres_postgres
      DB_POSTGRESDB_DATABASE: n8n
      DB_POSTGRESDB_USER: n8n
      DB_POSTGRESDB_PASSWORD: right
    healthcheck: {test: [CMD, wget]}
    deploy:
      labels:
        traefik.enable: "true"
        traefik.http.routers.n8n-main.rule: Host(`edt.lab.example.com`)
networks: {edge: {external: true, name: livchat_edge}}
"""

TRAEFIK = """
services:
  traefik:
    image: traefik:v3.7.15
    networks: [edge]
    ports: [{target: 80, published: 80, mode: host}]
networks: {edge: {external: true, name: livchat_edge}}
"""


class ManualClock(Clock):
    """A clock that moves only when it is told to."""

    def __init__(self, scale: float = 1) -> None:
        super().__init__(scale)
        self.moment = 1_800_000_000.0

    def now(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds


class Bench:
    """A machine, and what tests do with it again and again."""

    def __init__(self, image: str = "ubuntu-24.04") -> None:
        self.clock = ManualClock()
        self.machine = Machine.boot(machine_spec(image=image), self.clock)

    def run(self, line: str, stdin: str = "", code: int = 0) -> str:
        result = dispatch.execute(self.machine, line, stdin.encode())
        assert result.exit_status == code, result
        self.clock.moment += result.seconds
        return result.stdout if code == 0 else result.stdout + result.stderr

    def advance(self, seconds: float) -> None:
        self.clock.moment += seconds

    def unit(self, name: str) -> dict[str, str]:
        return dict(line.split("=") for line in self.run(SHOW.format(name=name)).splitlines())

    def with_packages(self, *names: str) -> Bench:
        self.advance(10)
        self.run(UNIT.format(name="u") + APT + "update")
        self.advance(5)
        self.run(UNIT.format(name="i") + INSTALL + " ".join(names))
        self.advance(20)
        return self

    def with_docker(self) -> Bench:
        return self.with_packages("docker.io")

    def with_swarm(self) -> Bench:
        self.with_docker().run(
            "docker swarm init --advertise-addr 198.18.0.1 --default-addr-pool 172.24.0.0/14 "
            "--default-addr-pool-mask-length 24"
        )
        self.run(EDGE)
        return self

    def deploy(self, stack: str, text: str, code: int = 0) -> str:
        return self.run(f"docker stack deploy --detach=true --prune -c - {stack}", text, code)

    def replicas(self, stack: str) -> list[str]:
        printed = self.run(f"docker stack services --format '{{{{json .}}}}' {stack}")
        return [json.loads(line)["Replicas"] for line in printed.splitlines()]

    def ps(self, stack: str) -> list[dict[str, str]]:
        printed = self.run(f"docker stack ps --format '{{{{json .}}}}' --no-trunc {stack}")
        return [json.loads(line) for line in printed.splitlines()]

    def psql(self, text: str, database: str = "postgres", code: int = 0) -> str:
        listed = self.run(
            "docker ps --no-trunc --format '{{json .}}' "
            "--filter label=com.docker.swarm.service.name=postgres_postgres"
        )
        container = json.loads(listed)["ID"]
        return self.run(
            f"docker exec -i {container} psql -X -q -A -t -v ON_ERROR_STOP=1 -U postgres "
            f"-d {database}",
            text,
            code,
        )
