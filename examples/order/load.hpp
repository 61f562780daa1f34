// `order load`: places the orders of a file, many at a time.
#pragma once

#include "order.hpp"
#include "shop.hpp"

#include <weft/store.hpp>

#include <chrono>
#include <vector>

struct load_options
{
    std::size_t               in_flight = 256;   // orders at a time
    std::chrono::milliseconds every{1'000};      // between two lines of progress
    std::chrono::milliseconds patience{10'000};  // for operations in flight, when asked to stop
};

// Returns the program's exit status: 0 if every order has ended, or it was asked to stop (SIGTERM, SIGINT); else 1.
// After a crash, or a stop, the same load again goes on: orders that have ended give the same answer again.
int load(weft::store& transactions, shop& our, std::vector<order> const& orders, load_options options);
