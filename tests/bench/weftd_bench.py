#!/usr/bin/env python3
"""How fast weftd is: a process of its own, and the load in another. docs/performance.md says how to read it.

    weftd_bench.py DIR [--store sqlite|URL] [--steps none|http] [--connections 64] [--seconds 5] [--rounds 5]
    weftd_bench.py DIR --sagas 1000000       one weftd for so many sagas: its memory on the way, and the size of the file
    weftd_bench.py DIR --idle 10000          its memory with so many connections that say nothing

DIR is a build directory (build/release). Needs wrk. Sagas have two steps and are submitted with wait_result; without addresses (none), or with
those of a service on the same machine (http). Each round has a fresh store, and a bare loop of SQL beside it: weft_bench --scenario bare.
What the rest of the machine did meanwhile is printed: figures taken on a busy one say little. A database server is part of the rest.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

TICK = os.sysconf("SC_CLK_TCK")
LUA = pathlib.Path(__file__).with_name("saga.lua")


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_machine():
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def status_mib(pid, what):
    return int(re.search(rf"{what}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class weftd:
    """Started, and stopped at the end of the block."""

    def __init__(self, build, store, under):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="weftd-bench-", dir=under))
        url = "sqlite://weft.db" if store == "sqlite" else f"{store}?table_prefix=bench_{secrets.token_hex(4)}_"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([build / "src/weftd/weftd"], cwd=self.home, stdin=subprocess.DEVNULL,
                                        env={"PATH": os.environ["PATH"], "HTTP_PORT": str(port), "STORE_URL": url, "LOG_LEVEL": "warn",
                                             "WEFT_IDLE_TIMEOUT": "600", "no_proxy": "127.0.0.1"})
        self.pid = self.process.pid
        for _ in range(400):
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(self.url + "/api/ping", timeout=5).close()
            time.sleep(0.05)
        raise SystemExit("weftd_bench: weftd does not answer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def start_load(server, connections, seconds, *more):
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", LUA, server.url, "--", *more], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def result_of(load):
    text, _ = load.communicate()
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if not found or int(found.group(3)):
        raise SystemExit("weftd_bench: wrk failed, or not every saga succeeded\n" + text)
    sagas, micros, _, p50, p99, p999 = map(int, found.groups())
    return sagas, micros / 1e6, [p / 1e3 for p in (p50, p99, p999)]


def one_round(build, arguments, actions):
    with weftd(build, arguments.store, arguments.directory) as server:
        result_of(start_load(server, arguments.connections, 1, *actions))  # warm
        cpu, machine = cpu_of(server.pid), cpu_of_machine()
        began = time.monotonic()
        load = start_load(server, arguments.connections, arguments.seconds, *actions)
        while load.poll() is None and time.monotonic() < began + arguments.seconds - 0.1:
            own = cpu_of(load.pid)
            time.sleep(0.1)
        sagas, seconds, latency = result_of(load)
        used = cpu_of(server.pid) - cpu
        took = time.monotonic() - began
        rest = (cpu_of_machine() - machine - used - own) / took
    bare = json.loads(subprocess.run([build / "tests/bench/weft_bench", "--scenario", "bare", "--store", arguments.store, "--in-flight",
                                      str(arguments.connections), "--seconds", "2", "--dir", arguments.directory],
                                     check=True, capture_output=True, text=True).stdout)
    return {"sagas_per_s": sagas / seconds, "cpu_us": used / sagas * 1e6, "p50": latency[0], "p99": latency[1], "p999": latency[2],
            "rest_cores": max(rest, 0), **bare}


def throughput(build, arguments):
    actions, service = [], None
    if arguments.steps == "http":
        service = subprocess.Popen([build / "tests/bench/yes_service"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        actions = [service.stdout.readline().strip() + "/step"]
    rounds = []
    try:
        for _ in range(arguments.rounds):
            r = one_round(build, arguments, actions)
            rounds.append(r)
            bare = f"bare sagas {r['bare_sagas_per_s']:6.0f}/s, ratio {r['sagas_per_s'] / r['bare_sagas_per_s']:.2f}; " if r["bare_sagas_per_s"] else ""
            print(f"{r['sagas_per_s']:8.0f} sagas/s   {r['cpu_us']:6.1f} us of processor each   p50/p99/p999 {r['p50']:.1f} / {r['p99']:.1f} / {r['p999']:.1f} ms   "
                  f"{bare}bare workflows {r['bare_per_s']:.0f}/s, ratio {r['sagas_per_s'] / r['bare_per_s']:.2f}   the rest used {r['rest_cores']:.2f} cores", flush=True)
    finally:
        if service:
            service.stdin.close()
            service.wait(10)
    middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    print(f"median: {middle['sagas_per_s']:.0f} sagas/s, {middle['cpu_us']:.1f} us, {middle['p50']:.1f} / {middle['p99']:.1f} / {middle['p999']:.1f} ms, "
          f"bare sagas {middle['bare_sagas_per_s']:.0f}/s, bare workflows {middle['bare_per_s']:.0f}/s, the rest {middle['rest_cores']:.2f} cores; "
          f"best {max(r['sagas_per_s'] for r in rounds):.0f}")


def many(build, arguments):
    with weftd(build, arguments.store, arguments.directory) as server:
        done, began, portion = 0, time.monotonic(), 100_000
        print(f"{done:9} sagas   {status_mib(server.pid, 'VmRSS'):6.1f} MiB", flush=True)
        while done < arguments.sagas:
            load, base = start_load(server, arguments.connections, 3600), done
            metric = 0
            while base + metric < min(arguments.sagas, (done // portion + 1) * portion):
                time.sleep(0.2)
                metric = finished(server) - base
            load.send_signal(signal.SIGINT)
            load.wait()
            done = base + metric
            size = sum(f.stat().st_size for f in server.home.iterdir()) / 2**20
            print(f"{done:9} sagas   {status_mib(server.pid, 'VmRSS'):6.1f} MiB   peak {status_mib(server.pid, 'VmHWM'):6.1f}   files {size:8.1f} MiB   "
                  f"{done / (time.monotonic() - began):6.0f} sagas/s so far", flush=True)


def finished(server):
    with urllib.request.urlopen(server.url + "/api/metrics", timeout=30) as answer:
        found = re.findall(r'^dtm_transaction_process_total\{.*status="(?:ok|succeed)".*\} (\d+)', answer.read().decode(), re.M)
    return sum(map(int, found))


def idle(build, arguments):
    with weftd(build, arguments.store, arguments.directory) as server:
        before = status_mib(server.pid, "VmRSS")
        clients = subprocess.Popen([next(build.glob("tests/*/idle_clients")), server.url.rsplit(":", 1)[1], str(arguments.idle)], stdout=subprocess.PIPE, text=True)
        print(clients.stdout.readline().strip())
        after = status_mib(server.pid, "VmRSS")
        clients.kill()
        clients.wait()
        print(f"{arguments.idle} connections: {after:.1f} MiB, {before:.1f} without; {(after - before) * 1024 / arguments.idle:.2f} KiB each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--steps", choices=["none", "http"], default="none")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", default=".", help="where the databases are made: measure the disk you mean")
    parser.add_argument("--sagas", type=int)
    parser.add_argument("--idle", type=int)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    if arguments.sagas:
        many(build, arguments)
    elif arguments.idle:
        idle(build, arguments)
    else:
        throughput(build, arguments)


if __name__ == "__main__":
    main()
