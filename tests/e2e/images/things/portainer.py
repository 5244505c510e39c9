#!/usr/bin/python3
"""Portainer's API in short, in its place: what is deployed by it runs on the real swarm."""

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, urlparse

DATA = Path("/data/stacks.json")
PASSWORD = Path(sys.argv[sys.argv.index("--admin-password-file") + 1]).read_text().strip()
ACTIVE, DEPLOYING, ERROR = 1, 3, 4
TOKENS: set[str] = set()
LOCK = Lock()


class Docker(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


def load() -> dict:
    if DATA.exists():
        return json.loads(DATA.read_text())
    return {"next": 1, "stacks": {}, "endpoints": []}


def save(held: dict) -> None:
    fresh = DATA.with_suffix(".new")
    fresh.write_text(json.dumps(held))
    fresh.replace(DATA)


def deploy(number: str) -> None:
    """Hand a stack to the engine, and note how that ended."""
    with LOCK:
        stack = load()["stacks"][number]
    done = subprocess.run(
        ["docker", "stack", "deploy", "--detach=true", "--prune", "--with-registry-auth",
         "-c", "-", stack["Name"]],
        input=stack["file"], text=True, capture_output=True,
        env=os.environ | {one["name"]: one["value"] for one in stack["Env"]},
    )  # fmt: skip
    with LOCK:
        held = load()
        if number in held["stacks"]:
            stack = held["stacks"][number]
            stack["Status"] = ERROR if done.returncode else ACTIVE
            entry = {"Status": stack["Status"], "Message": done.stderr.strip()}
            stack["DeploymentStatus"] = [entry]
            save(held)


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.raw = self.rfile.read(length)
        url = urlparse(self.path)
        self.query = parse_qs(url.query)
        for method, pattern, open_to_all, answer in ROUTES:
            found = re.fullmatch(pattern, url.path)
            if not found or method != self.command:
                continue
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if not open_to_all and token not in TOKENS:
                self.tell(401, {"message": "Unauthorized", "details": "Invalid JWT token"})
                return
            answer(self, *found.groups())
            return
        self.tell(404, {"message": "not found", "details": url.path})

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    @property
    def body(self) -> dict:
        return json.loads(self.raw)

    def tell(self, status: int, body: object) -> None:
        text = b"" if status == 204 else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def status(self) -> None:
        self.tell(200, {"Version": "2.45.1", "InstanceID": "e2e"})

    def auth(self) -> None:
        if self.body != {"Username": "admin", "Password": PASSWORD}:
            self.tell(422, {"message": "Invalid credentials", "details": "Unauthorized"})
            return
        token = secrets.token_hex(16)
        TOKENS.add(token)
        self.tell(200, {"jwt": token})

    def endpoints(self) -> None:
        self.tell(200, load()["endpoints"])

    def add_endpoint(self) -> None:
        with LOCK:
            held = load()
            held["endpoints"] = [{"Id": 1, "Name": "primary", "Type": 1}]
            save(held)
        self.tell(200, held["endpoints"][0])

    def swarm(self, _: str) -> None:
        docker = Docker("docker")
        docker.request("GET", "/swarm")
        got = docker.getresponse()
        self.tell(got.status, json.loads(got.read()))

    def stacks(self) -> None:
        self.tell(200, [shown(stack) for stack in load()["stacks"].values()])

    def file(self, number: str) -> None:
        self.tell(200, {"StackFileContent": load()["stacks"][number]["file"]})

    def create(self) -> None:
        with LOCK:
            held, body = load(), self.body
            name = body["Name"].lower()
            if any(stack["Name"] == name for stack in held["stacks"].values()):
                self.tell(409, {"message": f"A stack with the name '{name}' already exists"})
                return
            number = str(held["next"])
            held["next"] += 1
            held["stacks"][number] = {
                "Id": int(number), "Name": name, "EndpointId": 1, "SwarmId": body["SwarmID"],
                "Type": 1, "Env": body["Env"], "file": body["StackFileContent"],
                "Status": DEPLOYING, "DeploymentStatus": [],
            }  # fmt: skip
            save(held)
        Thread(target=deploy, args=(number,)).start()
        self.tell(200, shown(held["stacks"][number]))

    def update(self, number: str) -> None:
        with LOCK:
            held, body = load(), self.body
            stack = held["stacks"][number]
            stack |= {"file": body["StackFileContent"], "Env": body["Env"], "Status": DEPLOYING}
            save(held)
        Thread(target=deploy, args=(number,)).start()
        self.tell(200, shown(stack))

    def delete(self, number: str) -> None:
        with LOCK:
            held = load()
            stack = held["stacks"].get(number)
            if stack is None:
                self.tell(404, {"message": "Unable to find a stack"})
                return
            subprocess.run(["docker", "stack", "rm", stack["Name"]], check=False)
            del held["stacks"][number]
            save(held)
        self.tell(204, None)

    def log_message(self, *_: object) -> None:
        """Nothing: what travels here holds passwords."""


def shown(stack: dict) -> dict:
    return {key: value for key, value in stack.items() if key != "file"}


ROUTES = [
    ("GET", "/api/system/status", True, Api.status),
    ("POST", "/api/auth", True, Api.auth),
    ("GET", "/api/endpoints", False, Api.endpoints),
    ("POST", "/api/endpoints", False, Api.add_endpoint),
    ("GET", r"/api/endpoints/(\d+)/docker/swarm", False, Api.swarm),
    ("GET", "/api/stacks", False, Api.stacks),
    ("POST", "/api/stacks/create/swarm/string", False, Api.create),
    ("GET", r"/api/stacks/(\d+)/file", False, Api.file),
    ("PUT", r"/api/stacks/(\d+)", False, Api.update),
    ("DELETE", r"/api/stacks/(\d+)", False, Api.delete),
]
ThreadingHTTPServer(("", 9000), Api).serve_forever()
