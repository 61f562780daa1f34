// A store in a SQLite file of its own, removed with it.
#pragma once

#include <weft/store.hpp>

#include <memory>

namespace simulation {

std::unique_ptr<weft::store> open_sqlite(std::shared_ptr<weft::clock> clock);

}  // namespace simulation
