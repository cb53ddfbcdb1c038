#!/usr/bin/python3
"""Answer every request with this server's name and the greeting that the database keeps."""

import json
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pymysql


def greeting() -> str:
    """Ask the database."""
    connection = pymysql.connect(
        host=os.environ["DATABASE_HOST"],
        user="greeter",
        password=os.environ["DATABASE_PASSWORD"],
        database="greeter",
        connect_timeout=5,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM greeting")
        (text,) = cursor.fetchone()
        return text


class Greeter(BaseHTTPRequestHandler):
    """The application."""

    def do_GET(self) -> None:
        """Greet, or say why not."""
        try:
            status, answer = 200, {"server": socket.gethostname(), "greeting": greeting()}
        except pymysql.Error as error:
            status, answer = 503, {"server": socket.gethostname(), "error": str(error)}
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Greeter).serve_forever()
