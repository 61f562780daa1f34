#!/usr/bin/env python3
"""A bank over HTTP, for chaos.py: accounts in a SQLite file, dtm's barrier beside them, and moods.

    chaos_participant.py FILE [--seed N] [--without-barrier]      prints its address; ends when its standard input does

POST /out, /in       a saga's or a message's action or compensation; the query's op says which
POST /hold, /expect  the same for tcc: try, confirm, cancel
POST /local, GET /asked   a message's local transaction, and its check-back
POST /calm           no more moods
GET /well            answers at once

At random it answers 409 (where a no is meant), 425 or 500, takes longer than its caller waits, or hangs up: before its transaction, or after.
The ledger has no unique key: what takes effect twice stands there twice.
"""

import argparse
import http.server
import json
import random
import socketserver
import sqlite3
import sys
import threading
import time
import urllib.parse

ACCOUNTS, OPENING, CLOSED = 40, 1000, "closed"
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0);
CREATE TABLE ledger (gid TEXT, branch_id TEXT, op TEXT, account TEXT, balance INTEGER, held INTEGER);
CREATE TABLE barrier (trans_type TEXT, gid TEXT, branch_id TEXT, op TEXT, barrier_id TEXT, reason TEXT,
                      UNIQUE (gid, branch_id, op, barrier_id));
"""
ORIGIN = {"cancel": "try", "compensate": "action", "rollback": "action"}


class refusal(Exception):
    """The business says no."""


class bank:
    def __init__(self, path, with_barrier):
        self.lock, self.with_barrier = threading.Lock(), with_barrier
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.executescript(SCHEMA)
        self.db.executemany("INSERT INTO account (id, balance) VALUES (?, ?)", [(f"a{i}", OPENING) for i in range(ACCOUNTS)])

    def transaction(self, work):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                done = work()
                self.db.execute("COMMIT")
                return done
            except BaseException:
                self.db.execute("ROLLBACK")
                raise

    def note(self, where, op, reason):
        """True if it was new."""
        return self.db.execute("INSERT OR IGNORE INTO barrier VALUES (?, ?, ?, ?, '01', ?)",
                               (where["trans_type"], where["gid"], where["branch_id"], op, reason)).rowcount == 1

    def guarded(self, where, business):
        """dtm's barrier: once, not at all after its undo, and no undo of what was never done."""
        op, origin = where["op"], ORIGIN.get(where["op"])

        def work():
            never_done = origin is not None and self.note(where, origin, op)
            new = self.note(where, op, op)
            if op == "msg" and not new:
                raise refusal("DUPLICATED")
            if (new and not never_done) or not self.with_barrier:
                business()
        self.transaction(work)

    def asked(self, where):
        """A message's check-back: was its local transaction? If not, it never will be."""
        where = {**where, "branch_id": "00"}

        def work():
            self.note(where, "msg", "rollback")
            row = self.db.execute("SELECT reason FROM barrier WHERE gid = ? AND branch_id = '00' AND op = 'msg' AND barrier_id = '01'", (where["gid"],))
            return row.fetchone()[0]
        # Outside, or the note that it never will be would be undone with it.
        if self.transaction(work) == "rollback":
            raise refusal("it was not")

    def book(self, where, account, balance, held=0, may_refuse=False):
        if account == CLOSED and where["op"] == "action":  # nothing else gets here past a barrier
            raise refusal("the account is closed")
        if may_refuse and self.db.execute("SELECT balance FROM account WHERE id = ?", (account,)).fetchone()[0] + balance < 0:
            raise refusal("not enough money")
        self.db.execute("UPDATE account SET balance = balance + ?, held = held + ? WHERE id = ?", (balance, held, account))
        self.db.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", (where["gid"], where["branch_id"], where["op"], account, balance, held))

    def serve(self, path, where, body):
        if path == "/asked":
            return self.asked(where)
        account, cents, op = body["account"], body["cents"], where["op"]
        saga = where["trans_type"] == "saga"
        business = {
            ("/out", "action"): lambda: self.book(where, account, -cents, may_refuse=saga),
            ("/out", "compensate"): lambda: self.book(where, account, cents),
            ("/in", "action"): lambda: self.book(where, account, cents),
            ("/in", "compensate"): lambda: self.book(where, account, -cents),
            ("/hold", "try"): lambda: self.book(where, account, -cents, cents, may_refuse=True),
            ("/hold", "confirm"): lambda: self.book(where, account, 0, -cents),
            ("/hold", "cancel"): lambda: self.book(where, account, cents, -cents),
            ("/expect", "try"): lambda: self.book(where, account, 0),
            ("/expect", "confirm"): lambda: self.book(where, account, cents),
            ("/expect", "cancel"): lambda: self.book(where, account, 0),
            ("/local", "msg"): lambda: self.book(where, account, -cents, may_refuse=True),
        }[path, op]
        self.guarded(where, business)


class moods:
    """What befalls a call, in so many of a thousand."""
    KINDS = [("no", 30), ("ongoing", 25), ("error", 25), ("slow before", 3), ("slow after", 3), ("hangs up before", 15), ("hangs up after", 15)]

    def __init__(self, seed):
        self.random, self.calm, self.counts = random.Random(seed), False, {}

    def pick(self):
        if self.calm:
            return ""
        dice = self.random.randrange(1000)
        for kind, share in self.KINDS:
            if dice < share:
                self.counts[kind] = self.counts.get(kind, 0) + 1
                return kind
            dice -= share
        return ""


class hang_up(Exception):
    pass


def handler(our, mood, patience):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urllib.parse.urlsplit(self.path)
            if url.path == "/calm":
                mood.calm = True
                return self.answer(200, json.dumps(mood.counts))
            try:
                if url.path == "/well":
                    return self.answer(200, '{"dtm_result":"SUCCESS"}')
                self.answer(*self.moody(url.path, dict(urllib.parse.parse_qsl(url.query)), json.loads(body) if body else None))
            except (hang_up, ConnectionError):
                self.close_connection = True

        do_GET = do_POST

        def moody(self, path, where, body):
            kind = mood.pick()
            # Asked whether the local transaction was, a no is an answer.
            if kind == "no" and path != "/asked":
                return 409, '{"dtm_result":"FAILURE"}'
            if kind == "ongoing":
                return 425, '{"dtm_result":"ONGOING"}'
            if kind == "error":
                return 500, '{"message":"out of order"}'
            if kind == "slow before":
                time.sleep(patience * mood.random.uniform(1, 2))
            if kind == "hangs up before":
                raise hang_up
            try:
                our.serve(path, where, body)
                answer = 200, '{"dtm_result":"SUCCESS"}'
            except refusal as no:
                answer = 409, json.dumps({"dtm_result": "FAILURE", "message": str(no)})
            if kind == "slow after":
                time.sleep(patience * mood.random.uniform(1, 2))
            if kind == "hangs up after":
                raise hang_up
            return answer

        def answer(self, status, text):
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            self.wfile.flush()

        def log_message(self, *_):
            pass

    return Handler


class server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, request_queue_size = True, 256

    def handle_error(self, *_):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=1, help="how long callers wait, in seconds")
    parser.add_argument("--without-barrier", action="store_true")
    arguments = parser.parse_args()
    here = server(("127.0.0.1", 0), handler(bank(arguments.file, not arguments.without_barrier), moods(arguments.seed), arguments.patience))
    print(f"http://127.0.0.1:{here.server_port}", flush=True)
    threading.Thread(target=here.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
