// Figures other than throughput.
#pragma once

#include <cstddef>
#include <string>

namespace bench {

// One workflow of `steps` steps, alone: its time, the time of its last 1,000 steps against its first 1,000, and its replay.
void long_workflow(std::string const& directory, int steps);

// Resident memory of `count` workflows that wait for an operation, submitted and with a coroutine waiting in execute.
void waiting(std::string const& directory, std::size_t count);

// Start and stop with `count` finished rows in the store.
void finished_rows(std::string const& directory, std::size_t count);

// Operations in the store's own database (the URL of a server), against the same ones apart from it.
void same_database(std::string const& store, std::size_t in_flight, int steps, double seconds, int pairs);

}  // namespace bench
