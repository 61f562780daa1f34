#!/usr/bin/env python3
"""weftd under load, killed with -9 at random and started again; the books balanced.

    chaos.py WEFTD sqlite|postgres|mysql [--seconds 60] [--seed N] [--weftds 1] [--strangers] [--expect-violation barrier|lost]

Clients submit sagas, tccs and messages without end, to a bank that says no, not yet or nothing at random (chaos_participant.py); some of them
walk away in the middle. Every two seconds at most weftd is killed, and started on the same port and store. At the end everything that was accepted,
and everything else that is in the store, must be over, with the effect of its status and no other, and no cent missing.
Exit status 1 if not. The same seed makes the same plans; when which of them meets a kill is up to the machine.

--strangers: nobody is killed. For a third of the time all is as above, then requests are mixed in that mean no good: bodies that do not end, a megabyte
of brackets, headers without number, long pages, garbage, idle connections. No engine may be taken for dead, and an honest client, who waits for sagas
of two branches that answer at once, may wait for three times as long at most (99 of 100 times), compared with the first third.

--expect-violation shows that this can fail: `barrier` has a bank without one, `lost` has a transaction removed from the store (a SQLite
file). Then the exit status is 0 if the audit says so, and 1 if not.

WEFT_TEST_NAMES is the resolver of the tests (tests/support/names.cpp), preloaded into weftd, so that it calls the bank by name.
Servers: WEFT_SERVERS names the directory of the run's (tests/servers/servers.py), or WEFT_POSTGRES and WEFT_MYSQL say where they are.
"""

import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from chaos_participant import ACCOUNTS, CLOSED, OPENING

PATIENCE_S = 60      # with a weftd that is started again and again
SETTLING_S = 120


class Failed(Exception):
    pass


