/// \file
/// The barrier: makes one operation of one branch take effect at most once in a participant's database, in any order and however
/// often it is sent. For services that answer weft or dtm; `weft::sql(db)(f)` does all of this by itself.
///
///     sqlite3_connection connection(db);                      // <weft/barrier_sqlite3.hpp>; soci_connection in <weft/sql.hpp>
///     begin(db);
///     auto const left = weft::barrier(where).call(connection, [&] { return deduct(db, order); });
///     commit(db);                                             // and roll back if anything was thrown
///
/// What it does, with rows of its own in the same local transaction:
///   - the first time, it runs the business and keeps the result;
///   - a duplicate runs nothing and returns that result;
///   - an undo whose action never came runs nothing and succeeds, and leaves a mark for the action;
///   - an action that finds such a mark (it hung somewhere on its way) fails: it was already undone;
///   - an action that finds the row of another branch (changed code asks for something else there) runs nothing and is an error, and its
///     undo runs nothing and succeeds.
#pragma once

#include <weft/branch.hpp>
#include <weft/detail/codec.hpp>
#include <weft/detail/fault.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {

/// Whose SQL a connection speaks.
enum class sql_dialect : std::uint8_t
{
    sqlite,
    postgres,
    mysql  ///< MySQL and MariaDB
};

/// What a connection knows of the local transaction on it.
enum class local_transaction : std::uint8_t
{
    unknown,  ///< it cannot tell
    open,
    none,    ///< none is open: each statement would be committed by itself
    fragile  ///< one is open while autocommit is on (MySQL): a deadlock would end it, and what comes after would be committed by itself
};

/// What the barrier needs from a connection to a participant's database: two functions, and better a third.
///
/// Lifetimes: refers to a connection that somebody else owns; every call happens inside the local transaction that is open on it.
/// Thread safety: as the connection's own; the barrier uses it from the calling thread only.
/// Errors: whatever the adapter throws; the caller of `barrier::call` gets it and rolls back. It should not hold the parameters'
/// values, since a result is among them.
/// Shape: each `?` in a statement stands for the next parameter, and a `?` means nothing else; `number_placeholders` rewrites them.
class barrier_connection
{
public:
    using row = std::vector<std::optional<std::string>>;

    virtual ~barrier_connection() = default;
    barrier_connection() = default;
    barrier_connection(barrier_connection const&) = delete;
    barrier_connection& operator=(barrier_connection const&) = delete;

    virtual sql_dialect dialect() const noexcept = 0;

    /// What is known without asking the server. The barrier refuses (misuse) what is none and what is fragile: its row would not go with the
    /// business.
    virtual local_transaction transaction() const noexcept { return local_transaction::unknown; }

    /// Executes a statement and returns how many rows it inserted, updated or deleted.
    virtual std::int64_t execute(std::string_view sql, std::span<std::string_view const> parameters) = 0;

    /// Returns the first row of a query as text, SQL's null as nullopt; or nothing if there is no row.
    /// Shape: the query has exactly this many columns, for clients that must bind them beforehand.
    virtual std::optional<row> query_row(std::string_view sql, std::span<std::string_view const> parameters, std::size_t columns) = 0;
};

/// Replaces each `?` by `prefix` and its number, from 1: "$" for libpq, ":p" for SOCI.
std::string number_placeholders(std::string_view sql, std::string_view prefix);

struct barrier_options
{
    /// A plain identifier, or two with a dot between: "barrier", "dtm_barrier.barrier".
    std::string table = "barrier";

    /// For people who read the table: dtm's word for the kind of transaction. Not part of a row's identity. Of a branch that an engine sent, its
    /// name and a digest follow in the row ("workflow charge 1f0c…"), in which another branch is told from it.
    std::string trans_type = "workflow";
};

/// What the barrier found when an operation came.
struct barrier_entry
{
    bool                       first = false;  ///< run the business; else skip it: it was done before, or must not be done any more
    std::optional<std::string> recorded;       ///< not first: what the first call returned, as JSON; none for void and for a skipped undo
};

/// Guards the operation `where` of one branch. One object per request; a request that changes several databases calls it once for
/// each, always in the same order: the calls are numbered, "01", "02", …, and the number is part of the identity.
///
/// Thread safety: one thread at a time.
/// Durability: the caller owns the local transaction. Nothing is kept until it commits, and the barrier's rows go with the business:
/// rolled back together, they leave no trace and the operation can be sent again. On MySQL and MariaDB the session must have autocommit off
/// (`SET autocommit = 0`): a deadlock rolls the whole transaction back there, and business that went on after it would be committed without
/// the barrier's row.
class barrier
{
public:
    /// Errors: misuse if gid or branch id is empty or longer than 128 bytes, or the table's name is no identifier.
    explicit barrier(branch const& where, barrier_options options = {});

