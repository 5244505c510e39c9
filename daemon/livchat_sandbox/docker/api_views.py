"""Docker's objects as its Engine API writes them: what `inspect` prints and Portainer passes on."""

from __future__ import annotations

from typing import Any

from livchat_sandbox.docker.compose import Spec
from livchat_sandbox.docker.engine import Engine
from livchat_sandbox.docker.state import Holdings, Network, Service, digest
from livchat_sandbox.docker.tasks import Task
from livchat_sandbox.docker.time_text import stamp

_UPDATE_MESSAGES = {
    "updating": "update in progress",
    "completed": "update completed",
    "paused": "update paused due to failure or early termination of task",
    "rollback_completed": "rollback completed",
}


def swarm(held: Holdings) -> dict[str, Any]:
    """`docker info`'s account of the swarm."""
    if held.swarm is None:
        return {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        }
    return {
        "NodeID": held.swarm["node"],
        "NodeAddr": held.swarm["address"],
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [{"NodeID": held.swarm["node"], "Addr": f"{held.swarm['address']}:2377"}],
        "Nodes": 1,
        "Managers": 1,
        "Cluster": cluster(held.swarm),
    }


def cluster(state: dict[str, Any]) -> dict[str, Any]:
    """The swarm itself (`GET /swarm`)."""
    return {
        "ID": state["id"],
        "Version": {"Index": 10},
        "CreatedAt": stamp(state["created"]),
        "UpdatedAt": stamp(state["created"]),
        "Spec": {"Name": "default", "Labels": {}},
        "DefaultAddrPool": [state["pool"] or "10.0.0.0/8"],
        "SubnetSize": state["size"] or 24,
        "DataPathPort": 4789,
    }


def info(engine: Engine, cores: int, memory: int) -> dict[str, Any]:
    """`GET /info`; memory in bytes."""
    running = len(engine.containers())
    return {
        "ID": digest("engine", engine.held.name)[:36],
        "Name": engine.held.name,
        "ServerVersion": engine.held.version,
        "Containers": running,
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": 0,
        "Images": len(engine.held.images),
        "NCPU": cores,
        "MemTotal": memory,
        "OSType": "linux",
        "Swarm": swarm(engine.held),
    }


def node(held: Holdings, state: dict[str, Any], cores: int, memory: int) -> dict[str, Any]:
    """The one node (`docker node inspect self`); memory in bytes."""
    return {
        "ID": state["node"],
        "Version": {"Index": 9},
        "CreatedAt": stamp(state["created"]),
        "UpdatedAt": stamp(state["created"]),
        "Spec": {"Labels": dict(held.labels), "Role": "manager", "Availability": "active"},
        "Description": {
            "Hostname": held.name,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": cores * 10**9, "MemoryBytes": memory},
            "Engine": {"EngineVersion": held.version},
        },
        "Status": {"State": "ready", "Addr": state["address"]},
        "ManagerStatus": {
            "Leader": True,
            "Reachability": "reachable",
            "Addr": f"{state['address']}:2377",
        },
    }


def network(engine: Engine, name: str, found: Network) -> dict[str, Any]:
    """A network (`docker network inspect`); docker_gwbridge lists every container's gateway."""
    gateway = found.subnet.rpartition(".")[0] + ".1" if found.subnet else ""
    config = [{"Subnet": found.subnet, "Gateway": gateway}] if found.subnet else []
    labels = {"com.docker.stack.namespace": found.stack} if found.stack else {}
    return {
        "Name": name,
        "Id": found.id,
        "Created": stamp(found.created),
        "Scope": found.scope,
        "Driver": found.driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": config},
        "Internal": found.internal,
        "Attachable": found.attachable,
        "Ingress": name == "ingress",
        "Containers": _endpoints(engine, name),
        "Options": found.options,
        "Labels": labels,
    }


def _endpoints(engine: Engine, name: str) -> dict[str, Any]:
    if name != "docker_gwbridge":
        return {
            task.container: {"Name": f"{task.name}.{task.id}", "EndpointID": digest(name, task.id)}
            for task in engine.containers()
            if name in task.service.spec.networks
        }
    mesh = {"Name": "gateway_ingress-sbox", "IPv4Address": "172.18.0.2/16", "IPv6Address": ""}
    return {"ingress-sbox": {**mesh, "EndpointID": digest("ingress-sbox")}} | {
        task.container: {
            "Name": f"gateway_{task.sandbox[:12]}",
            "EndpointID": digest("gateway", task.id),
            "MacAddress": "",
            "IPv4Address": f"{task.address}/16",
            "IPv6Address": "",
        }
        for task in engine.containers()
    }


