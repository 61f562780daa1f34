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
    /// How long another process may keep the database to itself (on a server: a row locked) before that is an error.
    std::chrono::milliseconds busy_timeout{5'000};

    /// Null: the machine's clock for a SQLite file, a server's own on a server. Times in the store are this clock's.
    std::shared_ptr<weft::clock> clock;
};

/// `sqlite://weft.db` (relative to the working directory), `sqlite:///var/lib/shop/weft.db?busy_timeout=2s`, or `memory://`.
/// `postgres://user:password@host:5432/database` and `mysql://user:password@host:3306/database` (MariaDB, too), with
///
///     ?lock_timeout=2s&statement_timeout=10s&connect_timeout=3s&table_prefix=weft_
///     &schema=weft&sslmode=verify-full&sslrootcert=/etc/ca.pem      PostgreSQL: and libpq's other ssl…, host=/socket/directory
///     &sslca=/etc/ca.pem&unix_socket=/run/mysqld/mysqld.sock        MySQL: and sslcert, sslkey
///
/// Special characters are written as in any URL: `%3F` for a question mark.
/// A SQLite file, or tables, that are not there are made; an older schema is upgraded; tables that a dtm server has left behind are taken over
/// (docs/from-dtm.md).
///
/// Durability: with sqlite, what is reported written survives the process and a power cut (WAL, synchronous=FULL); on a server, what the
/// server's settings say of a commit (docs/databases.md).
/// Errors: store_error naming the file or server and what is wrong with it: missing directory, no permission, locked, corrupt, not a database,
/// cannot connect, made by a newer weft; misuse for a URL that is none of the above, and for tables of these names that are somebody else's.
/// Passwords appear in none of them.
std::unique_ptr<store> open_store(std::string const& url, store_options options = {});

}  // namespace v0
}  // namespace weft
