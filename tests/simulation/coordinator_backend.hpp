// A coordinator, and what stands for the processes that use it: each engine that registers has a remote store of its own, as it would have in a
// process of its own, and nothing but the coordinator in common with the others.
#pragma once

#include <weft/clock.hpp>
#include <weft/store.hpp>

#include <memory>

namespace simulation {

std::unique_ptr<weft::store> open_on_coordinator(std::shared_ptr<weft::clock> clock);

}  // namespace simulation
