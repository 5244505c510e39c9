"""What a simulated machine says that it is, and what is set on it."""

from __future__ import annotations

from tests.unit.sandbox.bench import Bench


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
