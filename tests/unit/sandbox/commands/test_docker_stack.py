"""Stacks on a simulated machine: how they start, fail, are updated and come back."""

from __future__ import annotations

import json

import pytest

from livchat_sandbox.commands import dispatch
from livchat_sandbox.machine.machine import Machine
from tests.unit.sandbox.bench import N8N, POSTGRES, TRAEFIK, UNIT, Bench


def test_a_stack_pulls_starts_and_gets_healthy_in_its_time() -> None:
    bench = Bench().with_swarm()
    assert "Creating service postgres_postgres" in bench.deploy("postgres", POSTGRES)
    assert bench.replicas("postgres") == ["0/1"]
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Preparing")
    bench.advance(6)
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Starting")
    assert "No such file or directory" in bench.psql("SELECT 1", code=2)
    bench.advance(3)
    assert bench.ps("postgres")[0]["CurrentState"].startswith("Running")
    assert bench.replicas("postgres") == ["1/1"]
    assert bench.psql("SELECT 1") == "1\n"
    assert bench.run("docker stack ls --format '{{json .}}'").count("\n") == 1


def test_an_unknown_stack_is_told_as_docker_tells_it() -> None:
    bench = Bench().with_swarm()
    assert bench.run("docker stack ps --format '{{json .}}' --no-trunc x", code=1) == (
        "nothing found in stack: x\n"
    )
    found = dispatch.execute(bench.machine, "docker stack services --format '{{json .}}' x")
    assert (found.exit_status, found.stdout, found.stderr) == (0, "", "Nothing found in stack: x\n")
    assert bench.run("docker service inspect x", code=1) == "[]\nError: no such service: x\n"


def test_an_app_runs_only_with_the_database_that_was_made_for_it() -> None:
    bench = Bench().with_swarm()
    bench.deploy("postgres", POSTGRES)
    bench.deploy("n8n", N8N)
    bench.deploy("traefik", TRAEFIK)
    bench.advance(60)
    error = 'task: non-zero exit (1): password authentication failed for user "n8n"'
    assert any(error in task["Error"] for task in bench.ps("n8n"))
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'wrong'")
    bench.psql("CREATE DATABASE n8n OWNER n8n; REVOKE CONNECT ON DATABASE n8n FROM PUBLIC;")
    bench.advance(60)
    assert bench.replicas("n8n") == ["0/1"]
    assert bench.machine.web_response("edt.lab.example.com", "/") is None
    bench.psql("ALTER ROLE n8n LOGIN PASSWORD 'right'")
    bench.advance(7)
    assert bench.replicas("n8n") == ["1/1"]
    site = bench.machine.web_response("edt.lab.example.com", "/")
    assert site is not None
    assert (site.status, "<title>n8n</title>" in site.body) == (200, True)
    health = bench.machine.web_response("edt.lab.example.com", "/healthz")
    assert health is not None
    assert health.status == 200
    assert bench.machine.web_response("other.lab.example.com", "/") is None
    bench.run("docker stack rm --detach=true traefik")
    assert bench.machine.web_response("edt.lab.example.com", "/") is None


def test_a_password_in_a_secret_file_counts_too() -> None:
    bench = Bench().with_swarm()
    bench.run("docker secret create n8n_pw -", "right")
    bench.deploy("postgres", POSTGRES)
    text = N8N.replace(
        "DB_POSTGRESDB_PASSWORD: right", "DB_POSTGRESDB_PASSWORD_FILE: /run/secrets/pw"
    ).replace("networks: [edge]", "networks: [edge]\n    secrets: [{source: pw, target: pw}]", 1)
    bench.deploy("n8n", text + "secrets: {pw: {external: true, name: n8n_pw}}")
    bench.advance(20)
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'right'; CREATE DATABASE n8n OWNER n8n")
    bench.advance(20)
    assert bench.replicas("n8n") == ["1/1"]


@pytest.mark.parametrize("image", ["redis:does-not-exist", "registry.invalid/redis:8"])
def test_an_image_that_no_registry_has_is_rejected(image: str) -> None:
    bench = Bench().with_swarm()
    bench.deploy("a", f"services: {{x: {{image: '{image}'}}}}")
    bench.advance(4)
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
        bench.advance(10)
        bench.deploy(act, form.format(tag="does-not-exist", act=act))
        bench.advance(10)
        found = json.loads(bench.run(f"docker service inspect {act}_x"))[0]
        assert found["UpdateStatus"]["State"] == state
    bench.advance(10)
    assert bench.replicas("rollback") == ["1/1"]
    assert bench.replicas("pause") == ["0/1"]


def test_a_job_runs_to_its_end() -> None:
    bench = Bench().with_swarm()
    bench.deploy("a", "services: {x: {image: 'redis:8', deploy: {mode: replicated-job}}}")
    bench.advance(20)
    assert bench.ps("a")[0]["CurrentState"].startswith("Complete")
    assert bench.replicas("a") == ["0/1 (1/1 completed)"]


def test_a_constraint_that_no_node_meets_leaves_a_task_pending() -> None:
    bench = Bench().with_swarm()
    bench.deploy(
        "a",
        "services: {x: {image: 'redis:8', deploy: "
        "{placement: {constraints: ['node.labels.edge==true']}}}}",
    )
    bench.advance(20)
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


def test_a_machine_that_is_dumped_and_loaded_goes_on_where_it_was() -> None:
    bench = Bench().with_swarm()
    bench.deploy("postgres", POSTGRES)
    bench.advance(20)
    bench.psql("CREATE ROLE n8n LOGIN PASSWORD 'right'; CREATE DATABASE n8n OWNER n8n")
    bench.deploy("n8n", N8N)
    bench.run(UNIT.format(name="p") + "docker pull --quiet mariadb:12")
    kept = json.loads(json.dumps(bench.machine.dump()))
    bench.machine = Machine.load(kept, bench.clock)
    assert json.loads(json.dumps(bench.machine.dump())) == kept
    assert bench.unit("p")["SubState"] == "running"
    bench.advance(30)
    assert bench.unit("p")["SubState"] == "exited"
    assert bench.replicas("n8n") == ["1/1"]
    assert bench.machine.stacks() == [
        {"name": "n8n", "services": ["editor"]},
        {"name": "postgres", "services": ["postgres"]},
    ]