    /// The same for a request that came over HTTP: from its query `gid`, `trans_type`, `branch_id` and `op`, as weft and dtm send them.
    ///
    ///     auto guard = weft::barrier::from_query(request.target());
    ///
    /// `query`: a request target ("/refund?gid=…"), or the query alone, with or without "?". Other parameters are passed over.
    /// Errors: misuse naming the parameter that is missing, twice there, or not what it should be: answer 400.
    static barrier from_query(std::string_view query, barrier_options options = {});

    /// The operation that this guards, where one address serves several: "action", "compensate", …
    operation guarded() const noexcept { return op_; }

    /// Runs `business` if this is the first time, and returns its result; else returns what it returned then.
    ///
    /// Errors: failure if the branch was already undone; misuse if no local transaction is open, or only a fragile one (`local_transaction`);
    /// misuse(other_branch) if a branch of another name, or with other arguments, was done in its place (known for what an engine sent);
    /// std::runtime_error if the business ended the local transaction; whatever `business` throws. The caller rolls back in any case.
    /// Shape: the result is void or anything that <weft/detail/codec.hpp> converts; it is kept as JSON in the barrier's row. An
    /// undo that is skipped returns a default-constructed one.
    template <class F>
    auto call(barrier_connection& connection, F&& business) -> std::remove_cvref_t<std::invoke_result_t<F>>
    {
        using R = std::remove_cvref_t<std::invoke_result_t<F>>;
        auto const entry = enter(connection);
        if constexpr (std::is_void_v<R>)
        {
            if (entry.first)
            {
                std::forward<F>(business)();
                leave(connection);
            }
        }
        else
        {
            if (!entry.first)
                return result<R>(entry);
            R r = std::forward<F>(business)();
            record(connection, detail::encode(r));
            return r;
        }
    }

    // What `call` is made of, for adapters and for business that is no single function.

    /// Takes the next barrier id and asks whether the business is to run. Errors: as `call`.
    barrier_entry enter(barrier_connection&);

    /// Keeps the result of the business that `enter` asked for. Errors: std::runtime_error if the barrier's row is gone, or the local transaction
    /// has ended.
    void record(barrier_connection&, std::string_view json);

    /// In place of `record` where there is no result: finds out whether the local transaction is open still, where the connection can tell, and on
    /// MySQL and MariaDB whether the barrier's row is there still, which goes if the business had a deadlock and went on. Elsewhere nothing is
    /// asked. Errors: std::runtime_error if not: roll back.
    void leave(barrier_connection&);

    /// The result to give for an entry that is not the first.
    template <class R>
    R result(barrier_entry const& entry) const
    {
        if constexpr (std::is_default_constructible_v<R>)
            if (detail::fault(detail::planted::barrier_result) || (!entry.recorded && is_undo(op_)))
                return R();
        if (!entry.recorded)
            throw_nothing_recorded();
        return detail::decode<R>(*entry.recorded);
    }

    // Messages (dtm's two-phase messages; <weft/send_message.hpp> does all of it): the sender's local transaction leaves a mark, which says later
    // whether it was committed.

    /// In the local transaction that the message belongs to.
    /// Errors: failure if `message_committed` has been asked before: nobody waits for this any more. misuse(wrong_status) if a local transaction
    /// for this message was committed before.
    static void mark_message(barrier_connection&, std::string const& gid, barrier_options const& = {});

    /// In a local transaction of its own: whether the one with `mark_message` was committed. If not, it never will be. On a server this waits for
    /// one that is under way.
    static bool message_committed(barrier_connection&, std::string const& gid, barrier_options const& = {});

    /// True if the table is there and can hold results.
    static bool has_table(barrier_connection&, barrier_options const& = {});

    /// Creates the table, or adds what a table of dtm's lacks, unless `has_table`. Call it when the participant starts, not in an
    /// operation.
    /// Durability: MySQL commits at once; elsewhere it is part of the transaction that is open.
    static void create_table(barrier_connection&, barrier_options const& = {});

    /// Removes up to `limit` rows that are older than this by the database's clock, and returns how many.
    /// Rows must be kept longer than any transaction can be unfinished, a paused one included: without them a late duplicate is
    /// done again.
    static std::int64_t purge(barrier_connection&, std::chrono::milliseconds older_than, barrier_options const& = {},
                              std::size_t limit = 10'000);

private:
    bool                    insert(barrier_connection&, operation which);
    barrier_connection::row read(barrier_connection&, operation which) const;  // reason, result, trans_type
    [[noreturn]] void       throw_row_gone() const;
    [[noreturn]] void       throw_nothing_recorded() const;

    std::string              gid_;
    std::string              branch_id_;
    operation                op_;
    std::optional<operation> origin_;  // what `op_` undoes
    barrier_options          options_;
    unsigned                 calls_ = 0;
    std::string              barrier_id_;
};

}  // namespace v0
}  // namespace weft
