#!/usr/bin/env python3
"""Makes orders.jsonl, always the same one:   ./make_orders.py > orders.jsonl

The articles and customers are those of shop.cpp, which has too few of some articles, and some customers with too little money.
"""

import json
import random
import sys

PRICES = {"mug": 900, "teapot": 3400, "plate": 1200, "bowl": 1500, "kettle": 4900, "spoon": 400,
          "candle": 700, "lamp": 6900, "vase": 2600, "clock": 3900, "blanket": 5200, "basket": 2200}
POPULARITY = [18, 15, 12, 11, 9, 8, 7, 6, 5, 4, 3, 2]
CUSTOMERS = ("ada alan barbara bjarne carol dennis dorothy donald edsger emmy frances grace hedy ida james jean joan john karen "
             "katherine ken leslie lise lynn margaret mary maurice niklaus radia rosalind shafi sophie stephen tim tony "
             "oliver paula quentin ursula victor").split()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rng = random.Random(20260101)
    for n in range(1, count + 1):
        article = rng.choices(list(PRICES), POPULARITY)[0]
        quantity = rng.choice([1, 1, 1, 2, 2, 3])
        order = {"id": f"o-{n:04}", "customer": rng.choice(CUSTOMERS), "article": article, "quantity": quantity,
                 "cents": quantity * PRICES[article]}
        print(json.dumps(order, separators=(",", ":")))


if __name__ == "__main__":
    main()
