/// \file
/// A participant's database. <weft/sql.hpp> includes this and SOCI, and has the operations.
#pragma once

#include <weft/detail/branch_call.hpp>
#include <weft/detail/sql_job.hpp>
#include <weft/soci_connection.hpp>
#include <weft/xa_participant.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {

namespace detail {
template <class F>
class xa_action;
class xa_business;
class xa_finish;
}  // namespace detail

struct database_options
{
    /// How long to wait while another connection writes (on a server: for a row that another transaction has locked).
    /// `?busy_timeout=` (on a server `?lock_timeout=`) in the URL goes before this.
    std::chrono::milliseconds busy_timeout{5000};

    /// Whether SQLite enforces foreign keys; unset: its own default. `?foreign_keys=on` goes before this.
    std::optional<bool> foreign_keys{};

    /// SQLite: how many operations are committed together, at most: one commit is one wait for the disk.
    std::size_t group_limit = 256;

    /// A server: how many operations run at the same time, each on a session and thread of its own. `?connections=` goes before this.
    std::size_t connections = 8;

    /// A server: whether operations may run on the store's own connection, in one commit with the journal, if it leads to the same database
    /// as the same user. They then have the store's settings: READ COMMITTED, UTC, MySQL's strict mode. `?same_database=off` goes before this.
    bool same_database = true;

    /// Sessions, each with a thread of its own, for `read`.
    std::size_t readers = 1;

    /// A server that an engine was told of, for `wf.xa`: how many actions run at the same time, each on a session and
    /// thread of its own; half as many more, at least two, are for commits and rollbacks, which must never wait for
    /// an action. `?xa_connections=` goes before this.
    std::size_t xa_connections = 8;

    /// How long such an action waits for a row that another transaction has locked. `?lock_timeout=` goes before this.
    std::chrono::milliseconds xa_lock_timeout{10'000};

    weft::barrier_options barrier{};

    /// SQLite: told when the write-ahead log has grown beyond `warn_above_log_bytes`, and again whenever it has doubled: somebody has been reading
    /// for long, and it cannot be emptied. Called on the thread that writes; it must not call the database, nor throw.
    std::function<void(std::string const&)> on_warning{};
    long long                               warn_above_log_bytes = 256ll << 20;
};

/// A participant's database: sessions on threads of its own, where operations run so that no workflow waits for a disk.
///
/// A server does as many operations at once as there are `connections`, each in a local transaction of its own, with the isolation
/// that the server gives by default. A connection that is lost is made anew for the next operation.
///
/// SQLite has one writer at a time and waits for the disk at each commit, so operations that wait are done as a group: one local
/// transaction, each under a savepoint. One that fails is rolled back alone; all are answered when the group is durable.
///
/// Thread safety: all members may be called from any thread, except that what runs on the database's threads must not call `run`
/// or `read` of the same database (misuse). Lifetimes: outlives every engine that uses it; the destructor finishes what is waiting.
/// Durability: what `run` or an operation has done is on disk when it returns or is answered: on SQLite by WAL and synchronous=FULL, on a
/// server as its own settings have it.
///
/// `engine.add(database)` makes a server's database known to an engine: then it has branches of `wf.xa`, too
/// (<weft/xa.hpp>).
class database final : public participant_database, public xa_participant
{
public:
    /// Opens `sqlite:///absolute/path.db` or `sqlite://relative.db`, creating the file and the barrier's table if they are not there.
    /// Special characters in the path are written as in any URL: `%3F` for a question mark, `%25` for a percent sign.
    ///
    ///     ?busy_timeout=2500ms&foreign_keys=on         see database_options
    ///
    /// Or stands for `postgres://user:password@host:5432/database` or `mysql://user:password@host:3306/database` (MariaDB, too): the first
    /// operation connects, and creates the barrier's table there, so a process may start while a participant is down. See `connect`.
    ///
    ///     ?connections=16&lock_timeout=2s&statement_timeout=10s&connect_timeout=3s&same_database=off
    ///     &schema=shop&sslmode=verify-full&sslrootcert=/etc/ca.pem      PostgreSQL: and libpq's other ssl…, host=/socket/directory,
    ///                                                                   target_session_attrs=…, pooler=session
    ///     &sslca=/etc/ca.pem&unix_socket=/run/mysqld/mysqld.sock        MySQL: and sslcert, sslkey, sslmode=require
    ///
    /// Errors: misuse if the URL is none of these; std::runtime_error naming the file and why it cannot be used. Passwords appear in none of
    /// them.
    explicit database(std::string_view url, database_options = {});
    ~database() override;
    database(database const&) = delete;
    database& operator=(database const&) = delete;

    /// Connects now, for those who want to hear at once what is wrong; does nothing where that has been done. Once an
    /// engine knows it, it looks whether there can be prepared transactions, too. Waits.
    /// Errors: std::runtime_error naming the server and why it cannot be used, with the setting to change.
    void connect();

    /// Runs `f(soci::session&)` in a local transaction of its own and returns its result: for set-up code and repairs. Waits.
    /// Errors: what `f` throws, after a rollback; std::runtime_error if the transaction could not begin or commit. (MySQL commits by itself
    /// at every CREATE, ALTER and DROP.)
    template <class F>
    auto run(F&& f) -> std::remove_cvref_t<std::invoke_result_t<F, soci::session&>>
    {
        return wait_for(std::forward<F>(f), &database::on_writer);
    }

    /// Runs `f(soci::session&)` in a local transaction that sees one state of the database and can change nothing: for audits and
    /// queries. Does not wait for the writer, nor make it wait. Errors: what `f` throws.
    template <class F>
    auto read(F&& f) -> std::remove_cvref_t<std::invoke_result_t<F, soci::session&>>
    {
        return wait_for(std::forward<F>(f), &database::on_reader);
    }

    /// "sqlite /var/lib/shop/accounts.db"; never a password.
    std::string describe() const override;

    weft::barrier_options const& barrier() const noexcept;

    bool holds(std::string const& nonce) override;

    // What `wf.xa` asks for, and an engine that was told of this database: <weft/xa.hpp>, <weft/xa_participant.hpp>.

    template <class F>
    detail::xa_action<F> xa_action(F f);
    detail::xa_finish    xa_commit();
    detail::xa_finish    xa_rollback();

    /// Errors: misuse if it works for another store, or is SQLite's, which has no prepared transactions.
    void                         attach(std::string const& store_id) override;
    std::vector<prepared_branch> prepared() override;
    void                         roll_back(prepared_branch const&) override;
    void                         interrupt() noexcept override;

    struct backend;

    /// For adapters: has the writer do a job.
    void submit(std::unique_ptr<detail::sql_job>);

    /// For adapters: performs the operation of `wf.xa` that the call names; `business` for an action only.
    void submit(operation_call call, std::unique_ptr<detail::xa_business> business);

private:
    using work = std::function<void(soci::session&)>;

    void on_writer(work const&);
    void on_reader(work const&);

    template <class F>
    auto wait_for(F&& f, void (database::*on_thread)(work const&)) -> std::remove_cvref_t<std::invoke_result_t<F, soci::session&>>
    {
        using R = std::remove_cvref_t<std::invoke_result_t<F, soci::session&>>;
        if constexpr (std::is_void_v<R>)
            (this->*on_thread)([&](soci::session& s) { std::invoke(f, s); });
        else
        {
            std::optional<R> result;
            (this->*on_thread)([&](soci::session& s) { result.emplace(std::invoke(f, s)); });
            return std::move(*result);
        }
    }

    void refuse_own_thread() const;

    std::unique_ptr<backend> backend_;
};

}  // namespace v0
}  // namespace weft
