/// \file
/// Operations in SQL databases, by SOCI: each is done in one local transaction, exactly once.
///
///     std::int64_t charge(soci::session& sql, order const& o);         // throws weft::failure to say no
///     void         refund(soci::session& sql, order const& o);
///
///     weft::database accounts("sqlite:///var/lib/shop/accounts.db");   // outlives the engine
///     …
///     auto on    = weft::sql(accounts);
///     auto cents = co_await wf.saga("charge", on(&charge), on(&refund), o);
///
/// Services without an engine use `weft::soci_connection` with `weft::barrier`.
#pragma once

#include <weft/barrier.hpp>
#include <weft/database.hpp>
#include <weft/detail/sql_operation.hpp>
#include <weft/open_store.hpp>
#include <weft/soci_connection.hpp>

#include <soci/soci.h>

namespace weft {
inline namespace v0 {

/// A database, named once: called with a function it makes an operation of it.
///
/// The operation is `f(soci::session&, args...)`, or `f(branch, soci::session&, args...)`, in one local
/// transaction of the database together with the barrier: however often it is sent, it takes effect once and
/// returns the same result. An undo that arrives before its action, or without it, does nothing and keeps the
/// action from happening later.
///
/// `f` returns its result plainly, must not begin or end a transaction, and may be run again if its local
/// transaction was rolled back. Throwing weft::failure rolls its work back and fails the branch;
/// weft::ongoing and any other exception roll back, too, and it is asked again. If it ends its local
/// transaction all the same, all of it is undone, and that counts as an exception.
///
/// In the engine's own database (seen by itself; not with `foreign_keys` set), operation and journal entry
/// are one commit. `f` then runs on the thread that writes the journal, and past 100 ms there is a warning;
/// if it ends that transaction, the workflow pauses.
///
/// Durability: what an operation has done is committed when its branch has an answer.
/// Thread safety: `f` runs on a thread of the database; on SQLite one operation at a time. An object of this
/// class is a pointer, and is copied.
/// Lifetimes: the database outlives the engine.
class sql
{
public:
    explicit sql(database& db) noexcept : db_(&db) { }

    template <class D = void, class F = typename detail::unclear<D>::type>
    auto operator()(F f) const
    {
        detail::check_sql_function<F>();
        return detail::sql_operation<F>(*db_, f);
    }

private:
    database* db_;
};

}  // namespace v0
}  // namespace weft

#include <weft/xa.hpp>
