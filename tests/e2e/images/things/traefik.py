#!/usr/bin/python3
"""A proxy in place of Traefik: routes by the labels of the swarm's services."""

import http.client
import json
import re
import ssl
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import URLError

FLAGS = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
RULE = re.compile(r"Host\(`([^`]+)`\)")
PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port")
LIVE = "http://127.0.0.1:8080/ping"
PASSED = ("Host", "Authorization")
CERTIFICATE, KEY = "/etc/e2e/certificate.pem", "/etc/e2e/key.pem"


def ask(path: str) -> list[dict]:
    docker = FLAGS["providers.swarm.endpoint"].replace("tcp://", "http://")
    with urllib.request.urlopen(f"{docker}{path}", timeout=5) as answer:
        return json.load(answer)


def way(host: str) -> tuple[str, int, bool] | None:
    """Address and port of a running task of a host name's service, and whether it is gated."""
    networks = {one["Id"]: one["Name"] for one in ask("/networks")}
    for service in ask("/services"):
        labels = service["Spec"].get("Labels") or {}
        rules = [value for key, value in labels.items() if key.endswith(".rule")]
        if labels.get("traefik.enable") != "true" or not any(
            host in RULE.findall(rule) for rule in rules
        ):
            continue
        port = next((int(value) for key, value in labels.items() if PORT.fullmatch(key)), None)
        wanted = labels.get("traefik.swarm.network", FLAGS["providers.swarm.network"])
        for task in ask("/tasks"):
            if task["ServiceID"] != service["ID"] or task["Status"]["State"] != "running":
                continue
            for attached in task.get("NetworksAttachments") or []:
                if networks.get(attached["Network"]["ID"]) == wanted and port:
                    gated = any(key.endswith(".basicauth.users") for key in labels)
                    return attached["Addresses"][0].split("/")[0], port, gated
    return None


class Front(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            found = way((self.headers["Host"] or "").split(":")[0])
        except URLError:
            found = None
        if found is None:
            self.answer(404, b"404 page not found\n")
            return
        # Who comes with any password passes: only that there is a gate is of interest.
        if found[2] and not self.headers["Authorization"]:
            self.answer(401, b"401 Unauthorized\n")
            return
        try:
            behind = http.client.HTTPConnection(*found[:2], timeout=10)
            passed = {key: self.headers[key] for key in PASSED if key in self.headers}
            behind.request("GET", self.path, headers=passed)
            got = behind.getresponse()
            self.answer(got.status, got.read())
        except OSError:
            self.answer(502, b"Bad Gateway")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ToHttps(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()


class Ping(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def main() -> None:
    if "healthcheck" in sys.argv:
        with urllib.request.urlopen(LIVE, timeout=3):
            return
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(CERTIFICATE, KEY)
    front = ThreadingHTTPServer(("", 443), Front)
    front.socket = secured.wrap_socket(front.socket, server_side=True)
    for server in (ThreadingHTTPServer(("", 80), ToHttps), ThreadingHTTPServer(("", 8080), Ping)):
        Thread(target=server.serve_forever, daemon=True).start()
    front.serve_forever()


main()
