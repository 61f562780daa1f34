/// \file
/// The store seam: where transactions and their journals are kept. Most users only call `open_store` (in <weft/open_store.hpp>)
/// or `make_memory_store`; the rest of this header is for those who write a store.
#pragma once

#include <weft/clock.hpp>

#include <any>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weft {
inline namespace v0 {

/// Where a transaction stands. Persisted in dtm's words; do not rename.
enum class status : std::uint8_t
{
    prepared,   ///< running forward; no decision yet
    submitted,  ///< decided to commit
    aborting,   ///< decided to roll back
    succeed,    ///< committed, nothing left to do
    failed      ///< rolled back, nothing left to do
};

std::string_view      to_string(status) noexcept;
std::optional<status> status_from(std::string_view) noexcept;
constexpr bool        is_final(status s) noexcept { return s == status::succeed || s == status::failed; }

/// One operation of one branch as data: of a transaction that is no workflow of this library but one of dtm's patterns.
struct branch_op
{
    std::string  branch_id;  ///< "01", "01-02"
    std::string  op;         ///< "action", "compensate", …; not an `operation`: workflows elsewhere have words of their own
    std::string  url;        ///< empty: nothing is called, and it succeeds
    std::string  data;       ///< payload, or recorded result: bytes
    weft::status status = weft::status::prepared;  ///< prepared, succeed or failed

    std::chrono::system_clock::time_point created{};
    std::chrono::system_clock::time_point ended{};  ///< when it succeeded or failed
};

/// One transaction as stored.
struct transaction
{
    std::int64_t  id = 0;  ///< grows with each transaction of a store
    std::string   gid;
    std::string   trans_type;  ///< "workflow", "saga", "tcc", "xa", "msg"
    std::string   workflow;    ///< the registered name; empty: a pattern of dtm's, whose branches are data
    std::string   input;       ///< JSON; empty if the workflow takes none
    weft::status  status = weft::status::prepared;
    std::string   owner;          ///< the incarnation that leases it; empty if nobody does
    std::int64_t  position = 0;   ///< facts recorded: journal entries, the decision, the end
    std::uint32_t attempts = 0;   ///< claims since the last journal entry or orderly end of an attempt
    std::uint32_t sends = 0;      ///< sends of the operation under way that had no outcome
    std::string   result;         ///< JSON; set with the decision to commit. Rolled back: the failure's code and payload, if it has any
    std::string   reason;         ///< why it rolls back; set with that decision
    std::string   last_error;     ///< why the last attempt ended without an end
    std::string   paused_reason;  ///< non-empty: waits for a person
    bool          cancel_requested = false;

    std::chrono::system_clock::time_point created{};
    std::chrono::system_clock::time_point updated{};
    std::chrono::system_clock::time_point due{};

    std::string              journal;  ///< the column ext_data: what has not been sealed yet
    std::vector<std::string> parts;    ///< sealed parts, in order; only where asked for with the journal

    // Of patterns

    std::string               query_prepared;  ///< where to ask whether a prepared transaction is to go on
    std::string               protocol;        ///< "http", "json-rpc", "grpc"; empty: http
    std::string               options;         ///< JSON, as the client gave it
    std::string               custom_data;     ///< as the client gave it
    std::chrono::milliseconds interval{0};     ///< before the next attempt, as of the last one
    std::vector<branch_op>    ops;             ///< in the order in which they were made; only where asked for with the journal

    std::chrono::system_clock::time_point finished{};     ///< when it succeeded
    std::chrono::system_clock::time_point rolled_back{};  ///< when it failed
    std::chrono::system_clock::time_point seen{};         ///< the store's time when this was read
};

/// True if there is something to tell those who wait for it: it is final, decided or paused.
inline bool is_settled(transaction const& t) noexcept { return t.status != status::prepared || !t.paused_reason.empty(); }

/// Creates a transaction.
struct create_write
{
    std::string gid;
    std::string trans_type = "workflow";
    std::string workflow;
    std::string input;
    std::string owner;  ///< empty: due in `due_in`, for whoever has the workflow

    // Of patterns

    weft::status              status = weft::status::prepared;  ///< or submitted
    std::string               query_prepared, protocol, options, custom_data;
    std::vector<branch_op>    ops;
    std::chrono::milliseconds due_in{0};
};

/// Extends a journal: entries, and possibly the decision, and possibly the end. Applied only if the row's owner and position
/// are these (I5) and, for a decision to commit, if nobody asked to cancel.
struct extend_write
{
    enum class decision : std::uint8_t
    {
        none,
        commit,
        roll_back
    };

    std::string   gid;
    std::string   owner;
    std::int64_t  position = 0;  ///< the position that this extends
    std::uint32_t entry_count = 0;
    std::string   entries;  ///< JSON objects joined by commas, with a leading comma unless the journal part is empty
    decision      decide = decision::none;
    bool          finish = false;   ///< the final status; with or after the decision
    bool          commits = false;  ///< which final status: succeed or failed
    std::string   text;             ///< with a decision: the result as JSON, or the reason
    std::string   details{};        ///< with a decision to roll back: what becomes `transaction::result`

    /// The one entry says only that an operation is sent again. That is no progress: `attempts`, `sends` and `last_error` stay. No decision
    /// comes with it, and it seals nothing.
    bool sent_again = false;

    /// Before extending, move the journal so far into part `seal_part` (from 1), which then holds all entries before
    /// `seal_entries`. 0: do not seal.
    std::uint32_t seal_part = 0;
    std::uint64_t seal_entries = 0;

    /// The position after this write.
    std::int64_t position_after() const noexcept { return position + entry_count + (decide != decision::none) + finish; }
};

/// Ends an attempt without an end: gives the lease back and says when the transaction is due again, or why it is paused. Where somebody has
/// asked to cancel and it is undecided, it is not paused (`written::cancel_requested`), and due at once; unless the attempt knew of it.
struct park_write
{
    std::string               gid;
    std::string               owner;
    std::int64_t              position = 0;
    std::chrono::milliseconds due_in{0};
    std::chrono::milliseconds interval{0};  ///< what `transaction::interval` becomes: kept in whole seconds, rounded up
    std::uint32_t             sends = 0;
    bool                      keep_attempts = false;  ///< the attempt ended in disorder: it counts towards the limit
    std::string               paused_reason;          ///< non-empty: pause
    std::string               last_error;
    bool                      despite_cancel = false;  ///< the attempt began with the request to cancel, and this is what came of it
};

/// Of a pattern: records how operations ended, and possibly a new status. Applied only if the row's owner and position are these (I5).
struct record_write
{
    struct entry
    {
        std::string  branch_id, op;
        weft::status status = weft::status::succeed;
    };

    std::string                 gid;
    std::string                 owner;
    std::int64_t                position = 0;  ///< the position that this extends
    std::vector<entry>          entries;
    std::optional<weft::status> to;      ///< with a final one the lease ends
    std::string                 reason;  ///< with aborting, or with failed where it was prepared

    /// The position after this write.
    std::int64_t position_after() const noexcept { return position + static_cast<std::int64_t>(entries.size()) + to.has_value(); }
};

/// Of a pattern: adds operations to a transaction that is prepared. Anyone may; whoever holds the lease is fenced, and goes on from here.
/// An operation that is there already with the same content is not added again.
struct register_write
{
    std::string            gid;
    std::vector<branch_op> ops;
    std::string            trans_type{};  ///< which it must have; empty: any pattern's
};

/// Of a pattern: takes a transaction to another status at somebody's request: submit, abort, stop. Whoever holds the lease is fenced.
struct decide_write
{
    std::string                gid;
    std::vector<weft::status>  from;  ///< applied only if it has one of these
    weft::status               to = weft::status::submitted;
    std::string                owner;                 ///< leases it, unless `to` is final; empty: due at once
    std::string                reason, result;        ///< kept where not empty
    std::optional<std::string> options, custom_data;  ///< in place of what it has
    std::string                trans_type{};          ///< which it must have; empty: any pattern's
};

/// Files a request on a transaction's own row and makes it due. Anyone may; only the owner acts on it.
struct request_write
{
    enum class kind : std::uint8_t
    {
        cancel,  ///< refused as too_late once there is a decision, and as wrong_type of a pattern: that is cancelled by a `decide_write`
        resume   ///< clears a pause and the count of attempts
    };
    std::string gid;
    kind        what = kind::cancel;
};

/// What `written::wrong_type` says of a transaction; empty if a write for this type (empty: any pattern's) may touch it.
std::string type_mismatch(std::string_view wanted, std::string_view trans_type, std::string_view workflow);

/// How one write of a batch ended.
enum class written : std::uint8_t
{
    done,
    exists,            ///< create: the gid is taken; register: an operation is there with other content
    fenced,            ///< owner or position differ: somebody else goes on. create, decide: not there, and the owner to be is not alive
    cancel_requested,  ///< a decision to commit, or a pause, met a request to cancel; nothing was written
    too_late,          ///< a request to cancel met a decision; register, decide: the status is another (see `why`)
    unknown_gid,
    wrong_type,  ///< register, decide: it is of another type, or a workflow of this library (`why` says which); request: `why` is its type
    refused      ///< the store refused this write alone (see `why`); nothing of it was written, unless it says `in_doubt`
};

struct write_result
{
    written                               what = written::done;
    std::string                           why;
    std::chrono::system_clock::time_point created{};         ///< create: the time that the row keeps
    bool                                  in_doubt = false;  ///< an earlier try of it may have been applied (the engine says so, no store)
};

/// The connection on which an operation runs together with its own journal entry: business first, the entry last, one commit.
class record_writer
{
public:
    virtual ~record_writer() = default;

    /// A pointer to the store's own connection, such as `soci::session*`. It is inside a database transaction (or a savepoint)
    /// that the operation must not end.
    virtual std::any connection() = 0;

    /// The same as a pointer to a `soci_connection` whose statements stay prepared from one operation to the next; empty where there is none.
    virtual std::any prepared() { return {}; }

    /// Extends the journal on that connection, and is the last thing done there: it may be sent only with the commit. False: fenced; the
    /// operation must return so that all of it is rolled back.
    virtual bool record(extend_write const&) = 0;

    /// True if exactly this write has been applied already: for a batch that is repeated because its answer was lost.
    virtual bool applied(extend_write const&) = 0;
};

/// An operation in the store's own database.
class local_operation
{
public:
    virtual ~local_operation() = default;

    /// Does the business and calls `record` last. Returns true to commit both (the write is `done`); false, or an exception, undoes
    /// both (it is `refused`). Runs on the thread that calls `apply`, possibly again if that is repeated.
    virtual bool run(record_writer&) = 0;
};

/// Where `store::operations_at_once` is more than zero, each comes in an `apply` of its own.
struct local_write
{
    local_operation* operation = nullptr;  ///< outlives the write
};

using write = std::variant<create_write, extend_write, park_write, record_write, register_write, decide_write, request_write, local_write>;

/// What a claim brought.
struct claimed
{
    std::vector<transaction>                 rows;          ///< leased to the claimer now, journals included
    std::optional<std::chrono::milliseconds> next_due;      ///< when the next row of these workflows will be due; none if there is none
    bool                                     alive = true;  ///< false: the claimer's own heartbeat row is gone
    std::string                              refused{};  ///< which rows the database will not have changed, and why: all others are leased
};

/// Another engine's heartbeat row, as a beat found it.
struct heartbeat
{
    std::string  engine;
    std::int64_t beats = 0;     ///< another number after each beat
    bool         gone = false;  ///< dead for certain: the lock that it held while it lived is free
};

/// What a beat found.
struct beaten
{
    bool                   alive = false;       ///< false: the engine's own row is gone; it must abandon everything and register anew
    std::vector<heartbeat> others;              ///< those that are listed, whether they live or not
    bool                   to_release = false;  ///< there is a dead engine: see `release_dead`
};

/// What `release_dead` did.
struct released
{
    std::size_t count = 0;
    bool        more = false;  ///< there may be others at hand
    std::string refused{};     ///< which rows the database will not have changed, and why: all others are released
};

struct list_filter
{
    std::optional<weft::status> status;
    bool                        unfinished = false;  ///< any status that is not final
    bool                        paused = false;      ///< only paused ones
    bool                        no_worker = false;   ///< only those due whose workflow no live engine has registered
    std::string                 workflow;            ///< only this one; empty: all
    std::string                 trans_type;          ///< only this one; empty: all
    std::size_t                 limit = 100;
    std::string                 after;  ///< gid of the last one seen, to go on from there; oldest due first otherwise

    std::optional<std::int64_t> before;  ///< the newest first, of those whose id is below this (0: of all), instead

    std::optional<std::chrono::system_clock::time_point> created_from, created_until;  ///< both included
};

/// A row of the table kv: topics and the like. What stores keep there for themselves (engines' heartbeats, …) is not among them, and its
/// categories take no other rows.
struct kv_row
{
    std::int64_t id = 0;
    std::string  category, key, value;
    std::int64_t version = 1;

    std::chrono::system_clock::time_point created{};
    std::chrono::system_clock::time_point updated{};
};

/// What `make_due` found.
struct made_due
{
    std::size_t count = 0;
    bool        more = false;  ///< there are others beyond the limit
};

/// Keeps transactions, journals, and the heartbeats of engines. Blocking: the engine calls it on threads of its own.
///
/// Thread safety: all members may be called from any thread; several engines may share one store.
/// Errors: every member throws store_error if the store cannot be reached.
class store
{
public:
    virtual ~store() = default;
    store() = default;
    store(store const&) = delete;
    store& operator=(store const&) = delete;

    /// Applies the writes as one database transaction, each with a result of its own.
    ///
    /// Durability: everything reported `done` is durable when this returns.
    /// Errors: store_error; if `in_doubt()`, call again with the same writes, or a part of them, and `repeated`: a write that is found to
    /// have been applied by the first call (same owner, our bytes at our position) is reported `done`. Its `why()` tells the engine whether
    /// the writes may be at fault: a batch that is `rejected` again and again while `beat` succeeds is split until the write at fault is found.
    virtual std::vector<write_result> apply(std::span<write const> writes, bool repeated) = 0;

    /// Enters a new incarnation of an engine: its heartbeat row and, where the store has one, its lock.
    /// `workflows` is what it has registered, for `list_filter::no_worker`.
    virtual void register_engine(std::string const& engine, std::span<std::string const> workflows) = 0;

    /// Keeps the incarnation alive, and says who else is listed. Whether those live is not judged here: that takes an observer with a clock
    /// of its own. An engine that is not listed is told the same, but for `alive`. Waits for no other call of this store, as far as the
    /// database allows: stores keep a session for it.
    virtual beaten beat(std::string const& engine, std::span<std::string const> workflows) = 0;

    /// The incarnation goes: it is dead from now on, and what it still owns is released, or left to `release_dead` if that is much.
    virtual void unregister_engine(std::string const& engine) = 0;

    /// Makes an engine dead that has not beaten since `beats` was seen of it: from then on its beats, claims and new transactions find that
    /// its row is gone, and what it owns waits for `release_dead`. False: it has beaten since, or somebody else was quicker.
    virtual bool bury(std::string const& engine, std::int64_t beats) = 0;

    /// Makes up to `limit` transactions due that dead engines own, but for those whose rows somebody else holds at the moment.
    virtual released release_dead(std::size_t limit) = 0;

    /// Leases up to `limit` due, unowned transactions of these workflows to `engine`, each with `attempts` counted up. The limit is shared
    /// out among the workflows that have some due, in equal parts, the first ones first; what one leaves over goes to the others.
    /// With `owned_too`, returns those that it owns already as well: after a claim whose answer was lost.
    virtual claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) = 0;

    /// The transactions that `engine` owns and that somebody has asked to cancel.
    virtual std::vector<std::string> cancel_requests(std::string const& engine) = 0;

    /// A number that differs from the last one if anything was written since, by whomever.
    virtual std::uint64_t version() = 0;

    virtual std::optional<transaction> find(std::string_view gid, bool with_journal) = 0;
    virtual std::vector<transaction>   list(list_filter const&) = 0;

    /// Those of these transactions that are final, decided or paused, without their journals: what somebody who waits may want to hear of.
    /// A store that can ask for all of them at once overrides it.
    virtual std::vector<transaction> settled(std::span<std::string const> gids);

    /// Makes unfinished transactions due now whose time is further away than `later_than`, up to `limit`. Those that are paused stay so.
    virtual made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) = 0;

    /// Removes up to `limit` transactions that ended longer ago than `older_than`, with all that belongs to them, and returns how many.
    virtual std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) = 0;

    /// Rows of a category by key, or (empty key) all of it from behind the id `after`.
    virtual std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) = 0;

    /// Creates a row (`version` 0), or replaces the value of one that has this version, which then has the next.
    /// Returns false if it is there already, or has another version, or is not there.
    virtual bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) = 0;

    /// Returns false if there was none.
    virtual bool remove_kv(std::string_view category, std::string_view key) = 0;

    /// Leaves (or, with `present` false, removes) a mark that can be found through a participant's own connection if that leads to
    /// the same database. Returns false if this store has no connections to share.
    virtual bool mark(std::string const& nonce, bool present) = 0;

    /// How many operations in this store's own database may run at once, each in an `apply` of its own: half of these as a rule, more while
    /// some wait for rows that others hold. 0: they go with the other writes.
    virtual std::size_t operations_at_once() const noexcept { return 0; }

    /// Creates a transaction on a caller's own connection to this database, in the transaction that is open on it: it exists if and only
    /// if the caller commits. `connection` holds a pointer such as `soci::session*`; the owner in `w` is empty.
    /// Returns nothing if it was created, else what is there under that gid.
    /// Errors: misuse if the connection is none that this store can use, or leads to another database; what the connection throws.
    virtual std::optional<transaction> create_within(std::any const& connection, create_write const& w);

    /// An engine goes and waits for its calls: those that a server has not answered for half a second fail soon, with store_error. Calls of
    /// other engines that hang likewise may fail, too; they are made again. Thread safety: any thread.
    virtual void interrupt() noexcept { }

    /// Names this store among all others, for ever: 32 hexadecimal digits. XA transactions begun for it carry it.
    virtual std::string id() = 0;

    /// For logs and errors: "sqlite /var/lib/shop/weft.db". Never a password.
    virtual std::string describe() const = 0;
};

/// A store in this process's memory: for tests and for work that may be lost with the process.
/// Time in it is `clock`'s (null: the machine's).
std::unique_ptr<store> make_memory_store(std::shared_ptr<clock> clock = nullptr);

}  // namespace v0
}  // namespace weft
