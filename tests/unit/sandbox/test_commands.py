"""The commands of a simulated machine, answered from its state alone, on a clock set by hand."""

from __future__ import annotations

import json

import pytest

from livchat_sandbox.clock import Clock
from livchat_sandbox.commands import dispatch
from livchat_sandbox.docker import postgres
from livchat_sandbox.machine.machine import Machine

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


class Hand(Clock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.moment = 1_800_000_000.0

    def now(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds


class Bench:
    def __init__(self, image: str = "ubuntu-24.04") -> None:
        self.clock = Hand()
        self.machine = Machine.boot(
            "s1", "198.18.0.1", image, "x86", 2, 4.0, 40, "", [], self.clock
        )

    def run(self, line: str, stdin: str = "", code: int = 0) -> str:
        found = dispatch.answer(self.machine, line, stdin.encode())
        assert found.code == code, found
        self.clock.moment += found.seconds
        return found.stdout if code == 0 else found.stdout + found.stderr

    def pass_(self, seconds: float) -> None:
        self.clock.moment += seconds

    def unit(self, name: str) -> dict[str, str]:
        return dict(line.split("=") for line in self.run(SHOW.format(name=name)).splitlines())

    def with_docker(self) -> Bench:
        self.pass_(10)
        self.run(UNIT.format(name="u") + APT + "update")
        self.pass_(5)
        self.run(UNIT.format(name="i") + INSTALL + "docker.io")
        self.pass_(20)
        return self

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


@pytest.mark.parametrize(
    "line",
    [
        "true; rm -rf /",
        "true && true",
        "cat /etc/hostname | cat",
        "cat $(hostname)",
        "cat `hostname`",
        'cat "$HOME"',
        "cat < /etc/hostname",
        "true > /x",
        "true &",
        "true\ntrue",
        "cat /etc/*",
        "cat '/etc/hostname",
        "cat -n /etc/hostname",
        "docker run alpine",
        "docker stack deploy x",
        "apt-get install docker.io",
        "systemctl status docker",
    ],
)
def test_what_is_outside_the_list_fails_loudly(line: str) -> None:
    bench = Bench().with_docker()
    assert "sandbox: not simulated" in bench.run(line, code=127)


def test_a_program_that_is_not_there_is_not_found() -> None:
    bench = Bench()
    assert bench.run("vim /x", code=127) == "bash: line 1: vim: command not found\n"
    assert bench.run("docker version --format '{{.Server.Version}}'", code=127) == (
        "bash: line 1: docker: command not found\n"
    )


def test_quoted_arguments_reach_the_command_as_they_are() -> None:
    bench = Bench()
    bench.run("install -D -m 0600 /dev/stdin '/root/a;b $c'", "one\ntwo\n")
    assert bench.run("cat '/root/a;b $c'") == "one\ntwo\n"
    assert bench.run("tail -c +5 '/root/a;b $c'") == "two\n"
    bench.run("rm -f '/root/a;b $c' /nowhere")
    assert "No such file or directory" in bench.run("cat '/root/a;b $c'", code=1)


def test_files_keep_bytes_that_are_no_text() -> None:
    machine = Bench().machine
    dispatch.answer(machine, "install -D -m 0644 /dev/stdin /x", b"\xff\xfe\x00")
    again = Machine.load(json.loads(json.dumps(machine.dump())), machine.clock)
    found = dispatch.answer(again, "tail -c +2 /x").stdout
    assert found.encode(errors="surrogateescape") == b"\xfe\x00"


def test_the_package_manager_waits_for_cloud_init_and_prints_as_it_goes() -> None:
    bench = Bench()
    assert bench.run("cloud-init status") == "status: running\n"
    bench.run(UNIT.format(name="u") + APT + "update")
    assert "Waiting for cache lock" in bench.run("cat /var/log/u.log")
    assert bench.unit("u")["SubState"] == "running"
    bench.pass_(10)
    assert bench.run("cloud-init status") == "status: done\n"
    assert "Get:1" in bench.run("cat /var/log/u.log")
    assert "Reading package lists" not in bench.run("cat /var/log/u.log")
    bench.pass_(3)
    assert bench.unit("u") == {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "exited",
        "Result": "success",
        "ExecMainStatus": "0",
    }
    again = UNIT.format(name="u") + APT + "update"
    assert "was already loaded or has a fragment file" in bench.run(again, code=1)
    bench.run("systemctl stop u")
    assert bench.unit("u")["LoadState"] == "not-found"


def test_a_package_cannot_be_found_before_the_lists_are_fetched_and_the_unit_stays_failed() -> None:
    bench = Bench()
    bench.pass_(10)
    bench.run(UNIT.format(name="i") + INSTALL + "docker.io")
    assert bench.unit("i")["ExecMainStatus"] == "100"
    assert bench.unit("i")["Result"] == "exit-code"
    assert "E: Unable to locate package docker.io" in bench.run("cat /var/log/u.log")
    bench.run("systemctl stop i")
    assert bench.unit("i")["ActiveState"] == "failed"
    bench.run("systemctl reset-failed i")
    assert bench.unit("i")["LoadState"] == "not-found"


def test_a_stopped_installation_leaves_dpkg_interrupted_until_it_is_repaired() -> None:
    bench = Bench()
    bench.pass_(10)
    bench.run(UNIT.format(name="u") + APT + "update")
    bench.pass_(5)
    bench.run(UNIT.format(name="i") + INSTALL + "docker.io")
    bench.pass_(9)
    bench.run("systemctl stop i")
    bench.run(UNIT.format(name="j") + INSTALL + "docker.io")
    assert bench.unit("j")["ActiveState"] == "failed"
    assert "dpkg was interrupted" in bench.run("cat /var/log/u.log")
    bench.run("dpkg --configure -a")
    bench.run(UNIT.format(name="k") + INSTALL + "docker.io")
    bench.pass_(20)
    assert bench.unit("k")["SubState"] == "exited"
    assert bench.run("docker version --format '{{.Server.Version}}'") == "28.2.2\n"
    assert bench.run("systemctl is-active docker") == "active\n"


def test_debian_13_needs_the_command_line_as_a_package_of_its_own() -> None:
    bench = Bench("debian-13").with_docker()
    bench.run("docker version --format '{{.Server.Version}}'", code=127)
    bench.run(UNIT.format(name="c") + INSTALL + "docker-cli")
    bench.pass_(20)
    assert bench.run("docker version --format '{{.Server.Version}}'") == "26.1.5+dfsg1\n"


def test_dpkg_query_lists_what_is_installed_and_fails_for_what_is_not() -> None:
    bench = Bench().with_docker()
    form = r"'-f=${Package} ${Version} ${db:Status-Status}\n'"
    listed = bench.run(f"dpkg-query -W {form} docker.io nothing", code=1)
    assert listed.startswith("docker.io 28.2.2-0ubuntu1~24.04.1 installed\n")
    assert listed.endswith("dpkg-query: no packages found matching nothing\n")


def test_swap_is_made_step_by_step() -> None:
    bench = Bench()
    assert bench.run("swapon --show=NAME --noheadings") == ""
    bench.run("fallocate -l 2G /swapfile")
    bench.run("chmod 0600 /swapfile")
    assert "read swap header failed" in bench.run("swapon /swapfile", code=255)
    bench.run("mkswap /swapfile")
    bench.run("swapon /swapfile")
    assert bench.run("swapon --show=NAME --noheadings") == "/swapfile\n"
    bench.run("swapoff /swapfile")
    assert bench.run("swapon --show=NAME --noheadings") == ""


def test_the_machine_tells_what_it_is() -> None:
    bench = Bench("debian-12")
    assert bench.run("uname -m") == "x86_64\n"
    assert bench.run("nproc") == "2\n"
    bench.run("hostnamectl set-hostname web")
    assert bench.run("hostname") == "web\n"
    bench.run("timedatectl set-timezone America/Sao_Paulo")
    assert bench.run("timedatectl show -p Timezone --value") == "America/Sao_Paulo\n"
    assert "Invalid or not installed" in bench.run("timedatectl set-timezone Mars", code=1)
    assert 'VERSION_ID="12"' in bench.run("cat /etc/os-release")
    assert bench.run("df -B1 --output=avail /").split()[-1].isdigit()
    disks = bench.run("df -B1 --output=avail,target / /var /var/lib/docker", code=1).splitlines()
    assert int(disks[1].split()[0]) > 20 * 1024**3
    assert bench.run("free -b").splitlines()[1].split()[1] == str(4 * 1024**3)
    assert ":22 " in bench.run("ss -Hltn")


def test_a_swarm_brings_its_networks_and_is_not_begun_twice() -> None:
    bench = Bench().with_docker()
    swarm = "docker info --format '{{json .Swarm}}'"
    assert json.loads(bench.run(swarm))["LocalNodeState"] == "inactive"
    assert "not a swarm manager" in bench.run("docker secret inspect x", code=1)
    begin = (
        "docker swarm init --advertise-addr 198.18.0.1 --default-addr-pool 172.20.0.0/14 "
        "--default-addr-pool-mask-length 24"
    )
    assert "is now a manager" in bench.run(begin)
    assert "already part of a swarm" in bench.run(begin, code=1)
    assert json.loads(bench.run(swarm))["NodeAddr"] == "198.18.0.1"
    assert json.loads(bench.run("docker network inspect docker_gwbridge"))[0]["Driver"] == "bridge"
    assert "network nope not found" in bench.run("docker network inspect nope", code=1)
    label = "docker node update --label-add livchat.edge=true"
    # As in reality, `self` is understood by `inspect` only.
    assert "node self not found" in bench.run(f"{label} self", code=1)
    node = json.loads(bench.run("docker node inspect self"))[0]
    bench.run(f"{label} {node['ID']}")
    node = json.loads(bench.run("docker node inspect self"))[0]
    assert node["Spec"]["Labels"] == {"livchat.edge": "true"}
    bench.run("docker swarm leave --force")
    assert json.loads(bench.run(swarm))["LocalNodeState"] == "inactive"


def test_secrets_keep_their_value_to_themselves_and_go_only_when_unused() -> None:
    bench = Bench().with_swarm()
    assert "no such secret: pw" in bench.run("docker secret inspect pw", code=1)
    bench.run("docker secret create pw -", "hush-hush")
    assert "hush-hush" not in bench.run("docker secret inspect pw")
    assert "already exists" in bench.run("docker secret create pw -", "x", code=1)
    bench.deploy(
        "a",
        "services: {x: {image: 'redis:8', secrets: [pw]}}\nsecrets: {pw: {external: true}}",
    )
    assert "is in use by the following service: a_x" in bench.run("docker secret rm pw", code=1)
    bench.run("docker stack rm --detach=true a")
    assert bench.run("docker secret rm pw") == "pw\n"


def test_networks_may_not_overlap_nor_go_while_in_use() -> None:
    bench = Bench().with_swarm()
    assert "already exists" in bench.run(EDGE, code=1)
    assert "Pool overlaps" in bench.run(EDGE.replace("livchat_edge", "other"), code=1)
    bench.deploy("traefik", TRAEFIK)
    assert "is in use by service" in bench.run("docker network rm livchat_edge", code=1)


def test_a_stack_pulls_starts_and_gets_healthy_in_its_time() -> None:
    bench = Bench().with_swarm()
    assert "Creating service postgres_postgres" in bench.deploy("postgres", POSTGRES)
    assert bench.replicas("postgres") == ["0/1"]
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Preparing")
    bench.pass_(6)
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Starting")
    assert "No such file or directory" in bench.psql("SELECT 1", code=2)
    bench.pass_(3)
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Running")
    assert bench.replicas("postgres") == ["1/1"]
    assert bench.psql("SELECT 1") == "1\n"
    assert bench.run("docker stack ls --format '{{json .}}'").count("\n") == 1


def test_an_unknown_stack_is_told_as_docker_tells_it() -> None:
    bench = Bench().with_swarm()
    assert bench.run("docker stack ps --format '{{json .}}' --no-trunc x", code=1) == (
        "nothing found in stack: x\n"
    )
    found = dispatch.answer(bench.machine, "docker stack services --format '{{json .}}' x")
    assert (found.code, found.stdout, found.stderr) == (0, "", "Nothing found in stack: x\n")
    assert bench.run("docker service inspect x", code=1) == "[]\nError: no such service: x\n"


def test_an_app_runs_only_with_the_database_that_was_made_for_it() -> None:
    bench = Bench().with_swarm()
    bench.deploy("postgres", POSTGRES)
    bench.deploy("n8n", N8N)
    bench.deploy("traefik", TRAEFIK)
    bench.pass_(60)
    error = 'task: non-zero exit (1): password authentication failed for user "n8n"'
    assert any(error in task["Error"] for task in bench.ps("n8n"))
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'wrong'")
    bench.psql("CREATE DATABASE n8n OWNER n8n; REVOKE CONNECT ON DATABASE n8n FROM PUBLIC;")
    bench.pass_(60)
    assert bench.replicas("n8n") == ["0/1"]
    assert bench.machine.site("edt.lab.example.com", "/") is None
    bench.psql("ALTER ROLE n8n LOGIN PASSWORD 'right'")
    bench.pass_(7)
    assert bench.replicas("n8n") == ["1/1"]
    site = bench.machine.site("edt.lab.example.com", "/")
    assert site is not None
    assert (site.status, "<title>n8n</title>" in site.body) == (200, True)
    health = bench.machine.site("edt.lab.example.com", "/healthz")
    assert health is not None
    assert health.status == 200
    assert bench.machine.site("other.lab.example.com", "/") is None
    bench.run("docker stack rm --detach=true traefik")
    assert bench.machine.site("edt.lab.example.com", "/") is None


def test_a_password_in_a_secret_file_counts_too() -> None:
    bench = Bench().with_swarm()
    bench.run("docker secret create n8n_pw -", "right")
    bench.deploy("postgres", POSTGRES)
    text = N8N.replace(
        "DB_POSTGRESDB_PASSWORD: right", "DB_POSTGRESDB_PASSWORD_FILE: /run/secrets/pw"
    ).replace("networks: [edge]", "networks: [edge]\n    secrets: [{source: pw, target: pw}]", 1)
    bench.deploy("n8n", text + "secrets: {pw: {external: true, name: n8n_pw}}")
    bench.pass_(20)
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'right'; CREATE DATABASE n8n OWNER n8n")
    bench.pass_(20)
    assert bench.replicas("n8n") == ["1/1"]


@pytest.mark.parametrize("image", ["redis:does-not-exist", "registry.invalid/redis:8"])
def test_an_image_that_no_registry_has_is_rejected(image: str) -> None:
    bench = Bench().with_swarm()
    bench.deploy("a", f"services: {{x: {{image: '{image}'}}}}")
    bench.pass_(4)
    assert any(
        task["CurrentState"].startswith("Rejected") and f"No such image: {image}" in task["Error"]
        for task in bench.ps("a")
    )


def test_a_failed_update_pauses_or_rolls_back_as_the_service_asks() -> None:
    bench = Bench().with_swarm()
    update = "deploy: {{update_config: {{failure_action: {act}}}}}"
    form = "services: {{x: {{image: 'redis:{tag}', " + update + "}}}}"
    for act, state in (("pause", "paused"), ("rollback", "rollback_completed")):
        bench.deploy(act, form.format(tag="8", act=act))
        bench.pass_(10)
        bench.deploy(act, form.format(tag="does-not-exist", act=act))
        bench.pass_(10)
        found = json.loads(bench.run(f"docker service inspect {act}_x"))[0]
        assert found["UpdateStatus"]["State"] == state
    bench.pass_(10)
    assert bench.replicas("rollback") == ["1/1"]
    assert bench.replicas("pause") == ["0/1"]


def test_a_job_runs_to_its_end() -> None:
    bench = Bench().with_swarm()
    bench.deploy("a", "services: {x: {image: 'redis:8', deploy: {mode: replicated-job}}}")
    bench.pass_(20)
    assert bench.ps("a")[0]["CurrentState"].startswith("Complete")
    assert bench.replicas("a") == ["0/1 (1/1 completed)"]


def test_a_constraint_that_no_node_meets_leaves_a_task_pending() -> None:
    bench = Bench().with_swarm()
    bench.deploy(
        "a",
        "services: {x: {image: 'redis:8', deploy: "
        "{placement: {constraints: ['node.labels.edge==true']}}}}",
    )
    bench.pass_(20)
    assert "no suitable node" in bench.ps("a")[0]["Error"]
    node = json.loads(bench.run("docker node inspect self"))[0]["ID"]
    bench.run(f"docker node update --label-add edge=true {node}")
    assert bench.replicas("a") == ["1/1"]


def test_what_a_stack_needs_must_be_there() -> None:
    bench = Bench().with_swarm()
    missing = "services: {x: {image: 'redis:8', networks: [n]}}\nnetworks: {n: {external: true}}"
    assert 'network "n" is declared as external' in bench.deploy("a", missing, code=1)
    assert "no image specified" in bench.deploy("a", "services: {x: {}}", code=1)
    assert "yaml: line" in bench.deploy("a", "services: {x: [", code=1)
    assert bench.run("docker stack ls --format '{{json .}}'") == ""


def test_volumes_outlive_their_stack_with_the_data_in_them() -> None:
    bench = Bench().with_swarm()
    mine = "label=com.docker.stack.namespace=postgres"
    listed = f"docker volume ls --format '{{{{json .}}}}' --filter {mine}"
    bench.deploy("postgres", POSTGRES)
    bench.pass_(20)
    bench.psql("CREATE DATABASE kept")
    bench.run("docker stack rm --detach=true postgres")
    assert json.loads(bench.run(listed))["Name"] == "postgres_data"
    bench.deploy("postgres", POSTGRES)
    bench.pass_(20)
    assert "kept" in bench.psql("SELECT datname FROM pg_database")
    assert "volume is in use" in bench.run("docker volume rm postgres_data", code=1)
    bench.run("docker stack rm --detach=true postgres")
    bench.run("docker volume rm postgres_data")
    bench.deploy("postgres", POSTGRES)
    bench.pass_(20)
    assert "kept" not in bench.psql("SELECT datname FROM pg_database")


def test_a_pull_runs_in_a_unit_and_is_kept() -> None:
    bench = Bench().with_docker()
    assert "No such image" in bench.run("docker image inspect redis:8", code=1)
    bench.run(UNIT.format(name="p") + "docker pull --quiet redis:8")
    assert bench.unit("p")["SubState"] == "running"
    bench.pass_(3)
    assert bench.unit("p")["SubState"] == "exited"
    assert json.loads(bench.run("docker image inspect redis:8"))[0]["RepoTags"] == ["redis:8"]
    bench.run(UNIT.format(name="q") + "docker pull --quiet redis:does-not-exist")
    bench.pass_(3)
    assert bench.unit("q")["ActiveState"] == "failed"


def test_a_machine_that_is_dumped_and_loaded_goes_on_where_it_was() -> None:
    bench = Bench().with_swarm()
    bench.deploy("postgres", POSTGRES)
    bench.pass_(20)
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'right'; CREATE DATABASE n8n OWNER n8n")
    bench.deploy("n8n", N8N)
    bench.run(UNIT.format(name="p") + "docker pull --quiet mariadb:12")
    kept = json.loads(json.dumps(bench.machine.dump()))
    bench.machine = Machine.load(kept, bench.clock)
    assert json.loads(json.dumps(bench.machine.dump())) == kept
    assert bench.unit("p")["SubState"] == "running"
    bench.pass_(30)
    assert bench.unit("p")["SubState"] == "exited"
    assert bench.replicas("n8n") == ["1/1"]
    assert bench.machine.stacks() == [
        {"name": "n8n", "services": ["editor"]},
        {"name": "postgres", "services": ["postgres"]},
    ]


def test_a_change_is_told_and_a_question_is_not() -> None:
    bench = Bench()
    told: list[str] = []
    bench.machine.changed = lambda: told.append("changed")
    bench.run("hostname")
    assert told == []
    bench.run("hostnamectl set-hostname web")
    assert told == ["changed"]


TABLE = """table inet livchat
delete table inet livchat
table inet livchat {
    chain outside {
        tcp dport { 22, 80 } accept
        drop
    }
}
"""
LIST = "nft list table inet livchat"
LATER = (
    "systemd-run --unit=guard --on-active=60 --timer-property=AccuracySec=1s -- "
    "nft delete table inet livchat"
)
KEY = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
FETCH = (
    "timeout 8 /usr/lib/apt/apt-helper -q -o Acquire::http::Timeout=4 "
    "-o Acquire::https::Timeout=4 -o Acquire::Retries=0 download-file "
    "https://download.docker.com/linux/ubuntu/"
)


def with_filter() -> Bench:
    bench = Bench()
    bench.pass_(10)
    bench.run(UNIT.format(name="u") + APT + "update")
    bench.pass_(5)
    bench.run(UNIT.format(name="i") + INSTALL + "nftables unattended-upgrades")
    bench.pass_(5)
    bench.run("install -D -m 0644 /dev/stdin /etc/f.nft", TABLE)
    return bench


def test_a_table_lets_in_what_it_says_and_is_gone_when_it_is_deleted() -> None:
    assert "nft: command not found" in Bench().run(LIST, code=127)
    bench = with_filter()
    assert "No such file" in bench.run(LIST, code=1)
    bench.run("nft -c -f /etc/f.nft")
    assert bench.machine.admits(25)
    bench.run("nft -f /etc/f.nft")
    assert [bench.machine.admits(port) for port in (22, 25, 80)] == [True, False, True]
    assert "tcp dport" in bench.run(LIST)
    bench.run("nft delete table inet livchat")
    assert bench.machine.admits(25)


def test_a_table_with_a_brace_too_few_is_refused() -> None:
    bench = with_filter()
    bench.run("install -D -m 0644 /dev/stdin /etc/f.nft", TABLE.rstrip().removesuffix("}"))
    assert "syntax error" in bench.run("nft -f /etc/f.nft", code=1)
    assert "No such file" in bench.run("nft -c -f /etc/g.nft", code=1)
    assert bench.machine.admits(25)


def test_a_timer_opens_the_machine_unless_it_is_stopped() -> None:
    for stopped in (False, True):
        bench = with_filter()
        bench.run(LATER)
        assert "already loaded" in bench.run(LATER, code=1)
        bench.run("nft -f /etc/f.nft")
        bench.pass_(59)
        assert bench.run("systemctl is-active guard.timer") == "active\n"
        if stopped:
            bench.run("systemctl stop guard.timer")
        bench.pass_(2)
        bench.run("systemctl is-active guard.timer", code=3)
        assert bench.machine.admits(25) is not stopped


def test_a_unit_file_that_is_enabled_loads_its_table() -> None:
    bench = with_filter()
    bench.run("systemctl enable --now f.service", code=1)
    unit = "[Service]\nExecStart=/usr/sbin/nft -f /etc/f.nft\n"
    bench.run("install -D -m 0644 /dev/stdin /etc/systemd/system/f.service", unit)
    bench.run("systemctl daemon-reload")
    assert bench.run("systemctl is-enabled f.service", code=1) == "disabled\n"
    bench.run("systemctl enable --now f.service")
    assert bench.run("systemctl is-enabled f.service apt-daily.timer") == "enabled\nenabled\n"
    assert not bench.machine.admits(25)
    bench.run("systemctl disable --now f.service")
    assert bench.machine.admits(25)


def test_ssh_listens_where_its_socket_says() -> None:
    bench = with_filter()
    assert '0.0.0.0:22      0.0.0.0:* users:(("sshd"' in bench.run("ss -Hltnp")
    socket = "[Socket]\nListenStream=2200\nAccept=yes\n"
    bench.run("install -D -m 0644 /dev/stdin /etc/systemd/system/ssh.socket", socket)
    assert '0.0.0.0:2200      0.0.0.0:* users:(("systemd"' in bench.run("ss -Hltnp")
    assert bench.run("sshd -T").startswith("port 22\n")


def test_routes_and_addresses_are_told_as_json() -> None:
    bench = Bench().with_swarm()
    routes = json.loads(bench.run("ip -j route"))
    assert [(one["dst"], one["dev"]) for one in routes if one["dst"] != "172.31.1.1"] == [
        ("default", "eth0"), ("172.17.0.0/16", "docker0"), ("172.18.0.0/16", "docker_gwbridge"),
    ]  # fmt: skip
    links = {one["ifname"]: one for one in json.loads(bench.run("ip -j addr"))}
    assert links["eth0"]["mtu"] == 1500
    assert links["eth0"]["addr_info"][0]["local"] == "198.18.0.1"


def test_dockers_own_packages_are_there_once_its_source_is() -> None:
    bench = Bench()
    bench.pass_(10)
    bench.run(f"{FETCH}gpg /k SHA256:{KEY}")
    assert "Hash Sum mismatch" in bench.run(f"{FETCH}gpg /l SHA256:{'0' * 64}", code=100)
    bench.run(f"{FETCH}dists/noble/InRelease /i")
    assert "404" in bench.run(f"{FETCH}dists/bookworm/InRelease /i", code=100)
    assert "BEGIN PGP" in bench.run("cat /k")
    bench.run("cat /l", code=1)
    for source, candidate in (("", ""), ("URIs: https://download.docker.com/x\n", "5:29.")):
        path = "/etc/apt/sources.list.d/d.sources"
        bench.run(f"install -D -m 0644 /dev/stdin {path}", source)
        bench.run(UNIT.format(name=f"u{len(source)}") + APT + "update")
        bench.pass_(5)
        told = bench.run("apt-cache policy docker-ce")
        assert (f"Candidate: {candidate}" in told) is bool(candidate), told
    bench.run(UNIT.format(name="i") + INSTALL + "docker-ce docker-ce-cli containerd.io")
    bench.pass_(20)
    assert bench.run("docker version --format '{{.Server.Version}}'") == "29.9.0\n"
    assert bench.run("apt-mark showhold") == ""
    assert bench.run("apt-mark hold docker-ce") == "docker-ce set on hold.\n"
    assert bench.run("apt-mark showhold") == "docker-ce\n"
    assert bench.run("apt-mark hold docker-ce") == ""


def test_nothing_is_fetched_from_a_host_that_is_sent_elsewhere() -> None:
    bench = Bench()
    bench.run("install -D -m 0644 /dev/stdin /etc/hosts", "127.0.0.1 download.docker.com\n")
    assert "Could not connect" in bench.run(f"{FETCH}gpg /k SHA256:{KEY}", code=100)


def test_updates_of_now_run_by_themselves_and_are_forgotten() -> None:
    begin = (
        "systemd-run --unit=up --collect -p Nice=19 -p StandardOutput=append:/var/log/u "
        "-p StandardError=append:/var/log/u -- unattended-upgrade -v"
    )
    assert "Failed to find executable" in Bench().run(begin, code=1)
    bench = with_filter()
    bench.run(begin)
    assert bench.unit("up")["SubState"] == "running"
    bench.pass_(60)
    assert bench.unit("up")["LoadState"] == "not-found"
    assert "unattended upgrades" in bench.run("cat /var/log/u")


class TestPsql:
    def run(self, text: str, code: int = 0, database: str = "postgres") -> str:
        stdout, stderr, found = postgres.run(self.cluster, database, text, 1.0)
        assert found == code, stderr
        return stdout + stderr

    @pytest.fixture(autouse=True)
    def _cluster(self) -> None:
        self.cluster = postgres.Cluster.fresh(0.0)

    def test_semicolons_in_quotes_do_not_end_a_statement(self) -> None:
        assert postgres.statements("SELECT ';'; SELECT $x$;$x$ -- ;\n; SELECT \";\"") == [
            "SELECT ';'",
            "SELECT $x$;$x$",
            'SELECT ";"',
        ]

    def test_roles_and_databases_are_found_once_made(self) -> None:
        assert self.run("SELECT 1 FROM pg_roles WHERE rolname = 'x';") == ""
        self.run("CREATE ROLE \"x\" LOGIN PASSWORD 'a''b'; CREATE DATABASE x OWNER \"x\";")
        assert self.run("SELECT 1 FROM pg_roles WHERE rolname = 'x';") == "1\n"
        assert self.run("SELECT 1 FROM pg_database WHERE datname = 'x';") == "1\n"
        assert self.cluster.admits("x", "a'b", "x") == (1.0, None)

    def test_errors_are_postgresqls_and_stop_the_script(self) -> None:
        self.run("CREATE DATABASE x")
        again = self.run("CREATE DATABASE x; CREATE DATABASE y", code=3)
        assert again == 'ERROR:  database "x" already exists\n'
        assert "y" not in self.cluster.databases
        assert 'role "r" does not exist' in self.run("CREATE DATABASE z OWNER r", code=3)
        assert "sandbox: not simulated" in self.run("VACUUM FULL", code=3)
        assert "does not exist" in self.run("SELECT 1", code=2, database="nope")

    def test_only_the_owner_may_connect_once_everybody_may_not(self) -> None:
        self.run("CREATE ROLE a LOGIN PASSWORD 'a'; CREATE ROLE b LOGIN PASSWORD 'b'")
        self.run("CREATE DATABASE x OWNER a; REVOKE CONNECT ON DATABASE x FROM PUBLIC")
        assert self.cluster.admits("a", "a", "x")[1] is None
        assert self.cluster.admits("b", "b", "x")[1] == 'permission denied for database "x"'
        self.run("GRANT CONNECT ON DATABASE x TO b")
        assert self.cluster.admits("b", "b", "x")[1] is None

    def test_dropping_twice_is_fine_only_if_it_is_said(self) -> None:
        self.run("CREATE ROLE a LOGIN PASSWORD 'a'; CREATE DATABASE x OWNER a")
        assert "some objects depend on it" in self.run("DROP ROLE a", code=3)
        self.run("DROP DATABASE IF EXISTS x; DROP ROLE IF EXISTS a")
        self.run("DROP DATABASE IF EXISTS x; DROP ROLE IF EXISTS a")
        assert "does not exist" in self.run("DROP ROLE a", code=3)

    def test_extensions_belong_to_their_database(self) -> None:
        self.run("CREATE DATABASE x")
        self.run("CREATE EXTENSION IF NOT EXISTS vector", database="x")
        self.run("CREATE EXTENSION IF NOT EXISTS vector", database="x")
        assert (
            self.run("SELECT 1 FROM pg_extension WHERE extname = 'vector'", database="x") == "1\n"
        )
        assert self.run("SELECT 1 FROM pg_extension WHERE extname = 'vector'") == ""
