"""docker on a simulated machine: swarm, secrets, networks, volumes, images."""

from __future__ import annotations

import json

from tests.unit.sandbox.bench import EDGE, POSTGRES, TRAEFIK, UNIT, Bench


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


def test_volumes_outlive_their_stack_with_the_data_in_them() -> None:
    bench = Bench().with_swarm()
    mine = "label=com.docker.stack.namespace=postgres"
    listed = f"docker volume ls --format '{{{{json .}}}}' --filter {mine}"
    bench.deploy("postgres", POSTGRES)
    bench.advance(20)
    bench.psql("CREATE DATABASE kept")
    bench.run("docker stack rm --detach=true postgres")
    assert json.loads(bench.run(listed))["Name"] == "postgres_data"
    bench.deploy("postgres", POSTGRES)
    bench.advance(20)
    assert "kept" in bench.psql("SELECT datname FROM pg_database")
    assert "volume is in use" in bench.run("docker volume rm postgres_data", code=1)
    bench.run("docker stack rm --detach=true postgres")
    bench.run("docker volume rm postgres_data")
    bench.deploy("postgres", POSTGRES)
    bench.advance(20)
    assert "kept" not in bench.psql("SELECT datname FROM pg_database")


def test_a_pull_runs_in_a_unit_and_is_kept() -> None:
    bench = Bench().with_docker()
    assert "No such image" in bench.run("docker image inspect redis:8", code=1)
    bench.run(UNIT.format(name="p") + "docker pull --quiet redis:8")
    assert bench.unit("p")["SubState"] == "running"
    bench.advance(3)
    assert bench.unit("p")["SubState"] == "exited"
    assert json.loads(bench.run("docker image inspect redis:8"))[0]["RepoTags"] == ["redis:8"]
    bench.run(UNIT.format(name="q") + "docker pull --quiet redis:does-not-exist")
    bench.advance(3)
    assert bench.unit("q")["ActiveState"] == "failed"
