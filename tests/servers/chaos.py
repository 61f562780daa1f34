#!/usr/bin/env python3
"""Workers of the order service on one database server: killed, stopped and continued at random, the server restarted, the books balanced.

    chaos.py ORDER postgres|mysql [--seconds 60] [--seed N] [--workers 3]

Starts a private server and `order work` so many times, and places orders without end. Meanwhile workers die (kill -9) or stand still for
longer than their heartbeat may (SIGSTOP, SIGCONT), and the server is restarted twice. At the end everything that was begun must be over:
every order final, stock and money conserved, no effect twice, nothing prepared. Exit status 1 if not. The same seed makes the same plan.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

spec = importlib.util.spec_from_file_location("servers", pathlib.Path(__file__).with_name("servers.py"))
servers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(servers)

ARTICLES = ["mug", "teapot", "plate", "bowl", "kettle", "spoon", "candle", "lamp", "vase", "clock", "blanket", "basket"]
CUSTOMERS = ["ada", "alan", "barbara", "bjarne", "carol", "dennis", "dorothy", "donald", "edsger", "emmy", "oliver", "paula", "quentin"]
DATABASES = ["weft", "orders", "stock", "accounts"]


class chaos:
    def __init__(self, arguments):
        self.order, self.kind, self.seconds, self.workers = arguments.order, arguments.server, arguments.seconds, arguments.workers
        self.random = random.Random(arguments.seed)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="weft-chaos-"))
        self.home.chmod(0o755)
        make = servers.Postgres if self.kind == "postgres" else servers.Mariadb
        self.server = make(self.home, servers.free_port(), secrets.token_hex(8), False)
        self.url = self.server.url.rsplit("/", 1)[0] + "/shop"
        self.running, self.loaders, self.placed = [], [], 0
        self.counts = {"killed": 0, "stopped": 0, "loaders killed": 0, "server restarts": 0}
        self.began = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def sql(self, text, database="", check=True):
        if self.kind == "postgres":
            command = [f"{self.server.bin}psql", "-qAt", "-h", "127.0.0.1", "-p", str(self.server.port), "-U", "weft", database or "postgres", "-c", text]
        else:
            command = ["mariadb", "-N", "-h127.0.0.1", f"-P{self.server.port}", "-uweft", f"-p{self.server.password}", "-e", text, database or "mysql"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=check,
                              env={**os.environ, "PGPASSWORD": self.server.password}).stdout

    def run_order(self, *arguments, timeout=300):
        return subprocess.run([self.order, *arguments, "--server", self.url], capture_output=True, text=True, timeout=timeout)

    def orders(self, n):
        path = self.home / f"orders-{self.placed}.jsonl"
        with open(path, "w") as f:
            for i in range(n):
                quantity = self.random.randint(1, 3)
                f.write(json.dumps({"id": f"c-{self.placed + i:06}", "customer": self.random.choice(CUSTOMERS), "article": self.random.choice(ARTICLES),
                                    "quantity": quantity, "cents": quantity * self.random.randint(100, 3000)}) + "\n")
        self.placed += n
        return path

    def start_worker(self, i):
        log = open(self.home / f"worker-{i}.log", "ab")
        self.running[i:i + 1] = [subprocess.Popen([self.order, "work", "--server", self.url], stdin=subprocess.DEVNULL, stdout=log, stderr=log)]

    def start_loader(self):
        path = self.orders(self.random.randint(200, 600))
        log = open(self.home / "loader.log", "ab")
        self.loaders.append((path, subprocess.Popen([self.order, "load", str(path), "--server", self.url, "--in-flight", "32"],
                                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)))

    def prepare(self):
        self.server.create()
        self.server.start()
        for name in DATABASES:
            self.sql(f"CREATE DATABASE shop_{name}")
        first = self.run_order("load", str(self.orders(1)))
        if first.returncode != 0:
            raise SystemExit(f"chaos: the first order failed: {first.stdout}{first.stderr}")
        # Enough for all: that orders roll back is left to the poor customers and to chance.
        self.sql("UPDATE stock SET on_hand = on_hand + 1000000, opening = opening + 1000000", "shop_stock")
        self.sql("UPDATE accounts SET balance = balance + 1000000000, opening = opening + 1000000000 WHERE opening > 1000000", "shop_accounts")

    def torment(self):
        end = time.monotonic() + self.seconds
        restarts = [self.began + self.seconds * f for f in (0.35, 0.7)]
        stopped = []  # (when to continue, process)
        while time.monotonic() < end:
            now = time.monotonic()
            for i in range(self.workers):
                if self.running[i].poll() is not None:
                    self.start_worker(i)
            self.loaders = [l for l in self.loaders if l[1].poll() is None] + [l for l in self.loaders if l[1].poll() not in (None, 0)]
            if sum(l[1].poll() is None for l in self.loaders) == 0:
                self.start_loader()
            for due, process in [s for s in stopped if s[0] <= now]:
                process.send_signal(signal.SIGCONT)
                stopped.remove((due, process))
            if restarts and now >= restarts[0]:
                restarts.pop(0)
                hard = self.random.random() < 0.5
                self.say("the server is " + ("killed and started" if hard else "stopped and started"))
                if hard:
                    self.server.process.kill()
                    self.server.process.wait(20)
                else:
                    servers.end(self.server)
                time.sleep(self.random.uniform(0, 2))
                self.server.start()
                self.counts["server restarts"] += 1
            dice = self.random.random()
            victim = self.random.choice(self.running)
            if dice < 0.25:
                victim.kill()
                victim.wait(10)
                stopped = [s for s in stopped if s[1] is not victim]
                self.counts["killed"] += 1
            elif dice < 0.45 and not any(s[1] is victim for s in stopped) and len(stopped) < self.workers - 1:
                victim.send_signal(signal.SIGSTOP)
                stopped.append((now + self.random.uniform(5, 9), victim))
                self.counts["stopped"] += 1
            elif dice < 0.55 and self.loaders and self.loaders[-1][1].poll() is None:
                self.loaders[-1][1].kill()
                self.loaders[-1][1].wait(10)
                self.counts["loaders killed"] += 1
            time.sleep(self.random.uniform(0.3, 1.5))
        for _, process in stopped:
            process.send_signal(signal.SIGCONT)

    def settle(self):
        self.say(f"the storm is over: {self.placed} orders placed, " + ", ".join(f"{n} {what}" for what, n in self.counts.items()))
        for i in range(self.workers):
            if self.running[i].poll() is not None:
                self.start_worker(i)
        for _, loader in self.loaders:
            if loader.poll() is None:
                loader.terminate()
                loader.wait(60)
        # What a loader had in hand when it was killed may never have begun; what had begun must end, with nobody asking for it.
        until = time.monotonic() + 120
        while time.monotonic() < until:
            done = self.run_order("status", "--json")
            if done.returncode == 0 and json.loads(done.stdout)["unfinished"] == 0:
                return json.loads(done.stdout)
            time.sleep(0.5)
        raise SystemExit("chaos: orders are left unfinished\n" + self.run_order("list", "--unfinished").stdout)

    def judge(self, standing):
        audit = self.run_order("audit")
        print(audit.stdout + audit.stderr, end="")
        prepared = self.sql("SELECT gid FROM pg_prepared_xacts" if self.kind == "postgres" else "XA RECOVER").strip()
        # The log of a worker that was stopped says that it was fenced, or taken for dead.
        fenced = sum(len(re.findall("fenced|taken for dead", p.read_text(errors="replace"))) for p in self.home.glob("worker-*.log"))
        self.say(f"{standing['committed']} committed, {standing['rolled_back']} rolled back; {fenced} times a worker was fenced or taken for dead; "
                 + (f"left prepared: {prepared}" if prepared else "nothing is left prepared"))
        return audit.returncode == 0 and not prepared

    def run(self):
        try:
            self.prepare()
            self.running = [None] * self.workers
            for i in range(self.workers):
                self.start_worker(i)
            self.torment()
            well = self.judge(self.settle())
        finally:
            for process in [p for p in self.running if p] + [l[1] for l in self.loaders]:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                    process.wait(10)
            servers.end(self.server)
        if well:
            shutil.rmtree(self.home, ignore_errors=True)
        else:
            print(f"chaos: see {self.home}")
        return 0 if well else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("order")
    parser.add_argument("server", choices=["postgres", "mysql"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.randrange(1 << 32)
    arguments.order = os.path.abspath(arguments.order)
    print(f"chaos: {arguments.server}, {arguments.seconds:.0f} s, {arguments.workers} workers, --seed {arguments.seed}", flush=True)
    sys.exit(chaos(arguments).run())


if __name__ == "__main__":
    main()
