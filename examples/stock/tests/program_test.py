#!/usr/bin/env python3
"""Tests of the example:   program_test.py STOCK_SERVICE BUY"""

import http.client
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

SERVICE, BUY = (os.path.abspath(p) for p in sys.argv[1:3])


class stock(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="stock-test-")
        self.addCleanup(self.home.cleanup)
        self.database = os.path.join(self.home.name, "stock.db")
        self.port = 0
        self.start()

    def start(self):
        self.service = subprocess.Popen([SERVICE, self.database, str(self.port)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.service.stdout.close)
        self.addCleanup(self.service.wait)
        self.addCleanup(self.service.kill)
        self.url = self.service.stdout.readline().strip()
        self.port = int(self.url.rsplit(":", 1)[1])

    def kill(self):
        self.service.kill()
        self.service.wait()

    def buy(self, *arguments):
        process = subprocess.Popen([BUY, self.url, os.path.join(self.home.name, "buy.db"), *arguments], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def standing(self, article):
        with sqlite3.connect(self.database) as db:
            return db.execute("SELECT on_hand, reserved, sold FROM stock WHERE article = ?", (article,)).fetchone()

    def post(self, target, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("POST", target, body)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()

    def test_purchases_until_nothing_is_left(self):
        out = self.buy("mug", "7", "16").communicate(timeout=60)[0]
        self.assertIn("mug 14: 2 left", out)
        self.assertIn("mug 15: out of stock: mug", out)
        self.assertIn("14 of 16 purchases", out)
        self.assertEqual(self.standing("mug"), (2, 0, 98))

    def test_the_service_dies_and_comes_back(self):
        process = self.buy("mug", "1", "60")
        for line in process.stdout:
            if line.startswith("mug 10:"):
                break
        self.kill()
        self.start()
        for line in process.stdout:
            if line.startswith("mug 30:"):
                break
        self.kill()
        self.start()
        self.assertIn("60 of 60 purchases", process.stdout.read())
        self.assertEqual(self.standing("mug"), (40, 0, 60))

    def test_the_application_dies_and_comes_back(self):
        process = self.buy("teapot", "1", "60")
        for line in process.stdout:
            if line.startswith("teapot 20:"):
                break
        process.kill()
        process.wait()
        again = self.buy("teapot", "1", "60").communicate(timeout=60)[0]
        self.assertIn("60 of 60 purchases", again)
        self.assertEqual(self.standing("teapot"), (40, 0, 60))

    def test_whatever_comes_twice_late_or_wrong(self):
        body, who = '{"article":"mug","quantity":3}', "?gid=g1&trans_type=tcc&branch_id=01&op="
        first = self.post("/try" + who + "try", body)
        self.assertEqual(first, (200, '{"dtm_result":"SUCCESS","left":97}'))
        self.assertEqual(self.post("/try" + who + "try", body), first)
        self.assertEqual(self.post("/confirm" + who + "confirm", body)[0], 200)
        self.assertEqual(self.post("/confirm" + who + "confirm", body)[0], 200)
        self.assertEqual(self.standing("mug"), (97, 0, 3))
        late = "?gid=g2&trans_type=tcc&branch_id=01&op="
        self.assertEqual(self.post("/cancel" + late + "cancel", body)[0], 200)
        self.assertEqual(self.post("/try" + late + "try", body)[0], 409)
        self.assertEqual(self.post("/try?gid=g3", body)[0], 400)
        self.assertEqual(self.post("/try?gid=g3&trans_type=tcc&branch_id=01&op=try", "[]")[0], 400)
        self.assertEqual(self.post("/try?gid=g3&trans_type=tcc&branch_id=01&op=try", '{"article":"mug","quantity":1000}')[0], 409)
        self.assertEqual(self.post("/elsewhere" + who + "try", body)[0], 404)
        self.assertEqual(self.standing("mug"), (97, 0, 3))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
