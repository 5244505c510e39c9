"""From an order to what Docker takes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from livchat.errors import InvalidRequest, LivChatError
from livchatd.catalog.base_stacks import portainer_stack, traefik_stack
from livchatd.catalog.catalog import Catalog
from livchatd.catalog.render import binding_host, hosts_for, render, secret_name
from livchatd.catalog.render_types import Binding
from livchatd.catalog.variable_values import binding_url
from tests.unit.catalog.sample import PASSWORD
from tests.unit.catalog.sample import sample_input as order

CATALOG = Catalog.load()
N8N = CATALOG.app("n8n")
CHATWOOT = CATALOG.app("chatwoot")
WORDPRESS = CATALOG.app("wordpress")
FLOWISE = CATALOG.app("flowise")

Tree = dict[str, Any]


def services(compose: str) -> dict[str, Tree]:
    found: dict[str, Tree] = yaml.safe_load(compose)["services"]
    return found


def environment(compose: str, service: str) -> dict[str, str]:
    """What the container gets: Compose reads `$$` as `$`."""
    raw = services(compose)[service]["environment"]
    return {key: value.replace("$$", "$") for key, value in raw.items()}


def labels(compose: str, service: str) -> dict[str, str]:
    raw = services(compose)[service]["deploy"].get("labels", {})
    return {key: value.replace("$$", "$") for key, value in raw.items()}


def test_n8n_gets_what_it_was_bound_to() -> None:
    rendered = render(N8N, order(N8N))
    found = environment(rendered.compose, "editor")
    assert found["DB_POSTGRESDB_HOST"] == "postgres_postgres"
    assert found["DB_POSTGRESDB_PASSWORD"] == PASSWORD
    assert found["QUEUE_BULL_REDIS_DB"] == "3"
    assert found["N8N_WEBHOOK_URL"] == "https://whk.lab.example.com"
    assert found["N8N_INSTANCE_OWNER_EMAIL"] == "ops@example.com"
    assert found["N8N_INSTANCE_OWNER_PASSWORD_HASH"].startswith("$2b$10$")
    assert found["GENERIC_TIMEZONE"] == "America/Sao_Paulo"
    assert rendered.hosts == ["edt.lab.example.com", "whk.lab.example.com"]
    assert [check.url for check in rendered.ready] == [
        "https://edt.lab.example.com/healthz/readiness"
    ]


def test_a_question_without_an_answer_leaves_its_variable_out() -> None:
    without = environment(render(N8N, order(N8N)).compose, "editor")
    given = environment(render(N8N, order(N8N, smtp_host="smtp.example.com")).compose, "editor")
    assert "N8N_SMTP_HOST" not in without
    assert given["N8N_SMTP_HOST"] == "smtp.example.com"


def test_an_answer_cannot_become_another_variable_or_line() -> None:
    name = "${ENCRYPTION_KEY} $HOME: {a: [b]} # c"
    found = environment(render(N8N, order(N8N, owner_first_name=name)).compose, "editor")
    assert found["N8N_INSTANCE_OWNER_FIRST_NAME"] == name


def test_every_dollar_is_doubled_for_compose() -> None:
    for app in CATALOG.apps():
        for wave in render(app, order(app)).waves:
            assert "$" not in wave.compose.replace("$$", "")


def test_the_editor_comes_first_and_the_rest_together() -> None:
    waves = render(N8N, order(N8N)).waves
    assert [wave.services for wave in waves] == [
        ["editor"],
        ["webhook", "worker", "editor-runner", "worker-runner"],
    ]
    assert list(services(waves[0].compose)) == ["editor"]
    assert len(services(waves[1].compose)) == 5


def test_a_test_webhook_does_not_go_where_the_webhook_goes() -> None:
    compose = render(N8N, order(N8N)).compose
    rule = labels(compose, "webhook")["traefik.http.routers.n8n-webhook.rule"]
    assert "Path(`/webhook`) || PathPrefix(`/webhook/`)" in rule
    assert "PathPrefix(`/webhook`)" not in rule
    editor = labels(compose, "editor")
    assert "/webhook-test" in editor["traefik.http.routers.n8n-webhook-test.rule"]
    assert editor["traefik.http.routers.n8n-editor.rule"] == "Host(`edt.lab.example.com`)"
    assert editor["traefik.http.services.n8n-editor.loadbalancer.server.port"] == "5678"
    assert editor["traefik.swarm.network"] == "livchat_edge"


def test_two_instances_share_no_name() -> None:
    one = render(N8N, order(N8N))
    two = render(N8N, order(N8N, "n8n-acme"))
    assert two.hosts == ["edt-acme.lab.example.com", "whk-acme.lab.example.com"]
    routers = [set(labels(each.compose, "editor")) for each in (one, two)]
    assert routers[0] & routers[1] == {"traefik.enable", "traefik.swarm.network"}
    volumes = [yaml.safe_load(each.compose)["volumes"]["data"]["name"] for each in (one, two)]
    assert volumes == ["n8n_data", "n8n-acme_data"]
    runner = environment(two.compose, "editor-runner")
    assert runner["N8N_RUNNERS_TASK_BROKER_URI"] == "http://n8n-acme_editor:5679"


def test_services_join_only_the_networks_that_they_need() -> None:
    found = services(render(N8N, order(N8N)).compose)
    assert found["editor"]["networks"] == ["default", "edge", "data"]
    assert found["worker"]["networks"] == ["default", "data"]
    assert found["editor-runner"]["networks"] == ["default"]
    postgres = CATALOG.app("postgres")
    document = yaml.safe_load(render(postgres, order(postgres)).compose)
    assert document["services"]["postgres"]["networks"] == ["data"]
    assert document["networks"] == {"data": {"external": True, "name": "livchat_data"}}
    assert "ports" not in document["services"]["postgres"]


def test_jobs_have_waves_of_their_own_before_their_services_and_are_taken_away() -> None:
    waves = render(CHATWOOT, order(CHATWOOT)).waves
    assert [(wave.services, wave.jobs) for wave in waves] == [
        (["redis"], []),
        ([], ["prepare"]),
        ([], ["admin"]),
        (["web", "sidekiq"], []),
    ]
    prepare = services(waves[1].compose)["prepare"]
    assert prepare["deploy"]["mode"] == "replicated-job"
    assert prepare["command"][-1] == "db:chatwoot_prepare"
    assert "edge" not in prepare["networks"]
    assert waves[1].timeout == 900
    assert set(services(waves[-1].compose)) == {"redis", "web", "sidekiq"}
    assert "LIVCHAT_ADMIN_PASSWORD" not in waves[-1].compose


def test_an_update_does_not_make_the_administrator_again() -> None:
    jobs = [job for wave in render(CHATWOOT, order(CHATWOOT), "update").waves for job in wave.jobs]
    assert jobs == ["prepare"]


def test_no_public_name_answers_before_the_last_job() -> None:
    waves = render(WORDPRESS, order(WORDPRESS)).waves
    assert [(wave.services, wave.jobs) for wave in waves] == [
        (["web"], []),
        ([], ["install"]),
        ([], []),
    ]
    assert [bool(labels(wave.compose, "web")) for wave in waves] == [False, False, True]


def test_files_and_file_secrets_are_docker_secrets_named_after_their_content() -> None:
    rendered = render(CHATWOOT, order(CHATWOOT))
    names = list(rendered.docker_secrets)
    assert [re.sub(r"_[0-9a-f]{8}$", "", name) for name in names] == [
        "chatwoot_redis_password",
        "chatwoot_file_admin",
    ]
    mounts = services(rendered.waves[2].compose)["admin"]["secrets"]
    assert {"source": "file_admin", "target": "/opt/livchat/admin.rb", "mode": 0o444} in mounts
    assert secret_name("n8n", "a", "1") != secret_name("n8n", "a", "2")
    for value in rendered.docker_secrets.values():
        assert "redis_password" not in value


def test_the_gate_stands_until_the_app_is_opened() -> None:
    closed = render(FLOWISE, order(FLOWISE))
    found = labels(closed.compose, "web")
    assert found["traefik.http.routers.flowise-main.middlewares"] == "flowise-gate"
    users = found["traefik.http.middlewares.flowise-gate.basicauth.users"]
    assert re.fullmatch(r"livchat:\$2b\$10\$.{53}", users)
    assert closed.ready[0].status == 401
    opened = render(FLOWISE, order(FLOWISE, open=True))
    assert "gate" not in str(labels(opened.compose, "web"))
    assert opened.ready[0].status == 200


def test_a_resolver_is_named_only_where_it_is_asked_for() -> None:
    key = "traefik.http.routers.n8n-editor.tls.certresolver"
    assert key not in labels(render(N8N, order(N8N)).compose, "editor")
    asked = replace(order(N8N), cert_resolver="leh")
    assert labels(render(N8N, asked).compose, "editor")[key] == "leh"


def test_stateful_services_stay_where_their_volumes_are() -> None:
    found = services(render(CHATWOOT, order(CHATWOOT)).compose)
    here = {"constraints": ["node.labels.livchat.data==true"]}
    assert found["redis"]["deploy"]["placement"] == here
    umami = CATALOG.app("umami")
    assert "placement" not in services(render(umami, order(umami)).compose)["web"]["deploy"]


def test_rendering_twice_gives_the_same_text() -> None:
    asked = order(CHATWOOT)
    assert render(CHATWOOT, asked) == render(CHATWOOT, asked)


def test_an_order_that_lacks_something_is_our_fault_and_says_what() -> None:
    whole = order(N8N)
    for less in (
        replace(whole, secrets={}),
        replace(whole, bindings={}),
        replace(whole, hosts={}),
    ):
        with pytest.raises(LivChatError, match="n8n"):
            render(N8N, less)
    with pytest.raises(InvalidRequest):
        render(N8N, order(N8N, colour="red"))


def test_no_secret_shows_in_what_is_printed() -> None:
    asked = order(N8N)
    shown = repr(asked) + repr(render(N8N, asked))
    assert not [value for value in (*asked.secrets.values(), PASSWORD) if value in shown]


def test_hosts_may_lie_under_the_zone_itself() -> None:
    assert hosts_for(N8N, None, "example.com")["editor"] == "edt.example.com"
    assert hosts_for(N8N, "a.b", "example.com")["webhook_test"] == "whk.a.b.example.com"


def test_a_provider_is_found_by_its_full_name() -> None:
    assert binding_host(CATALOG.app("postgres")) == "postgres_postgres"
    assert binding_host(CATALOG.app("redis"), "redis-2") == "redis-2_redis"
    with pytest.raises(LivChatError):
        binding_host(N8N)


def test_addresses_are_percent_encoded() -> None:
    binding = Binding("db", 5432, "n8n", "n8n", PASSWORD)
    assert binding_url("postgres", binding) == "postgresql://n8n:p%40ss%2Fw%24rd@db:5432/n8n"
    binding = Binding("cache", 6379, password="pw", index=2)
    assert binding_url("redis", binding) == "redis://:pw@cache:6379/2"


def test_traefik_proves_the_domain_by_dns_or_by_http() -> None:
    by_dns = traefik_stack(CATALOG, "a@b.co", "lab.b.co", "dns", cloudflare_token="cf-token-1")
    command = services(by_dns.compose)["traefik"]["command"]
    assert "--certificatesresolvers.le.acme.dnschallenge.provider=cloudflare" in command
    assert "--entrypoints.websecure.http.tls.domains[0].sans=*.lab.b.co" in command
    assert list(by_dns.docker_secrets.values()) == ["cf-token-1"]
    assert "cf-token-1" not in by_dns.compose
    by_http = traefik_stack(CATALOG, "a@b.co", "lab.b.co", "http", ca_server="https://ca.test/dir")
    command = services(by_http.compose)["traefik"]["command"]
    assert "--certificatesresolvers.le.acme.httpchallenge.entrypoint=web" in command
    assert "--certificatesresolvers.le.acme.caserver=https://ca.test/dir" in command
    assert not [flag for flag in command if "domains" in flag or flag.startswith("--api")]
    assert by_http.docker_secrets == {}
    with pytest.raises(ValueError, match="token"):
        traefik_stack(CATALOG, "a@b.co", "lab.b.co", "dns")


def test_portainer_publishes_nothing_and_has_its_administrator_from_the_start() -> None:
    rendered = portainer_stack(CATALOG, "the-admin-password")
    portainer = services(rendered.compose)["portainer"]
    assert "ports" not in portainer
    assert "labels" not in portainer["deploy"]
    assert portainer["command"][-2:] == ["--admin-password-file", "/run/secrets/admin_password"]
    assert list(rendered.docker_secrets.values()) == ["the-admin-password"]
    assert "the-admin-password" not in rendered.compose
