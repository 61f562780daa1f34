// The tables of a store as a person sees them, beside the store itself: what is in them, emptying them, and barrier rows beside them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace weft {
inline namespace v0 {
namespace sql_store {

struct contents
{
    std::int64_t transactions = 0, unfinished = 0, operations = 0, rows_of_kv = 0;  // rows of kv that are not the store's own
    std::int64_t engines = 0;                                                       // heartbeats
    std::string  tables;                                                            // "trans_global, trans_branch_op, kv"
};

// The store has been opened once, so that the tables are there. `url` as for `open_store`, but not memory://. Errors of all: store_error, misuse.
contents count_tables(std::string const& url);

// What has not ended: how many, how many of them wait for a person, and for how long the oldest one has been there, by the database's clock.
struct backlog
{
    std::int64_t         unfinished = 0, paused = 0;
    std::chrono::seconds oldest{0};
};
backlog look_at_backlog(std::string const& url);

// Removes every transaction, and of kv what is not the store's own, in one transaction; nothing if an engine is at work there (see `engines`).
contents empty_tables(std::string const& url);

// Removes up to `limit` rows older than this from the table barrier, if there is one. On MySQL they may be up to 26 hours older: each participant
// writes the time of its own zone.
std::size_t purge_barrier(std::string const& url, std::chrono::milliseconds older_than, std::size_t limit);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
