"""dpkg and apt on a simulated machine."""

from __future__ import annotations

from tests.unit.sandbox.bench import APT, INSTALL, UNIT, Bench

KEY = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"

FETCH = (
    "timeout 8 /usr/lib/apt/apt-helper -q -o Acquire::http::Timeout=4 "
    "-o Acquire::https::Timeout=4 -o Acquire::Retries=0 download-file "
    "https://download.docker.com/linux/ubuntu/"
)


def test_the_package_manager_waits_for_cloud_init_and_prints_as_it_goes() -> None:
    bench = Bench()
    assert bench.run("cloud-init status") == "status: running\n"
    bench.run(UNIT.format(name="u") + APT + "update")
    assert "Waiting for cache lock" in bench.run("cat /var/log/u.log")
    assert bench.unit("u")["SubState"] == "running"
    bench.advance(10)
    assert bench.run("cloud-init status") == "status: done\n"
    assert "Get:1" in bench.run("cat /var/log/u.log")
    assert "Reading package lists" not in bench.run("cat /var/log/u.log")
    bench.advance(3)
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
    bench.advance(10)
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
    bench.advance(10)
    bench.run(UNIT.format(name="u") + APT + "update")
    bench.advance(5)
    bench.run(UNIT.format(name="i") + INSTALL + "docker.io")
    bench.advance(9)
    bench.run("systemctl stop i")
    bench.run(UNIT.format(name="j") + INSTALL + "docker.io")
    assert bench.unit("j")["ActiveState"] == "failed"
    assert "dpkg was interrupted" in bench.run("cat /var/log/u.log")
    bench.run("dpkg --configure -a")
    bench.run(UNIT.format(name="k") + INSTALL + "docker.io")
    bench.advance(20)
    assert bench.unit("k")["SubState"] == "exited"
    assert bench.run("docker version --format '{{.Server.Version}}'") == "28.2.2\n"
    assert bench.run("systemctl is-active docker") == "active\n"


def test_debian_13_needs_the_command_line_as_a_package_of_its_own() -> None:
    bench = Bench("debian-13").with_docker()
    bench.run("docker version --format '{{.Server.Version}}'", code=127)
    bench.run(UNIT.format(name="c") + INSTALL + "docker-cli")
    bench.advance(20)
    assert bench.run("docker version --format '{{.Server.Version}}'") == "26.1.5+dfsg1\n"


def test_dpkg_query_lists_what_is_installed_and_fails_for_what_is_not() -> None:
    bench = Bench().with_docker()
    form = r"'-f=${Package} ${Version} ${db:Status-Status}\n'"
    listed = bench.run(f"dpkg-query -W {form} docker.io nothing", code=1)
    assert listed.startswith("docker.io 28.2.2-0ubuntu1~24.04.1 installed\n")
    assert listed.endswith("dpkg-query: no packages found matching nothing\n")


def test_dockers_own_packages_are_there_once_its_source_is() -> None:
    bench = Bench()
    bench.advance(10)
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
        bench.advance(5)
        told = bench.run("apt-cache policy docker-ce")
        assert (f"Candidate: {candidate}" in told) is bool(candidate), told
    bench.run(UNIT.format(name="i") + INSTALL + "docker-ce docker-ce-cli containerd.io")
    bench.advance(20)
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
    bench = Bench().with_packages("unattended-upgrades")
    bench.run(begin)
    assert bench.unit("up")["SubState"] == "running"
    bench.advance(60)
    assert bench.unit("up")["LoadState"] == "not-found"
    assert "unattended upgrades" in bench.run("cat /var/log/u")
