#!/usr/bin/env python3
"""Clients that mean harm: scripts/hostile.py CASE HOST PORT [COUNT]. Prints one JSON object.

Each case opens COUNT connections of its kind (1 without it) and reports what they were answered:
a status, "closed" where the connection ended without one, "silent" where nothing came in 20 s."""

import collections
import gzip
import json
import socket
import sys
import time

HEAD = "Host: localhost\r\nContent-Type: application/json\r\n"


def connect(host, port):
    last = None
    for _ in range(50):
        try:
            return socket.create_connection((host, port), timeout=20)
        except OSError as error:
            last = error
            time.sleep(0.1)
    raise last


def outcome(connection, close=True):
    try:
        answer = connection.recv(4096)
    except (TimeoutError, socket.timeout):
        return "silent"
    except OSError:
        return "closed"
    finally:
        if close:
            connection.close()
    if not answer:
        return "closed"
    return answer.split(b" ")[1].decode(errors="replace")


def send(connection, data):
    """As much as is taken: a refusal may come before the end."""
    try:
        connection.sendall(data)
    except OSError:
        pass


def large_header(connection):
    send(connection, ("GET /v1 HTTP/1.1\r\nHost: localhost\r\nX: " + "y" * 40_000 + "\r\n\r\n").encode())


def many_headers(connection):
    headers = "".join(f"X-{n}: y\r\n" for n in range(5000))
    send(connection, ("GET /v1 HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n").encode())


def lying_length(connection):
    """Promises a body and stays away from it."""
    send(connection, ("POST /v1/probes HTTP/1.1\r\n" + HEAD + "Content-Length: 100000\r\n\r\n{").encode())


def short_length(connection):
    """More body than was said: the rest must not be read as a request that is obeyed."""
    send(connection, ("POST /v1/probes HTTP/1.1\r\n" + HEAD + "Content-Length: 2\r\n\r\n{}"
                      + "NONSENSE\r\n\r\n").encode())


def gzip_bomb(connection):
    body = gzip.compress(b"\0" * (512 << 20), 9) if not hasattr(gzip_bomb, "body") else gzip_bomb.body
    gzip_bomb.body = body
    send(connection, ("PUT /v1/programs/bomb HTTP/1.1\r\nHost: localhost\r\n"
                      "Content-Type: application/octet-stream\r\nContent-Encoding: gzip\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n").encode() + body)


def chunk_extension(connection):
    send(connection, ("POST /v1/probes HTTP/1.1\r\n" + HEAD + "Transfer-Encoding: chunked\r\n\r\n2;x=").encode()
         + b"y" * (1 << 20) + b"\r\n{}\r\n0\r\n\r\n")


def endless_chunks(connection):
    send(connection, ("POST /v1/probes HTTP/1.1\r\n" + HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode()
         + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 600)


def silent(connection):
    """Connects and says nothing."""


CASES = [large_header, many_headers, lying_length, short_length, gzip_bomb, chunk_extension,
         endless_chunks, silent]


def main():
    case, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if case == "streams":
        # Takes a stream and reads nothing more, until it is told to end.
        open_ones = []
        for _ in range(count):
            connection = connect(host, port)
            send(connection, b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            open_ones.append(connection)
        print(json.dumps({"open": sum(outcome(c, close=False) == "200" for c in open_ones)}), flush=True)
        sys.stdin.read()
        time.sleep(3600)
        return
    run = {function.__name__: function for function in CASES}[case]
    connections = [connect(host, port) for _ in range(count)]
    for connection in connections:
        run(connection)
    print(json.dumps(collections.Counter(outcome(connection) for connection in connections)))


main()
