#!/usr/bin/python3
"""A web app in place of Umami: it answers only if its role's query answers."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

ASK = "SELECT current_user, current_database()"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            with psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=3) as database:
                cursor = database.cursor()
                cursor.execute(ASK)
                user, name = cursor.fetchone()
            status, told = 200, {"user": user, "database": name}
        except psycopg2.Error as error:
            status, told = 503, {"error": str(error)}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 3000), Page).serve_forever()
