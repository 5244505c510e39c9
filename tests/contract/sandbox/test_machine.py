"""A simulated machine over real SSH: what an OpenSSH server promises, kept by the sandbox's."""

from __future__ import annotations

import asyncio
import importlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from livchat_sandbox.clock import Clock
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.ssh.server import SshServer
from tests.contract.sandbox.machine_spec import machine_spec

# Imported by name, after the sandbox's SSH server, which guards /dev/null against it.
asyncssh: Any = importlib.import_module("asyncssh")

KEY = asyncssh.generate_private_key("ssh-ed25519")
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


def machine(scale: float = 0, user_data: str = "") -> Machine:
    public = KEY.export_public_key().decode()
    spec = machine_spec(user_data=user_data, authorized_keys=[public])
    return Machine.boot(spec, Clock(scale))


async def connect(port: int, **options: Any) -> Any:
    wanted = {"username": "root", "client_keys": [KEY], "known_hosts": None, "config": None}
    return await asyncssh.connect("127.0.0.1", port, **{**wanted, **options})


@pytest.fixture
async def host() -> AsyncIterator[SshServer]:
    made = machine()
    host = SshServer(made, made.clock)
    yield host
    await host.stop()


def test_dev_null_is_still_a_device_after_the_import() -> None:
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


async def test_commands_answer_with_output_and_exit_status(host: SshServer) -> None:
    async with await connect(await host.start()) as connection:
        assert (await connection.run("uname -m")).stdout == "x86_64\n"
        missing = await connection.run("cat /nowhere")
        assert missing.exit_status == 1
        assert missing.stderr == "cat: /nowhere: No such file or directory\n"
        unknown = await connection.run("vim")
        assert unknown.exit_status == 127
        assert unknown.stderr == "bash: line 1: vim: command not found\n"
        shell = await connection.run("true; true")
        assert shell.exit_status == 127
        assert "sandbox: not simulated" in shell.stderr


async def test_standard_input_reaches_a_file_byte_for_byte(host: SshServer) -> None:
    content = bytes(range(256)) * 400
    async with await connect(await host.start()) as connection:
        await connection.run(
            "install -D -m 0600 /dev/stdin /root/x", input=content, encoding=None, check=True
        )
        read = await connection.run("cat /root/x", encoding=None, check=True)
        assert read.stdout == content


async def test_the_host_key_is_the_one_that_cloud_init_was_given_and_stays() -> None:
    private = HOST_KEY.export_private_key().decode().replace("\n", "\n    ")
    made = machine(user_data=f"#cloud-config\nssh_keys:\n  ed25519_private: |\n    {private}\n")
    for _ in range(2):
        host = SshServer(made, made.clock)
        pinned: Any = ([HOST_KEY.convert_to_public()], [], [])
        async with await connect(await host.start(), known_hosts=pinned) as connection:
            assert (await connection.run("true")).exit_status == 0
        await host.stop()
        made = Machine.load(made.dump(), made.clock)


@pytest.mark.parametrize(
    "options",
    [
        {"client_keys": [HOST_KEY]},
        {"username": "admin"},
        {"client_keys": [], "password": "secret"},
    ],
)
async def test_nobody_else_gets_in(host: SshServer, options: dict[str, Any]) -> None:
    port = await host.start()
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(port, agent_path=None, **options)


async def test_no_shell_and_no_subsystem_is_given(host: SshServer) -> None:
    async with await connect(await host.start()) as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()


async def test_the_eleventh_session_at_once_is_refused(host: SshServer) -> None:
    async with await connect(await host.start()) as connection:
        waiting = [
            await connection.create_process("install -D -m 0644 /dev/stdin /x") for _ in range(10)
        ]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run("true")
        for process in waiting:
            process.stdin.write_eof()
            assert (await process.wait()).exit_status == 0
        assert (await connection.run("true")).exit_status == 0


async def test_many_commands_share_one_connection(host: SshServer) -> None:
    async with await connect(await host.start()) as connection:
        for _ in range(5):
            found = await asyncio.gather(*(connection.run("nproc") for _ in range(8)))
            assert {each.stdout for each in found} == {"2\n"}


async def test_a_forwarded_connection_goes_nowhere_while_portainer_does_not_run(
    host: SshServer,
) -> None:
    async with await connect(await host.start()) as connection:
        for target in (("172.18.0.3", 9000), ("127.0.0.1", 22), ("198.18.0.1", 80)):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection(*target)


async def test_a_unit_outlives_the_connection_that_began_it() -> None:
    made = machine(scale=0.01)
    host = SshServer(made, made.clock)
    port = await host.start()
    line = (
        "systemd-run --unit=u -p RemainAfterExit=yes -p StandardOutput=append:/var/log/u.log "
        "-p StandardError=append:/var/log/u.log -- apt-get -o DPkg::Lock::Timeout=300 update"
    )
    show = "systemctl show u -p LoadState -p ActiveState -p SubState -p Result -p ExecMainStatus"
    async with await connect(port) as connection:
        await connection.run(line, check=True)
    async with await connect(port) as connection:
        for _ in range(200):
            if "SubState=exited" in (await connection.run(show, check=True)).stdout:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the unit did not end")
        printed = (await connection.run("cat /var/log/u.log", check=True)).stdout
        assert "Reading package lists..." in printed
    await host.stop()


async def test_a_host_that_stops_cuts_off_its_clients(host: SshServer) -> None:
    connection = await connect(await host.start())
    await host.stop()
    await asyncio.wait_for(connection.wait_closed(), 5)
    assert connection.is_closed()
