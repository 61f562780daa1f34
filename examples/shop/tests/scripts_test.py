#!/usr/bin/env python3
"""Runs the scripts of the example and checks the books:   scripts_test.py PROGRAMS [WEFTD]"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = os.path.abspath(sys.argv[1])
WEFTD = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
HERE = pathlib.Path(__file__).parents[1]


class Scripts(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="shop-test-")
        self.addCleanup(self.home.cleanup)

    def run_script(self, name):
        environment = {**os.environ, "SHOP_PROGRAMS": PROGRAMS, "SHOP_DATA": self.home.name, "no_proxy": "127.0.0.1", **({"SHOP_WEFTD": WEFTD} if WEFTD else {})}
        done = subprocess.run([HERE / name], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        # Whatever was started has been ended.
        for address in re.findall(r"http://127\.0\.0\.1:\d+", "".join(p.read_text() for p in pathlib.Path(self.home.name).glob("*.out"))):
            with self.assertRaises(OSError, msg=address):
                socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), 5).close()
        return done.stdout

    def rows(self, service, sql):
        with contextlib.closing(sqlite3.connect(os.path.join(self.home.name, service + ".db"))) as db:
            return db.execute(sql).fetchall()

    def test_the_workflow_survives_the_order_services_death(self):
        out = self.run_script("run")
        self.assertIn("out of stock: teapot", out)
        self.assertIn("the card of bob was declined", out)
        self.assertGreater(int(re.search(r"goes on with (\d+) orders", out).group(1)), 0)
        self.assertIn("answered as well: 60 placed", out)
        # Sixty-one orders, each paid once; what bob had reserved is free again.
        self.assertEqual(self.rows("order", "SELECT state, count(*) FROM orders GROUP BY state ORDER BY state"), [("cancelled", 2), ("paid", 61)])
        self.assertEqual(self.rows("order", "SELECT status, count(*) FROM trans_global GROUP BY status ORDER BY status"), [("failed", 2), ("succeed", 61)])
        self.assertEqual(self.rows("payment", "SELECT count(*), count(DISTINCT order_id), sum(cents) FROM payments"), [(61, 61, 1800 + 60 * 900)])
        self.assertEqual(self.rows("payment", "SELECT owner, cents FROM cards ORDER BY owner"), [("alice", 150000 - 55800), ("bob", 2000)])
        self.assertEqual(self.rows("product", "SELECT * FROM stock ORDER BY article"), [("mug", 138, 0, 62), ("teapot", 3, 0, 0)])
        self.assertEqual(self.rows("user", "SELECT * FROM users ORDER BY name"), [("alice", 144200, 0, 55800, 0), ("bob", 200000, 0, 0, 0)])

    def test_whatever_comes_twice_late_or_wrong(self):
        program = subprocess.Popen([os.path.join(PROGRAMS, "shop_payment"), os.path.join(self.home.name, "payment.db"), "0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        port = int(program.stdout.readline().strip().rsplit(":", 1)[1])

        def post(path, gid, op, body='{"id":"x","user":"alice","article":"mug","quantity":1,"cents":900}'):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            self.addCleanup(connection.close)
            connection.request("POST", f"{path}?gid={gid}&trans_type=saga&branch_id=01&op={op}", body)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

        first = post("/pay", "a", "action")
        self.assertEqual(first, (200, {"dtm_result": "SUCCESS", "number": 1}))
        self.assertEqual(post("/pay", "a", "action"), first)
        self.assertEqual(post("/refund", "b", "compensate")[0], 200)  # it never came
        self.assertEqual(post("/pay", "b", "action")[0], 409)         # and is too late now
        self.assertEqual(post("/pay", "c", "action", "[]")[0], 400)
        self.assertEqual(post("/pay", "", "action")[0], 400)
        self.assertEqual(post("/elsewhere", "a", "action")[0], 404)
        self.assertEqual(self.rows("payment", "SELECT order_id, cents FROM payments"), [("x", 900)])

    @unittest.skipUnless(WEFTD, "there is no weftd")
    def test_a_saga_by_curl(self):
        out = self.run_script("saga")
        self.assertIn("saga-1: succeed", out)
        self.assertIn("saga-2: failed", out)
        self.assertEqual(self.rows("order", "SELECT id, state FROM orders ORDER BY id"), [("s-1", "paid"), ("s-2", "cancelled")])
        self.assertEqual(self.rows("product", "SELECT * FROM stock ORDER BY article"), [("mug", 198, 0, 2), ("teapot", 3, 0, 0)])
        self.assertEqual(self.rows("user", "SELECT * FROM users ORDER BY name"), [("alice", 198200, 0, 1800, 0), ("bob", 200000, 0, 0, 0)])
        self.assertEqual(self.rows("payment", "SELECT order_id, cents FROM payments"), [("s-1", 1800)])

    @unittest.skipUnless(WEFTD, "there is no weftd")
    def test_a_message_reaches_each_subscriber_once(self):
        out = self.run_script("topics")
        self.assertIn("paid-1: submitted\n   paid-1: succeed", out)
        self.assertEqual(self.rows("product", "SELECT * FROM shipments ORDER BY order_id"), [("o-1", "mug", 2), ("o-2", "teapot", 1)])
        self.assertEqual(self.rows("user", "SELECT name, points FROM users ORDER BY name"), [("alice", 18), ("bob", 25)])

    @unittest.skipUnless(WEFTD, "there is no weftd")
    def test_a_delayed_message_ends_what_was_not_paid(self):
        out = self.run_script("delayed")
        self.assertIn('"open":1,"paid":1,"cancelled":0,"expired":0', out)
        self.assertEqual(self.rows("order", "SELECT id, state FROM orders ORDER BY id"), [("d-1", "paid"), ("d-2", "expired")])
        [(early,)] = self.rows("weftd", "SELECT min(finish_time - create_time) FROM trans_global WHERE gid LIKE 'expire-%'")
        self.assertGreaterEqual(early, 5000)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
