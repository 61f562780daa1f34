// The workflow. Read this first.
#pragma once

#include "order.hpp"

#include <weft/workflow.hpp>

struct shop;

weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o);
