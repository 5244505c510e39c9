#!/usr/bin/python3
"""Docker's API over TCP, in place of docker-socket-proxy: what its environment allows."""

import http.client
import os
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ALWAYS = ("_ping", "version", "events")
ALLOWED = [*ALWAYS, *(name.lower() for name, value in os.environ.items() if value == "1")]
PATH = re.compile(r"^(?:/v[0-9.]+)?/([a-z_]+)")


class Docker(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


class Proxy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = PATH.match(self.path)
        if not found or found[1] not in ALLOWED:
            self.send_error(403)
            return
        docker = Docker("docker")
        docker.request("GET", self.path)
        answer = docker.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 2375), Proxy).serve_forever()