def free_port():
    """Below those that the system gives to outgoing connections: while weftd is dead none of them may take its place."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest - 12_000, lowest)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port


def store_url(kind):
    if kind == "sqlite":
        return "sqlite://weft.db"
    name = "WEFT_POSTGRES" if kind == "postgres" else "WEFT_MYSQL"
    addresses = os.environ
    if directory := os.environ.get("WEFT_SERVERS"):
        addresses = dict(line.split("=", 1) for line in (pathlib.Path(directory) / "addresses").read_text().splitlines())
    if name not in addresses:
        raise SystemExit(f"chaos: there is neither WEFT_SERVERS nor {name}; try tests/servers/servers.py run …")
    return f"{addresses[name]}?table_prefix=chaos_{secrets.token_hex(4)}_"


class plan:
    """What a client knows of a transaction."""

    def __init__(self, gid, kind):
        self.gid, self.kind, self.accepted, self.must = gid, kind, False, None

    def must_be(self, status, because):
        if self.must and self.must[0] != status:
            raise Failed(f"{self.gid} was told to be {self.must[0]} ({self.must[1]}) and {status} ({because})")
        self.must = (status, because)


class connection:
    """Keeps alive; says None if no answer came."""

    def __init__(self, url):
        self.host, self.open = urllib.parse.urlsplit(url).netloc, None

    def ask(self, method, path, body=None, timeout=10):
        try:
            if self.open is None:
                self.open = http.client.HTTPConnection(self.host, timeout=timeout)
            self.open.request(method, path, None if body is None else json.dumps(body))
            reply = self.open.getresponse()
            return reply.status, reply.read().decode()
        except (OSError, http.client.HTTPException):
            if self.open:
                self.open.close()
            self.open = None
            return None


class client(threading.Thread):
    def __init__(self, outer, number):
        super().__init__(daemon=True)
        self.outer, self.number, self.random = outer, number, random.Random(f"{outer.seed}/{number}")
        self.weftd, self.bank = connection(outer.url(self.random.choice(outer.ports))), connection(outer.bank_url)
        self.plans, self.trouble, self.repeats = [], None, 0

    def run(self):
        try:
            while not self.outer.over.wait(self.random.expovariate(self.outer.rate)):
                kind = self.random.choice(["saga", "saga", "tcc", "msg"])
                p = plan(f"{kind}-{self.number}-{len(self.plans)}", kind)
                self.plans.append(p)
                getattr(self, kind)(p)
        except Exception as e:
            self.trouble = e

    # --- the verbs -------------------------------------------------------------------------------------------------

    def tell(self, verb, p, **more):
        """Until there is an answer, whoever was killed meanwhile. A 409 says that the transaction is there, and not that it failed."""
        body = {"gid": p.gid, "trans_type": p.kind, **more}
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            answer = self.weftd.ask("POST", f"/api/dtmsvr/{verb}", body)
            if answer is None:
                self.repeats += 1
                time.sleep(0.02)
                continue
            if answer[0] not in (200, 409):
                raise Failed(f"{verb} {p.gid}: {answer[0]} {answer[1]}")
            if verb != "abort" or answer[0] == 200:
                p.accepted = True
            return answer[0]
        raise Failed(f"{verb} {p.gid}: no answer in {PATIENCE_S} s")

    def call(self, path, p, branch_id, op, account, cents):
        """What a client calls itself: None if nobody knows what became of it."""
        query = urllib.parse.urlencode({"gid": p.gid, "trans_type": p.kind, "branch_id": branch_id, "op": op})
        answer = self.bank.ask("POST", f"{path}?{query}", {"account": account, "cents": cents})
        return answer[0] if answer and answer[0] in (200, 409) else None

    def submit(self, p, **more):
        wait = self.random.random() < 0.5
        if self.tell("submit", p, wait_result=wait, **more) == 200 and (wait or p.kind != "saga"):
            p.must_be("succeed", "submit answered 200")
            return wait
        return False

    # --- the patterns ----------------------------------------------------------------------------------------------

    def transfer(self):
        source, target = self.random.sample(range(ACCOUNTS), 2)
        return f"a{source}", f"a{target}", self.random.randint(1, 60)

    def saga(self, p):
        url, steps, payloads = self.outer.bank_url_of_weftd, [], []
        for _ in range(2):
            source, target, cents = self.transfer()
            for path, account in (("/out", source), ("/in", target)):
                steps.append({"action": url + path, "compensate": url + path})
                payloads.append(json.dumps({"account": account, "cents": cents}))
        if self.random.random() < 0.2:  # it cannot succeed
            payloads[-1] = json.dumps({"account": CLOSED, "cents": cents})
            p.must_be("failed", "the account is closed")
        more = {"custom_data": '{"concurrent":true}'} if self.random.random() < 0.2 else {}
        self.submit(p, steps=steps, payloads=payloads, retry_interval=1, request_timeout=1, **more)

    def tcc(self, p):
        url = self.outer.bank_url_of_weftd
        source, target, cents = self.transfer()
        if self.tell("prepare", p, retry_interval=1, request_timeout=1, timeout_to_fail=4) != 200:
            return
        tried = 0
        for branch_id, path, account in (("01", "/hold", source), ("02", "/expect", target)):
            if self.tell("registerBranch", p, branch_id=branch_id, confirm=url + path, cancel=url + path,
                         data=json.dumps({"account": account, "cents": cents})) != 200:
                return  # it took too long, and is being rolled back
            for _ in range(3):
                said = self.call(path, p, branch_id, "try", account, cents)
                if said is not None:
                    break
            if said != 200:
                break
            tried += 1
        dice = self.random.random()
        if dice < 0.05:
            p.must_be("failed", "its client walked away")
        elif dice < 0.15 or tried < 2:
            if self.tell("abort", p, rollback_reason="changed its mind") == 200:
                p.must_be("failed", "abort answered 200")
        else:
            self.submit(p)

    def msg(self, p):
        url = self.outer.bank_url_of_weftd
        source, target, cents = self.transfer()
        to = {"steps": [{"action": url + "/in"}], "payloads": [json.dumps({"account": target, "cents": cents})], "retry_interval": 1,
              "request_timeout": 1}
        if self.random.random() < 0.3:  # both halves as branches
            to["steps"].insert(0, {"action": url + "/out"})
            to["payloads"].insert(0, json.dumps({"account": source, "cents": cents}))
            self.submit(p, concurrent=self.random.random() < 0.5, **to)
            return
        if self.tell("prepare", p, query_prepared=url + "/asked", timeout_to_fail=2, **to) != 200:
            return
        if self.random.random() < 0.05:
            p.must_be("failed", "its client walked away before its local transaction")
            return
        said = self.call("/local", p, "00", "msg", source, cents)
        if said == 200:
            p.must_be("succeed", "its local transaction was committed")
            if self.random.random() < 0.8:  # else it is asked
                self.submit(p)
        elif said == 409 and self.random.random() < 0.5:
            self.tell("abort", p)


class honest(threading.Thread):
    """What a saga takes whose branches answer at once."""

    def __init__(self, outer, port):
        super().__init__(daemon=True)
        self.outer, self.weftd, self.took, self.trouble = outer, connection(outer.url(port)), [], None

    def run(self):
        try:
            self.ask_again_and_again()
        except Exception as e:
            self.trouble = e

    def ask_again_and_again(self):
        url = self.outer.bank_url_of_weftd + "/well"
        number = 0
        while not self.outer.over.wait(0.03):
            number += 1
            body = {"gid": f"honest-{id(self)}-{number}", "trans_type": "saga", "steps": [{"action": url}, {"action": url}], "payloads": ["", ""], "wait_result": True}
            began = time.monotonic()
            answer = self.weftd.ask("POST", "/api/dtmsvr/submit", body)
            if answer is None or answer[0] != 200:
                raise Failed(f"an honest client was told {answer}")
            self.took.append((began, time.monotonic() - began))


class stranger(threading.Thread):
    """Sends what nobody should."""

    def __init__(self, outer, number):
        super().__init__(daemon=True)
        self.outer, self.random, self.sent = outer, random.Random(f"{outer.seed}/stranger/{number}"), collections.Counter()

    def run(self):
        attacks = [self.unending_body, self.brackets, self.headers, self.garbage, self.long_page, self.idle, self.extension, self.two_hosts]
        while not self.outer.over.wait(self.random.expovariate(4)):
            attack = self.random.choice(attacks)
            with contextlib.suppress(OSError):
                attack()
                self.sent[attack.__name__] += 1

    def say(self, request, then_wait=0.0):
        with socket.create_connection(("127.0.0.1", self.random.choice(self.outer.ports)), timeout=5) as s:
            s.sendall(request)
            if then_wait:
                self.outer.over.wait(then_wait)
            else:
                s.recv(1 << 16)

    def post(self, body, length=None, more=b""):
        return b"POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" % (more, length or len(body)) + body

    def unending_body(self):
        self.say(self.post(b" " * 100_000, length=4 << 20), then_wait=2)

    def brackets(self):
        self.say(self.post(b'{"x":[' + b"[]," * 300_000))

    def headers(self):
        self.say(self.post(json.dumps({"gid": "h", "trans_type": "saga", "branch_headers": {f"h{i}": "v" for i in range(20_000)}}).encode()))

    def garbage(self):
        self.say(self.random.randbytes(5_000))

    def long_page(self):
        self.say(b"GET /api/dtmsvr/all?limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def idle(self):
        with contextlib.ExitStack() as held:
            for _ in range(50):
                held.enter_context(socket.create_connection(("127.0.0.1", self.random.choice(self.outer.ports)), timeout=5))
            self.outer.over.wait(2)

    def extension(self):
        self.say(b"POST /api/ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;x=" + b"x" * (2 << 20))

    def two_hosts(self):
        self.say(b"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n\r\n")


def p99(times):
    return sorted(times)[len(times) * 99 // 100] if times else 0.0


def differences(kind, status, had):
    """What its effects are, and should not be."""
    branches = {"saga": ["01", "02", "03", "04"], "tcc": ["01", "02"], "msg": ["00", "01"] if had["00", "msg"] else ["01", "02"]}[kind]
    done, undone = {"saga": ("action", "compensate"), "tcc": ("try", "cancel"), "msg": ("action", None)}[kind]
    for b in branches:
        did = had[b, "msg" if b == "00" else done]
        if did > 1 or had[b, undone] > 1 or had[b, "confirm"] > 1:
            yield f"branch {b} had an effect twice: {dict(had)}"
        elif status == "succeed" and (did != 1 or had[b, undone] or had[b, "confirm"] != (kind == "tcc")):
            yield f"branch {b} has not the effect of success: {dict(had)}"
        elif status == "failed" and (did != had[b, undone] or had[b, "confirm"]):
            yield f"branch {b} is not undone: {dict(had)}"


class chaos:
    def __init__(self, arguments):
        self.program, self.kind, self.seconds, self.seed = os.path.abspath(arguments.weftd), arguments.store, arguments.seconds, arguments.seed
        self.expect, self.random = arguments.expect_violation, random.Random(arguments.seed)
        self.rate = arguments.rate / arguments.clients  # transactions a second of each client
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="weftd-chaos-"))
        self.environment = {**{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR") or k.endswith("SAN_OPTIONS")},
                            "no_proxy": "*", "STORE_URL": store_url(self.kind), "LOG_LEVEL": "warn"}
        self.names = os.environ.get("WEFT_TEST_NAMES")
        if self.names:
            self.environment["LD_PRELOAD"] = self.names
        self.ports = [free_port() for _ in range(arguments.weftds)]
        self.log = open(self.home / "weftd.log", "ab")
        self.weftds, self.kills, self.over, self.wrong = {}, 0, threading.Event(), []
        self.began = time.monotonic()
        self.bank = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("chaos_participant.py"), self.home / "bank.db", "--seed", str(self.seed),
                                      *(["--without-barrier"] if self.expect == "barrier" else [])],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.bank_url = self.bank.stdout.readline().strip()
        self.bank_url_of_weftd = self.bank_url.replace("127.0.0.1", "bank.test") if self.names else self.bank_url
        self.clients = [client(self, i) for i in range(arguments.clients)]
        self.honest = [honest(self, port) for port in self.ports] if arguments.strangers else []
        self.strangers = [stranger(self, i) for i in range(4)] if arguments.strangers else []

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def url(self, port):
        return f"http://127.0.0.1:{port}"

    def start(self, port):
        self.weftds[port] = subprocess.Popen([self.program], cwd=self.home, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                             env={**self.environment, "HTTP_PORT": str(port),
                                                  "WEFT_SERVING_THREADS": str(1 + 2 * self.ports.index(port))})

    def ask(self, path):
        """The first of them; it may be starting."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            answer = connection(self.url(self.ports[0])).ask("GET", path, timeout=60)
            if answer is not None:
                if answer[0] != 200:
                    raise Failed(f"{path}: {answer[0]} {answer[1]}")
                return json.loads(answer[1])
            time.sleep(0.05)
        raise Failed(f"{path}: no answer")

    def torment(self):
        for port in self.ports:
            self.start(port)
        for port in self.ports:
            self.await_ready(port)
        for c in self.clients:
            c.start()
        if self.strangers:
            self.mix_in_strangers()
        else:
            self.kill_at_random()
        self.over.set()
        for c in self.clients + self.honest:
            c.join(PATIENCE_S + 10)
            if c.is_alive():
                raise Failed("a client does not come back")
            if c.trouble:
                self.wrong.append(str(c.trouble) if isinstance(c.trouble, Failed) else repr(c.trouble))
        self.repeats = sum(c.repeats for c in self.clients)

    def await_ready(self, port):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if (answer := connection(self.url(port)).ask("GET", "/api/ready")) and answer[0] == 200:
                return
            time.sleep(0.05)
        raise Failed("weftd does not become ready")

    def mix_in_strangers(self):
        for h in self.honest:
            h.start()
        time.sleep(self.seconds / 3)
        strange_from = time.monotonic()
        for s in self.strangers:
            s.start()
        time.sleep(self.seconds * 2 / 3)
        if any(w.poll() is not None for w in self.weftds.values()):
            raise Failed(f"weftd ended by itself: {[w.returncode for w in self.weftds.values()]}")
        took = [t for h in self.honest for t in h.took]
        quiet, strange = [t for at, t in took if at < strange_from], [t for at, t in took if at >= strange_from]
        sent = sum((s.sent for s in self.strangers), collections.Counter())
        self.say(f"{len(quiet)} and {len(strange)} honest sagas; 99 of 100 took {p99(quiet) * 1000:.1f} ms at most, among strangers {p99(strange) * 1000:.1f} ms "
                 f"(the longest {max(strange, default=0) * 1000:.0f} ms); these sent {dict(sent)}")
        peaks = [int(next(line for line in open(f"/proc/{w.pid}/status") if line.startswith("VmHWM")).split()[1]) // 1024 for w in self.weftds.values()]
        self.say(f"memory at most: {peaks} MiB")
        if min(len(quiet), len(strange)) < 100 or len(sent) < 8 or min(sent.values()) < 3:
            self.wrong.append("too little happened for this to show anything")
        if p99(strange) > 3 * p99(quiet):
            self.wrong.append("honest clients wait for more than three times as long among strangers")
        if max(strange, default=0) > 3:
            self.wrong.append("an honest client waited for more than three seconds")
        if max(peaks) > 200:
            self.wrong.append("weftd took more than 200 MiB")
        if "taken for dead" in (log := (self.home / "weftd.log").read_text()) or "no heartbeat" in log:
            self.wrong.append("an engine was taken for dead")

    def kill_at_random(self):
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            lives = self.random.uniform(0.3, 2) if self.random.random() < 0.8 else self.random.uniform(0, 0.3)  # some while they start
            time.sleep(min(lives / len(self.ports), max(0, until - time.monotonic())))
            port = self.random.choice(self.ports)
            if any(w.poll() is not None for w in self.weftds.values()):
                raise Failed(f"weftd ended by itself: {[w.returncode for w in self.weftds.values()]}")
            self.weftds[port].kill()
            self.weftds[port].wait(10)
            self.kills += 1
            self.start(port)

    # --- the end ---------------------------------------------------------------------------------------------------

    def rows(self, **filter):
        position = ""
        while True:
            page = self.ask("/api/dtmsvr/all?" + urllib.parse.urlencode({"limit": 5000, "position": position, **filter}))
            yield from page["transactions"] or []
            position = page["next_position"]
            if not position:
                return

    def unfinished(self):
        return [row for status in ("prepared", "submitted", "aborting") for row in self.rows(status=status)]

    def settle(self):
        calm = connection(self.bank_url).ask("POST", "/calm")
        began = time.monotonic()
        left = self.unfinished()
        self.say(f"the storm is over: {self.kills} kills, {self.repeats} requests repeated, {len(left)} transactions under way; moods {calm[1]}")
        while left and time.monotonic() < began + SETTLING_S:
            time.sleep(0.2)
            left = self.unfinished()
        self.say(f"settled in {time.monotonic() - began:.1f} s")
        self.wrong += [f"{row['gid']} is left {row['status']}: {row}" for row in left]

    def lose_one(self):
        """A transaction that was accepted goes, as if its row had never been durable."""
        self.stop()
        gid = next(p.gid for c in self.clients for p in c.plans if p.accepted)
        with contextlib.closing(sqlite3.connect(self.home / "weft.db")) as db, db:
            db.execute("DELETE FROM trans_branch_op WHERE gid = ?", (gid,))
            db.execute("DELETE FROM trans_global WHERE gid = ?", (gid,))
        self.start(self.ports[0])

    def audit(self):
        plans = {p.gid: p for c in self.clients for p in c.plans}
        rows = {row["gid"]: row for row in self.rows() if not row["gid"].startswith("honest-")}
        with contextlib.closing(sqlite3.connect(self.home / "bank.db")) as db:
            accounts = db.execute("SELECT id, balance, held FROM account").fetchall()
            ledger = db.execute("SELECT gid, branch_id, op, account, balance, held FROM ledger").fetchall()
        effects = collections.defaultdict(collections.Counter)
        sums = collections.Counter()
        for gid, branch_id, op, account, balance, held in ledger:
            effects[gid][branch_id, op] += 1
            sums[account] += balance
            sums[gid] += balance + held
        wrong = self.wrong
        wrong += [f"{p.gid} was accepted and is lost" for p in plans.values() if p.accepted and p.gid not in rows]
        wrong += [f"{gid} is in the store, and nobody sent it" for gid in rows if gid not in plans]
        wrong += [f"{gid} is not in the store, and has effects: {dict(effects[gid])}" for gid in effects if gid not in rows]
        for gid, row in rows.items():
            if gid in plans:
                p, status, had = plans[gid], row["status"], effects[gid]
                if p.must and status != p.must[0]:
                    wrong.append(f"{gid} is {status} and must be {p.must[0]}: {p.must[1]}")
                wrong += [f"{gid} is {status}: {what}" for what in differences(p.kind, status, had)]
                if sums[gid] != 0:
                    wrong.append(f"{gid} moves {sums[gid]} cents from nowhere to somewhere, or back")
        wrong += [f"account {id} has {balance}, and its ledger says {OPENING + sums[id]}" for id, balance, _ in accounts if balance != OPENING + sums[id]]
        wrong += [f"account {id} still holds {held}" for id, _, held in accounts if held != 0]
        if (total := sum(balance for _, balance, _ in accounts)) != ACCOUNTS * OPENING:
            wrong.append(f"there are {total} cents, and there were {ACCOUNTS * OPENING}")
        for gid in self.random.sample(sorted(rows), min(200, len(rows))):
            left = [b for b in self.ask(f"/api/dtmsvr/query?gid={gid}")["branches"] if b["op"] in ("action", "confirm") and b["status"] != "succeed"]
            if rows[gid]["status"] == "succeed" and left:
                wrong.append(f"{gid} is succeed, and these are not: {left}")
        standing = collections.Counter((plans[gid].kind, row["status"]) for gid, row in rows.items() if gid in plans)
        self.say(f"{len(plans)} sent, {sum(p.accepted for p in plans.values())} accepted: " + ", ".join(f"{n} {kind} {status}" for (kind, status), n in sorted(standing.items()))
                 + f"; {len(ledger)} effects")
        if sum(n for (_, status), n in standing.items() if status == "succeed") < 20 or not (self.kills or self.strangers):
            wrong.append("too little happened for this to show anything")

    def stop(self):
        for weftd in self.weftds.values():
            weftd.send_signal(signal.SIGTERM)
            try:
                weftd.wait(30)
            except subprocess.TimeoutExpired:
                raise Failed("weftd was asked to stop, and half a minute later it has not") from None
            if weftd.returncode != 0:
                self.wrong.append(f"weftd was asked to stop and ended with {weftd.returncode}")

    def run(self):
        try:
            self.torment()
            self.settle()
            if self.expect == "lost":
                self.lose_one()
            self.audit()
            self.stop()
        except Failed as e:
            self.wrong += [str(e), *(str(c.trouble) for c in self.clients if c.trouble)]
        finally:
            self.over.set()
            for process in (*self.weftds.values(), self.bank):
                if process.poll() is None:
                    process.kill()
                    process.wait(10)
        for line in self.wrong[:20]:
            print("chaos: " + line)
        if len(self.wrong) > 20:
            print(f"chaos: and {len(self.wrong) - 20} more")
        if self.expect:
            sign = "twice" if self.expect == "barrier" else "is lost"
            well = any(sign in line for line in self.wrong)
            self.say(f"{len(self.wrong)} violations, " + ("as expected" if well else f"and none that says {sign!r}"))
        else:
            well = not self.wrong
            self.say("all well" if well else f"{len(self.wrong)} violations")
        if well:
            shutil.rmtree(self.home, ignore_errors=True)
        else:
            print(f"chaos: see {self.home}")
        return 0 if well else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weftd")
    parser.add_argument("store", choices=["sqlite", "postgres", "mysql"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--rate", type=float, default=300, help="transactions a second, of all clients")
    parser.add_argument("--weftds", type=int, default=1, help="so many of them, on one store")
    parser.add_argument("--strangers", action="store_true")
    parser.add_argument("--expect-violation", choices=["barrier", "lost"], default=None)
    arguments = parser.parse_args()
    if arguments.expect_violation == "lost" and arguments.store != "sqlite":
        parser.error("--expect-violation lost: there must be a file to take it from")
    if arguments.seed is None:
        arguments.seed = random.randrange(1 << 32)
    more = (" --strangers" if arguments.strangers else "") + (f" --expect-violation {arguments.expect_violation}" if arguments.expect_violation else "")
    print(f"chaos: again with: {sys.argv[0]} {arguments.weftd} {arguments.store} --seconds {arguments.seconds:g} --clients {arguments.clients} "
          f"--rate {arguments.rate:g} --weftds {arguments.weftds} --seed {arguments.seed}{more}", flush=True)
    sys.exit(chaos(arguments).run())


if __name__ == "__main__":
    main()
