"""Docker's objects in the form of its Engine API, as `inspect` prints and Portainer forwards them.

Memory is in bytes.
"""

from __future__ import annotations

from typing import Any

from livchat_sandbox.docker.compose import Spec
from livchat_sandbox.docker.engine import Engine
from livchat_sandbox.docker.state import EngineState, Network, Service, hex_id
from livchat_sandbox.docker.tasks import Task
from livchat_sandbox.docker.time_text import timestamp

_UPDATE_MESSAGES = {
    "updating": "update in progress",
    "completed": "update completed",
    "paused": "update paused due to failure or early termination of task",
    "rollback_completed": "rollback completed",
}


def swarm_view(state: EngineState) -> dict[str, Any]:
    """Return the swarm as `docker info` shows it."""
    if state.swarm is None:
        return {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        }
    return {
        "NodeID": state.swarm["node"],
        "NodeAddr": state.swarm["address"],
        "LocalNodeState": "active",
        "ControlAvailable": True,
        "Error": "",
        "RemoteManagers": [
            {"NodeID": state.swarm["node"], "Addr": f"{state.swarm['address']}:2377"}
        ],
        "Nodes": 1,
        "Managers": 1,
        "Cluster": cluster_view(state.swarm),
    }


def cluster_view(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return the swarm itself (`GET /swarm`)."""
    return {
        "ID": cluster["id"],
        "Version": {"Index": 10},
        "CreatedAt": timestamp(cluster["created"]),
        "UpdatedAt": timestamp(cluster["created"]),
        "Spec": {"Name": "default", "Labels": {}},
        "DefaultAddrPool": [cluster["pool"] or "10.0.0.0/8"],
        "SubnetSize": cluster["size"] or 24,
        "DataPathPort": 4789,
    }


def info_view(engine: Engine, cores: int, memory: int) -> dict[str, Any]:
    """Return the engine (`GET /info`)."""
    running = len(engine.containers())
    return {
        "ID": hex_id("engine", engine.state.name)[:36],
        "Name": engine.state.name,
        "ServerVersion": engine.state.version,
        "Containers": running,
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": 0,
        "Images": len(engine.state.images),
        "NCPU": cores,
        "MemTotal": memory,
        "OSType": "linux",
        "Swarm": swarm_view(engine.state),
    }


def node_view(state: EngineState, swarm: dict[str, Any], cores: int, memory: int) -> dict[str, Any]:
    """Return the only node of the swarm (`docker node inspect self`)."""
    return {
        "ID": swarm["node"],
        "Version": {"Index": 9},
        "CreatedAt": timestamp(swarm["created"]),
        "UpdatedAt": timestamp(swarm["created"]),
        "Spec": {"Labels": dict(state.labels), "Role": "manager", "Availability": "active"},
        "Description": {
            "Hostname": state.name,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": cores * 10**9, "MemoryBytes": memory},
            "Engine": {"EngineVersion": state.version},
        },
        "Status": {"State": "ready", "Addr": swarm["address"]},
        "ManagerStatus": {
            "Leader": True,
            "Reachability": "reachable",
            "Addr": f"{swarm['address']}:2377",
        },
    }


def network_view(engine: Engine, name: str, network: Network) -> dict[str, Any]:
    """Return a network (`docker network inspect`).

    The network docker_gwbridge lists the gateway of each container.
    """
    gateway = network.subnet.rpartition(".")[0] + ".1" if network.subnet else ""
    config = [{"Subnet": network.subnet, "Gateway": gateway}] if network.subnet else []
    labels = {"com.docker.stack.namespace": network.stack} if network.stack else {}
    return {
        "Name": name,
        "Id": network.id,
        "Created": timestamp(network.created),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": config},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": name == "ingress",
        "Containers": _endpoints(engine, name),
        "Options": network.options,
        "Labels": labels,
    }


def _endpoints(engine: Engine, name: str) -> dict[str, Any]:
    if name != "docker_gwbridge":
        return {
            task.container: {"Name": f"{task.name}.{task.id}", "EndpointID": hex_id(name, task.id)}
            for task in engine.containers()
            if name in task.service.spec.networks
        }
    mesh = {"Name": "gateway_ingress-sbox", "IPv4Address": "172.18.0.2/16", "IPv6Address": ""}
    return {"ingress-sbox": {**mesh, "EndpointID": hex_id("ingress-sbox")}} | {
        task.container: {
            "Name": f"gateway_{task.sandbox[:12]}",
            "EndpointID": hex_id("gateway", task.id),
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


def service_view(engine: Engine, service: Service) -> dict[str, Any]:
    """Return a service (`docker service inspect`, `GET /services`)."""
    tasks = engine.tasks(service)
    view: dict[str, Any] = {
        "ID": service.id,
        "Version": {"Index": service.version},
        "CreatedAt": timestamp(service.created),
        "UpdatedAt": timestamp(service.updated),
        "Spec": _specification(service, service.spec),
        "Endpoint": {"Spec": {"Ports": service.spec.ports}, "Ports": service.spec.ports},
        "ServiceStatus": {
            "RunningTasks": sum(task.state == "running" for task in tasks),
            "DesiredTasks": service.spec.replicas,
            "CompletedTasks": sum(task.state == "complete" for task in tasks),
        },
    }
    if service.spec.mode.endswith("-job"):
        view["JobStatus"] = {
            "JobIteration": {"Index": service.generation - 1},
            "LastExecution": timestamp(service.updated),
        }
    if service.previous is not None:
        update = service.verdict or "updating"
        view["PreviousSpec"] = _specification(service, service.previous)
        view["UpdateStatus"] = {
            "State": update,
            "StartedAt": timestamp(service.updated),
            "Message": _UPDATE_MESSAGES[update],
        }
    return view


def task_view(task: Task, node_id: str) -> dict[str, Any]:
    """Return a task (`GET /tasks`)."""
    status: dict[str, Any] = {
        "Timestamp": timestamp(task.since),
        "State": task.state,
        "Message": "started" if task.state == "running" else task.state,
    }
    if task.error:
        status["Err"] = task.error
    if task.state not in {"pending", "preparing", "ready", "rejected"}:
        status["ContainerStatus"] = {
            "ContainerID": task.container,
            "PID": 1000 + task.slot if task.alive else 0,
            "ExitCode": task.exit_code,
        }
    return {
        "ID": task.id,
        "Version": {"Index": task.service.version},
        "CreatedAt": timestamp(task.created),
        "UpdatedAt": timestamp(task.since),
        "Labels": {},
        "Spec": {"ContainerSpec": {"Image": task.image}},
        "ServiceID": task.service.id,
        "Slot": task.slot,
        "NodeID": "" if task.state == "pending" else node_id,
        "Status": status,
        "DesiredState": task.desired,
    }


def secret_view(name: str, state: EngineState) -> dict[str, Any]:
    """Return a secret without its value (`docker secret inspect`)."""
    secret = state.secrets[name]
    return {
        "ID": secret.id,
        "Version": {"Index": 11},
        "CreatedAt": timestamp(secret.created),
        "UpdatedAt": timestamp(secret.created),
        "Spec": {"Name": name, "Labels": secret.labels},
    }


def container_view(state: EngineState, task: Task) -> dict[str, Any]:
    """Return the container of a task (`GET /containers/json`)."""
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
            "com.docker.swarm.node.id": (state.swarm or {}).get("node", ""),
            "com.docker.stack.namespace": task.service.stack,
        },
    }
