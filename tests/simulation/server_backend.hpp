// Stores on the run's database servers: one database for the whole program, its tables empty each time that a store is opened.
#pragma once

#include <weft/store.hpp>

#include <memory>
#include <string>

namespace simulation {

// "postgres" or "mysql".
std::unique_ptr<weft::store> open_on_server(std::string const& kind, std::shared_ptr<weft::clock> clock);

// Of that database.
std::string server_url(std::string const& kind);

}  // namespace simulation
