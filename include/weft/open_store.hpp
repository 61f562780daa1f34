/// \file
/// Opens the store that a URL names. Component `sql`.
#pragma once

#include <weft/store.hpp>

#include <memory>
#include <string>

namespace weft {
inline namespace v0 {

struct store_options
{
    /// How long another process may keep the database to itself before that is an error.
    std::chrono::milliseconds busy_timeout{5'000};

    /// Null: the machine's clock. Times in a SQLite file are this clock's.
    std::shared_ptr<weft::clock> clock;
};

/// `sqlite://weft.db` (relative to the working directory), `sqlite:///var/lib/shop/weft.db?busy_timeout=2s`, or `memory://`.
/// Special characters in the path are written as in any URL: `%3F` for a question mark.
/// A database that is not there is made; an older schema is upgraded.
///
/// Durability: with sqlite, what is reported written survives the process and a power cut (WAL, synchronous=FULL).
/// Errors: store_error naming the file and what is wrong with it: missing directory, no permission, locked, corrupt, not a database, made by
/// a newer weft; misuse for a URL that is none of the above.
std::unique_ptr<store> open_store(std::string const& url, store_options options = {});

}  // namespace v0
}  // namespace weft