def _mode(spec: Spec) -> dict[str, Any]:
    if spec.mode == "global":
        return {"Global": {}}
    if spec.mode == "global-job":
        return {"GlobalJob": {}}
    if spec.mode == "replicated-job":
        return {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": spec.replicas}}
    return {"Replicated": {"Replicas": spec.replicas}}


def _specification(service: Service, spec: Spec) -> dict[str, Any]:
    container = {
        "Image": spec.image,
        "Args": spec.command,
        "Env": [f"{key}={value}" for key, value in spec.env.items()],
        "Labels": {"com.docker.stack.namespace": service.stack},
        "Secrets": [
            {"SecretName": name, "File": {"Name": path.removeprefix("/run/secrets/")}}
            for path, name in spec.secrets.items()
        ],
        "Mounts": [
            {"Type": "volume", "Source": name, "Target": target}
            for target, name in spec.volumes.items()
        ],
    }
    return {
        "Name": service.name,
        "Labels": {
            **spec.labels,
            "com.docker.stack.image": spec.image,
            "com.docker.stack.namespace": service.stack,
        },
        "TaskTemplate": {
            "ContainerSpec": container,
            "Placement": {"Constraints": spec.constraints},
            "Networks": [{"Target": name} for name in spec.networks],
            "ForceUpdate": 0,
            "Runtime": "container",
        },
        "Mode": _mode(spec),
        "UpdateConfig": {
            "Parallelism": 1,
            "FailureAction": spec.failure_action,
            "Order": "start-first" if spec.start_first else "stop-first",
        },
        "EndpointSpec": {"Ports": spec.ports},
    }


def service(engine: Engine, found: Service) -> dict[str, Any]:
    """A service (`docker service inspect`, `GET /services`)."""
    tasks = engine.tasks(found)
    answer: dict[str, Any] = {
        "ID": found.id,
        "Version": {"Index": found.version},
        "CreatedAt": stamp(found.created),
        "UpdatedAt": stamp(found.updated),
        "Spec": _specification(found, found.spec),
        "Endpoint": {"Spec": {"Ports": found.spec.ports}, "Ports": found.spec.ports},
        "ServiceStatus": {
            "RunningTasks": sum(task.state == "running" for task in tasks),
            "DesiredTasks": found.spec.replicas,
            "CompletedTasks": sum(task.state == "complete" for task in tasks),
        },
    }
    if found.spec.mode.endswith("-job"):
        answer["JobStatus"] = {
            "JobIteration": {"Index": found.generation - 1},
            "LastExecution": stamp(found.updated),
        }
    if found.previous is not None:
        state = found.verdict or "updating"
        answer["PreviousSpec"] = _specification(found, found.previous)
        answer["UpdateStatus"] = {
            "State": state,
            "StartedAt": stamp(found.updated),
            "Message": _UPDATE_MESSAGES[state],
        }
    return answer


def task(found: Task, node_id: str) -> dict[str, Any]:
    """A task (`GET /tasks`)."""
    status: dict[str, Any] = {
        "Timestamp": stamp(found.since),
        "State": found.state,
        "Message": "started" if found.state == "running" else found.state,
    }
    if found.error:
        status["Err"] = found.error
    if found.state not in {"pending", "preparing", "ready", "rejected"}:
        status["ContainerStatus"] = {
            "ContainerID": found.container,
            "PID": 1000 + found.slot if found.alive else 0,
            "ExitCode": found.exit_code,
        }
    return {
        "ID": found.id,
        "Version": {"Index": found.service.version},
        "CreatedAt": stamp(found.created),
        "UpdatedAt": stamp(found.since),
        "Labels": {},
        "Spec": {"ContainerSpec": {"Image": found.image}},
        "ServiceID": found.service.id,
        "Slot": found.slot,
        "NodeID": "" if found.state == "pending" else node_id,
        "Status": status,
        "DesiredState": found.desired,
    }


def secret(name: str, held: Holdings) -> dict[str, Any]:
    """A secret, without its value (`docker secret inspect`)."""
    found = held.secrets[name]
    return {
        "ID": found.id,
        "Version": {"Index": 11},
        "CreatedAt": stamp(found.created),
        "UpdatedAt": stamp(found.created),
        "Spec": {"Name": name, "Labels": found.labels},
    }


def running(held: Holdings, task: Task) -> dict[str, Any]:
    """A container of a task (`GET /containers/json`)."""
    return {
        "Id": task.container,
        "Names": [f"/{task.name}.{task.id}"],
        "Image": task.image,
        "Created": int(task.created),
        "State": "running",
        "Status": "Up",
        "Labels": {
            "com.docker.swarm.service.name": task.service.name,
            "com.docker.swarm.service.id": task.service.id,
            "com.docker.swarm.task.id": task.id,
            "com.docker.swarm.node.id": (held.swarm or {}).get("node", ""),
            "com.docker.stack.namespace": task.service.stack,
        },
    }
