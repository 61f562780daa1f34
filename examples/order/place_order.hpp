// The workflow. Read this first.
#pragma once

#include "order.hpp"

#include <weft/workflow.hpp>

struct shop;

namespace weft {
inline namespace v0 {
class engine;
}
}  // namespace weft

weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o);

// The same where customers pay by XA.
weft::workflow<receipt> place_order_by_xa(weft::context& wf, shop& our, order o);

// Registers, as "place-order", the one that this shop needs.
void add_workflows(weft::engine& engine, shop& our);
