#!/usr/bin/env python3
"""What attacks cost a server: the table of docs/security.md.

    hostile.py WEFTD            a line for each attack: the most memory that weftd had (VmHWM), and what an honest client met

Each attack has a weftd of its own, with a SQLite file, on loopback.
"""
import http.client
import http.server
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOKEN = "the-secret-of-the-honest"
MIB = 1 << 20


class participant(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


PARTICIPANT = http.server.ThreadingHTTPServer(("127.0.0.1", 0), participant)
threading.Thread(target=PARTICIPANT.serve_forever, daemon=True).start()


class server:
    def __init__(self, weftd, conf="", open_files=None):
        self.directory = tempfile.TemporaryDirectory()
        path = lambda name: os.path.join(self.directory.name, name)
        with open(path("conf.yml"), "w") as f:
            f.write(f"HttpPort: 0\nStore: {{Path: {path('weft.db')}}}\nLog: {{Outputs: {path('log')}}}\n{conf}")
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, open_files)) if open_files else None
        self.process = subprocess.Popen([weftd, "-c", path("conf.yml")], preexec_fn=limit)
        self.port = 0
        for _ in range(200):
            try:
                log = open(path("log")).read()
            except FileNotFoundError:
                log = ""
            if "listening on " in log and ";" in log.split("listening on ")[1]:
                self.port = int(log.split("listening on ")[1].split(";")[0].rsplit(":", 1)[1])
                break
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.directory.cleanup()

    def peak(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM:"))

    def ask(self, method, target, body=None, timeout=120, source=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=source)
        try:
            c.request(method, target, body, {"Authorization": "Bearer " + TOKEN})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def hold(self, data, connections):
        held = []
        for _ in range(connections):
            s = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            try:
                s.sendall(data)
            except OSError:
                pass
            held.append(s)
        return held


def post(target, length):
    return (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").encode() + b" " * (length - 1)


def honest(s, source=None):
    """What an honest client meets: how long a saga of two branches takes."""
    began = time.monotonic()
    try:
        step = {"action": f"http://127.0.0.1:{PARTICIPANT.server_port}/", "compensate": ""}
        saga = {"gid": f"honest-{time.monotonic_ns()}", "trans_type": "saga", "wait_result": True, "steps": [step, step], "payloads": ["", ""]}
        status, body = s.ask("POST", "/api/dtmsvr/submit", json.dumps(saga), timeout=60, source=source)
        return f"{status} after {time.monotonic() - began:.2f} s"
    except OSError as e:
        return f"nothing ({type(e).__name__}) after {time.monotonic() - began:.1f} s"


def open_routes(weftd):
    with server(weftd, f"Weft: {{BearerTokens: [{TOKEN}]}}\n") as s:
        held = s.hold(post("/api/ping", 4 * MIB), 150)
        return s.peak(), honest(s)


def fields(weftd):
    with server(weftd, f"Weft: {{BearerTokens: [{TOKEN}]}}\n") as s:
        held = s.hold(b"POST /api/ping HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n" + b"a:\r\n" * 3_900 + b"\r\n", 500)
        time.sleep(3)
        return s.peak(), honest(s)


def bodies(weftd):
    with server(weftd) as s:
        held = s.hold(post("/api/dtmsvr/submit", 4 * MIB), 150)
        return s.peak(), honest(s)


def extensions(weftd):
    with server(weftd) as s:
        head = b"POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;x="
        held = s.hold(head + b"x" * (100 * MIB), 4)
        return s.peak(), honest(s)


def long_pages(weftd):
    with server(weftd) as s:
        c = http.client.HTTPConnection("127.0.0.1", s.port)
        for i in range(4000):
            c.request("POST", "/api/dtmsvr/prepare", json.dumps({"gid": f"g{i}", "trans_type": "tcc", "custom_data": json.dumps({"x": "x" * 100_000})}))
            c.getresponse().read()
        told = []
        t = threading.Thread(target=lambda: told.append(len(s.ask("GET", "/api/dtmsvr/all?limit=10000")[1])))
        t.start()
        time.sleep(0.2)
        met = honest(s)
        t.join()
        return s.peak(), f"{met}; the page has {told[0] / MIB:.1f} MiB"


def headers(weftd):
    with server(weftd) as s:
        step = {"action": f"http://127.0.0.1:{PARTICIPANT.server_port}/", "compensate": ""}
        saga = {"gid": "h", "trans_type": "saga", "steps": [step], "payloads": [""], "branch_headers": {f"h{i}": "v" for i in range(100_000)}}
        t = threading.Thread(target=lambda: s.ask("POST", "/api/dtmsvr/submit", json.dumps(saga)))
        t.start()
        time.sleep(0.2)
        met = honest(s)
        t.join()
        return s.peak(), met


def idle(weftd):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with server(weftd, f"Weft: {{BearerTokens: [{TOKEN}]}}\n", (1024, hard)) as s:
        held = s.hold(b"", 1100)
        return s.peak(), honest(s)


def idle_for_good(weftd):
    with server(weftd, f"Weft: {{BearerTokens: [{TOKEN}]}}\n", (1024, 1024)) as s:
        held = s.hold(b"", 1100)
        return s.peak(), honest(s, ("127.0.0.2", 0))


ATTACKS = {
    "500 headers of 3,900 empty fields, before a body that does not come": fields,
    "150 bodies of 4 MiB for `/api/ping`, without a token": open_routes,
    "150 bodies of 4 MiB for `submit`": bodies,
    "4 chunks with extensions of 100 MiB": extensions,
    "`/all?limit=10000` of 4,000 rows of 100 kB": long_pages,
    "a saga with 100,000 `branch_headers`": headers,
    "1,100 idle connections, 1,024 files (more if asked for)": idle,
    "1,100 idle connections, 1,024 files and no more": idle_for_good,
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, attack in ATTACKS.items():
        peak, met = attack(sys.argv[1])
        print(f"| {name} | {peak} MiB; {met} |", flush=True)


main()
