/// \file
/// Opens the store that a URL names. Component `sql`.
#pragma once

#include <weft/errors.hpp>
#include <weft/store.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {

/// What an administrator says of a store that is found elsewhere than where it lived before.
enum class relocation
{
    unsaid,
    moved,  ///< it is the same one, and the other place is given up
    cloned  ///< it is a copy of one that lives on: it gets an id of its own, and what is in flight in it is paused
};

/// Thrown by `open_store`: the store is elsewhere than where it lived, and nobody has said what it is. `what` names both places.
class store_elsewhere final : public store_error
{
public:
    using store_error::store_error;
};

struct store_options
{
    /// How long another process may keep the database to itself (on a server: a row locked) before that is an error.
    std::chrono::milliseconds busy_timeout{5'000};

    /// Null: the machine's clock for a SQLite file, a server's own on a server. Times in the store are this clock's.
    std::shared_ptr<weft::clock> clock;

    /// A store keeps where it lives: server and database, or file. `?store=moved` and `?store=cloned` in the URL go before this. It matters only if
    /// the store is elsewhere now; then, if nothing is said, it is not opened.
    relocation relocated = relocation::unsaid;

    /// MySQL and MariaDB, where times are without a zone: how far those are from UTC that a dtm server wrote to tables that weft takes over, which
    /// is dtm's TimeZoneOffset. Null: they are the database server's local time. Less than a day. It matters once, when these tables are opened for the first time.
    std::optional<std::chrono::minutes> dtm_utc_offset;

    /// Told what an administrator should know, such as a SQLite file whose write-ahead log grows because somebody has been reading for long.
    /// Called on the thread that writes; it must not call the store, nor throw.
    std::function<void(std::string const&)> on_warning;

    /// SQLite: how large the write-ahead log may be before that is said, in bytes; again whenever it has doubled.
    long long warn_above_log_bytes = 256ll << 20;
};

/// `sqlite://weft.db` (relative to the working directory), `sqlite:///var/lib/shop/weft.db?busy_timeout=2s`, or `memory://`.
/// `postgres://user:password@host:5432/database` and `mysql://user:password@host:3306/database` (MariaDB, too), with
///
///     ?lock_timeout=2s&statement_timeout=10s&connect_timeout=3s&table_prefix=weft_
///     &schema=weft&sslmode=verify-full&sslrootcert=/etc/ca.pem      PostgreSQL: and libpq's other ssl…, host=/socket/directory,
///                                                                   target_session_attrs=…, pooler=session
///     &sslca=/etc/ca.pem&unix_socket=/run/mysqld/mysqld.sock        MySQL: and sslcert, sslkey, sslmode=require
///
/// Several hosts, for PostgreSQL: `postgres://user@one:5432,two:5432/database`.
/// Special characters are written as in any URL: `%3F` for a question mark.
/// A SQLite file, or tables, that are not there are made; an older schema is upgraded; tables that a dtm server has left behind are taken over
/// (docs/from-dtm.md).
///
/// Durability: with sqlite, what is reported written survives the process and a power cut (WAL, synchronous=FULL); on a server, what the
/// server's settings say of a commit (docs/databases.md).
/// A store that is found elsewhere than where it lived is refused until somebody says what it is (`relocation`): `?store=moved` or `?store=cloned`.
///
/// Errors: store_elsewhere for that; store_error naming the file or server and what is wrong with it: missing directory, no permission, locked, corrupt, not a database,
/// cannot connect, made by a newer weft; misuse for a URL that is none of the above, and for tables of these names that are somebody else's.
/// Passwords appear in none of them.
std::unique_ptr<store> open_store(std::string const& url, store_options options = {});

}  // namespace v0
}  // namespace weft
