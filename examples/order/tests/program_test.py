#!/usr/bin/env python3
"""Tests of the program `order`:   program_test.py ORDER ORDERS.jsonl kill|stop|tampered|input"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

ORDER, ORDERS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


class shop(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="order-test-")
        self.addCleanup(self.home.cleanup)
        self.dir = os.path.join(self.home.name, "shop")
        os.mkdir(self.dir)

    def order(self, *arguments, expect=0, dir=None):
        done = subprocess.run([ORDER, *arguments, "--dir", dir or self.dir], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, expect, f"order {arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def audit(self, expect=0):
        return self.order("audit", expect=expect)

    def status(self):
        return json.loads(self.order("status", "--json"))

    def start_load(self, *options, orders=ORDERS):
        """A load under way, which has done `at_least` orders when this returns."""
        process = subprocess.Popen([ORDER, "load", orders, "--dir", self.dir, "--every-ms", "10", *options],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_for_progress(self, process, at_least):
        for line in process.stdout:
            words = line.split()
            if words[1:2] == ["of"] and int(words[0]) >= at_least:
                return
        self.fail("the load ended before it had done so many")


class kill(shop):
    def test_every_order_is_finished_exactly_once(self):
        for attempt in range(10):  # it may be done before the kill is sent
            self.dir = os.path.join(self.home.name, f"shop-{attempt}")
            os.mkdir(self.dir)
            process = self.start_load("--limit", "1000", "--in-flight", "128")
            self.wait_for_progress(process, 200)
            process.kill()
            process.wait()
            before = self.status()
            if before["unfinished"] > 0:
                break
        self.assertGreater(before["unfinished"], 0)
        self.assertGreater(before["operations"], 0)
        self.assertIn("not finished", self.audit(expect=1))

        said = self.order("load", ORDERS, "--limit", "1000", "--in-flight", "128")
        self.assertIn("an earlier run finished", said)
        self.audit()
        after = self.status()
        self.assertEqual((after["committed"] + after["rolled_back"], after["unfinished"]), (1000, 0))

        # Once more: the same answers, and nothing happens.
        again = self.order("load", ORDERS, "--limit", "1000")
        counts = f"{after['committed']:,} committed, {after['rolled_back']:,} rolled back"
        self.assertIn(counts, said)
        self.assertIn(counts, again)
        self.audit()

    def test_two_kills_in_a_row(self):
        for done in (100, 350):
            process = self.start_load("--limit", "800", "--in-flight", "128")
            self.wait_for_progress(process, done)
            process.kill()
            process.wait()
        self.order("load", ORDERS, "--limit", "800")
        self.audit()


class stop(shop):
    def test_a_load_that_is_asked_to_stop_drains_and_can_go_on(self):
        for name in ("SIGTERM", "SIGINT"):
            with self.subTest(name):
                process = self.start_load("--limit", "2000", "--in-flight", "128")
                self.wait_for_progress(process, 100 if name == "SIGTERM" else 600)
                process.send_signal(getattr(signal, name))
                said, _ = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 0, said)
                self.assertIn("the same command goes on", said)
                s = self.status()
                # What may be left are intents of operations that were not sent any more.
                self.assertEqual((s["owned"], s["happened"]), (0, 0), "leases were given back, and what was in flight was recorded")
        self.order("load", ORDERS, "--limit", "2000")
        self.audit()
        self.assertEqual(self.status()["unfinished"], 0)


class tampered(shop):
    """The audit can say no: each row is changed, found and put back."""

    def tamper(self, database, change, back, *expected):
        def execute(sql):
            with sqlite3.connect(os.path.join(self.dir, database)) as db:
                db.execute(sql)
            db.close()
        execute(change)
        said = self.audit(expect=1)
        for text in expected:
            self.assertIn(text, said)
        execute(back)
        self.audit()

    def test_each_difference_is_found(self):
        self.order("load", ORDERS, "--limit", "200")
        self.audit()
        self.tamper("stock.db", "update stock set on_hand = on_hand + 1 where article = 'mug'",
                    "update stock set on_hand = on_hand - 1 where article = 'mug'", "mug on hand + reserved + sold: is 1901, should be 1900 (+1)")
        self.tamper("stock.db", "update stock set sold = sold - 1, on_hand = on_hand + 1 where article = 'mug'",
                    "update stock set sold = sold + 1, on_hand = on_hand - 1 where article = 'mug'", "mug sold, against the orders that committed", "(-1)")
        self.tamper("accounts.db", "insert into till values (-1)", "insert into till values (1)", "balances + till", "(-1)")
        for database in ("orders.db", "stock.db", "accounts.db"):
            self.tamper(database, "insert into ledger select * from ledger where gid = 'o-0001' and branch <> '04' limit 1",
                        "delete from ledger where rowid = (select max(rowid) from ledger)", "of order o-0001 happened 2 times")
        self.tamper("orders.db", "update orders set state = 'cancelled' where id = 'o-0001'",
                    "update orders set state = 'paid' where id = 'o-0001'", "o-0001 committed and is cancelled")
        self.tamper("orders.db", "insert into receipts (order_id, cents) select order_id, cents from receipts where order_id = 'o-0001'",
                    "delete from receipts where number = (select max(number) from receipts)", "receipts of o-0001", "is 2, should be 1")
        self.tamper("weft.db", "update trans_global set status = 'submitted' where gid = 'o-0001'",
                    "update trans_global set status = 'succeed' where gid = 'o-0001'", "o-0001 is not finished")
        self.tamper("weft.db", "update trans_global set status = 'failed' where gid = 'o-0001'",
                    "update trans_global set status = 'succeed' where gid = 'o-0001'", "o-0001 rolled back")


class input(shop):
    GOOD = {"id": "a", "customer": "ada", "article": "mug", "quantity": 1, "cents": 900}

    def test_a_malformed_line_is_named_and_nothing_is_placed(self):
        file = os.path.join(self.home.name, "bad.jsonl")
        for line, why in (("{", "not JSON"), ("[]", "not a JSON object"), (json.dumps({**self.GOOD, "id": 7}), '"id" is not a text'),
                          (json.dumps({**self.GOOD, "quantity": 1.5}), '"quantity" is not a whole number'),
                          (json.dumps({**self.GOOD, "quantity": 0}), "the quantity is 0"),
                          (json.dumps({**self.GOOD, "colour": "red"}), 'an order has no "colour"'), ('{"id":"b"}', '"customer" is missing'),
                          (json.dumps({**self.GOOD, "id": "x" * 129}), "the id is longer than 128 bytes"),
                          (json.dumps({**self.GOOD, "cents": 10**18}), "the price is"),
                          (json.dumps({**self.GOOD, "id": "first"}), 'the id "first" was used on line 1 already'), ("\xff", "not JSON")):
            with self.subTest(line):
                with open(file, "w", encoding="latin-1") as f:
                    f.write(json.dumps({**self.GOOD, "id": "first"}) + "\n" + line + "\n")
                said = self.order("load", file, expect=2)
                self.assertIn(f"{file}, line 2: {why}", said)
                self.assertIn("nothing was placed", said)
                self.assertEqual(os.listdir(self.dir), [])

    def test_what_is_not_there_is_named(self):
        missing = os.path.join(self.home.name, "nowhere")
        self.assertIn(f"cannot read {missing}: No such file", self.order("load", missing, expect=2))
        self.assertIn("is a directory", self.order("load", self.dir, expect=2))
        self.assertIn(f"there is no directory {missing}", self.order("load", ORDERS, expect=2, dir=missing))
        for command in (["show", "o-1"], ["list"], ["status"], ["audit"]):
            self.assertIn("holds no shop", self.order(*command, expect=2))
        self.assertEqual(os.listdir(self.dir), [])
        self.assertIn("no command", self.order("plaice", expect=2))
        self.assertIn("needs customer", self.order("place", expect=2))

    def test_single_orders(self):
        place = ["place", "--id", "o-1", "--customer", "ada", "--article", "mug", "--quantity", "2", "--cents", "1800"]
        first = self.order(*place)
        self.assertIn("receipt 1, 18.00 charged", first)
        self.assertEqual(first, self.order(*place), "the same id gives the same answer")
        self.assertIn("another input", self.order(*place[:-1], "1900", expect=2))
        place[2] = "o-2"
        place[6] = "unicorn"
        self.assertIn("out of stock: unicorn", self.order(*place, expect=1))
        self.assertIn("there is no order o-9", self.order("show", "o-9", expect=2))
        self.assertIn("committed", self.order("show", "o-1"))
        self.assertIn("decision: roll back, out of stock: unicorn", self.order("show", "o-2"))
        self.assertIn("o-2", self.order("list", "--status", "failed"))
        self.assertIn("none", self.order("list", "--paused"))
        self.assertIn("none", self.order("list", "--no-worker"))
        self.assertIn("is not paused", self.order("resume", "o-1", expect=2))
        self.assertIn('no status "lost"', self.order("list", "--status", "lost", expect=2))
        self.audit()

    def test_a_directory_with_special_characters(self):
        strange = os.path.join(self.home.name, "100% what? #1 = ü")
        os.mkdir(strange)
        self.order("load", ORDERS, "--limit", "20", dir=strange)
        self.order("audit", dir=strange)
        self.assertEqual({n for n in os.listdir(strange) if n.endswith(".db")}, {"weft.db", "orders.db", "stock.db", "accounts.db"})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
