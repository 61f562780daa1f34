// The workflow. Read this first.
#pragma once

#include "order.hpp"

#include <weft/handle.hpp>
#include <weft/workflow.hpp>

struct shop;

weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o);

// The same where customers pay by XA.
weft::workflow<receipt> place_order_by_xa(weft::context& wf, shop& our, order o);

// Registers, as "place-order", the one that this shop needs.
weft::handle<receipt(order)> add_place_order(weft::engine& engine, shop& our);
