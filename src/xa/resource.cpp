// A server whose prepared transactions are branches of workflows.
#include "src/xa/resource.hpp"

#include "src/barrier/statements.hpp"
#include "src/sql/job_queue.hpp"
#include "src/sql/session_pool.hpp"
#include "src/xa/protocol.hpp"

#include <weft/detail/option.hpp>
#include <weft/errors.hpp>
#include <weft/xa.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

namespace weft {
inline namespace v0 {

namespace {

using detail::finished;
using detail::server_session;
using detail::xid;

// MariaDB lets go of what a session has prepared a moment after the session was closed: so often is asked again, with a pause between.
constexpr int                       asked_again = 40;
constexpr std::chrono::milliseconds pause{5};
// (Not mysql_reset_connection, which would spare the new session: MariaDB 10.11 says "ok" to the XA COMMIT that comes after it, and what
// was prepared is lost.)

struct xa_job
{
    xa_job(operation_call c, std::unique_ptr<detail::xa_business> b) : call(std::move(c)), business(std::move(b)) { }

    bool alone() const noexcept { return true; }

    operation_call                       call;
    std::unique_ptr<detail::xa_business> business;
};

// Answered, and not to be asked again: only a person can say what is right.
struct refusal : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

// A session on which a transaction of ours is under way. What holds it together is not for the barrier to see: XA, or that nothing but the barrier
// uses it.
class held_together final : public barrier_connection
{
public:
    explicit held_together(soci_connection& c) : connection_(c) { }

    sql_dialect       dialect() const noexcept override { return connection_.dialect(); }
    local_transaction transaction() const noexcept override { return local_transaction::open; }
    std::int64_t execute(std::string_view sql, std::span<std::string_view const> with) override { return connection_.execute(sql, with); }
    std::optional<row> query_row(std::string_view sql, std::span<std::string_view const> with, std::size_t columns) override
    {
        return connection_.query_row(sql, with, columns);
    }

private:
    soci_connection& connection_;
};

// What one thread does, on a session that it has for so long; which is dropped after trouble, and on MariaDB after each prepare.
class worker
{
public:
    using rank = detail::session_pool::rank;

    worker(detail::server_url const& url, detail::session_pool& sessions, barrier_options const& barrier, rank r)
        : url_(url)
        , sessions_(sessions)
        , barrier_(barrier)
        , rank_(r)
    { }

    void open()
    {
        if (!held_)
            held_ = sessions_.take(rank_);
    }
    void close() noexcept { sessions_.drop(std::exchange(held_, nullptr)); }
    void rest() noexcept
    {
        // What an action has set there is not for the next one.
        if (held_ && !held_->session.is_as_it_was())
            return close();
        sessions_.give_back(std::exchange(held_, nullptr));
    }

    server_session&     session() noexcept { return held_->session; }
    soci_connection&    connection() noexcept { return held_->connection; }
    detail::xa_protocol protocol() { return detail::xa_protocol(held_->session); }

    // `f()` on an open session, and once more on a new one if the server has closed an idle one meanwhile: nothing had been done on it.
    template <class F>
    void first(F f)
    {
        bool const had = held_ != nullptr;
        open();
        try
        {
            f();
        }
        catch (std::exception const& e)
        {
            if ((!had && held_->fresh) || detail::fault_of(e) != detail::server_fault::trouble)
                throw;
            close();
            sessions_.forget_idle();
            open();
            f();
        }
    }

    // start → barrier row → work → prepare → let go.
    outcome act(branch const& where, std::string const& gtrid, detail::xa_business& business, bool& permanent)
    {
        auto const mine = detail::xid_of(gtrid, where, where.send);
        if (mine.bqual.size() > 64)
        {
            permanent = true;
            throw std::runtime_error("branch " + where.id + " is nested too deeply for the name of an XA transaction");
        }
        first([] {});
        // Whoever sent it before did not come to an end that is known: nobody will ask for that any more.
        for (unsigned before = 1; before < where.send; ++before)
            first([&] { undo(detail::xid_of(gtrid, where, before)); });
        if (detail::is_digested(mine))
            first([&] { remember(where.gid); });
        first([&] { protocol().start(mine); });
        bool prepared = false;
        try
        {
            held_together inside(connection());
            weft::barrier once(where, barrier_);
            if (!once.enter(inside).first)
            {
                permanent = true;
                throw std::runtime_error("this branch is committed here, though its workflow has not decided: the journal is older than "
                                         "this database");
            }
            auto said = business.run(where, session().sql(), permanent);
            if (said.what == outcome::kind::success)
            {
                protocol().prepare(mine);
                prepared = true;
                if (protocol().holds_what_it_prepared())
                    close();
                return said;
            }
            if (!protocol().abandon(mine))
                close();
            return said;
        }
        catch (...)
        {
            // An error of `prepare` may come after the deed: then it stays prepared, and the next send undoes it.
            if (!prepared && (!held_ || !protocol().abandon(mine)))
                close();
            throw;
        }
    }

    void commit(branch const& where, std::string const& gtrid)
    {
        auto const x = detail::xid_of(gtrid, where, where.send);
        auto       seen = finished::unknown;
        first([&] { seen = protocol().commit(x); });
        // Nearly always the server is about to let go of it: the same again is one round trip, to find out what is the matter two more.
        if (seen == finished::unknown)
        {
            std::this_thread::sleep_for(pause);
            seen = protocol().commit(x);
        }
        for (int i = 0; seen == finished::unknown && i < asked_again; ++i)
        {
            // In this order: whoever else is committing it takes it off the list only when it can be seen.
            bool const listed = is_prepared(x);
            if (is_visible(where))
                return;
            if (!listed)
                throw refusal("there is no prepared transaction " + x.text() + " any more, and nothing of it was committed");
            std::this_thread::sleep_for(pause);
            seen = protocol().commit(x);
        }
        if (seen == finished::undone)
            throw refusal("the server has rolled the prepared transaction " + x.text() + " back by itself");
        if (seen == finished::unknown)
            throw std::runtime_error("the session that prepared " + x.text() + " is still open");
    }

    // Of all sends so far; then the barrier's row: it waits for one that is still under way, and keeps a late one out.
    void roll_back(branch const& where, std::string const& gtrid)
    {
        first([] {});
        for (unsigned send = 1; send <= where.send; ++send)
            first([&] { undo(detail::xid_of(gtrid, where, send)); });
        session().execute("START TRANSACTION");
        try
        {
            held_together inside(connection());
            weft::barrier once(where, barrier_);
            if (once.enter(inside).first)
                throw refusal("it cannot be rolled back: the XA transaction of this branch is committed");
            session().execute("COMMIT");
        }
        catch (...)
        {
            if (!held_ || !session().roll_back())
                close();
            throw;
        }
    }

    void undo(xid const& x)
    {
        for (int i = 0; protocol().roll_back(x) == finished::unknown && is_prepared(x); ++i)
        {
            if (i == asked_again)
                throw std::runtime_error("the session that prepared " + x.text() + " is still open");
            std::this_thread::sleep_for(pause);
        }
    }

    // A gid that is too long for an xid.
    void remember(std::string const& gid)
    {
        auto const             key = detail::digest_of(gid);
        branch const           name = branch_of_digest(key);
        std::string_view const where[] = {name.gid, name.id, "gid", "01"};
        if (connection().query_row(
                "select reason from " + barrier_.table + " where gid = ? and branch_id = ? and op = ? and barrier_id = ?", where, 1))
            return;
        bool const             postgres = url_.kind == detail::server_kind::postgres;
        std::string_view const row[] = {"xa", name.gid, name.id, "gid", "01", "gid", gid};
        connection().execute(
            (postgres ? "insert into " : "insert ignore into ") + barrier_.table +
                " (trans_type, gid, branch_id, op, barrier_id, reason, result, create_time, update_time) values (?, ?, ?, ?, ?, ?, "
                "?, now(), now())" +
                (postgres ? " on conflict (gid, branch_id, op, barrier_id) do nothing" : ""),
            row);
    }
    std::string remembered(std::string const& digest)
    {
        branch const           name = branch_of_digest(digest);
        std::string_view const where[] = {name.gid, name.id, "gid", "01"};
        auto const             row = connection().query_row(
                        "select result from " + barrier_.table + " where gid = ? and branch_id = ? and op = ? and barrier_id = ?", where, 1);
        return row ? row->at(0).value_or("") : "";
    }

private:
    static branch branch_of_digest(std::string const& key)
    {
        branch b;
        b.gid = key;
        b.id = "00";
        return b;
    }

    // The barrier's row that was written in the XA transaction is committed.
    bool is_visible(branch const& where)
    {
        std::string_view const of[] = {where.gid, where.id};
        auto const             row = connection().query_row(
                        "select reason from " + barrier_.table + " where gid = ? and branch_id = ? and op = 'action' and barrier_id = '01'", of, 1);
        return row && row->at(0) == "action";
    }

    bool is_prepared(xid const& x)
    {
        for (auto const& p : protocol().prepared())
            if (p.gtrid == x.gtrid && p.bqual == x.bqual)
                return true;
        return false;
    }

    detail::server_url const&    url_;
    detail::session_pool&        sessions_;
    barrier_options const&       barrier_;
    rank                         rank_;
    detail::session_pool::handle held_;
};

// What a database's URL says of its other operations.
bool is_of_a_database(std::string const& option)
{
    return option == "connections" || option == "same_database" || option == "xa_connections";
}

}  // namespace

namespace detail {

struct xa_resource::impl
{
    impl(std::string_view text, xa_options o) : options(std::move(o)), url(detail::parse_server_url(text))
    {
        session.lock_timeout = detail::option_time("database_options::xa_lock_timeout", options.lock_timeout);
        session.take(url);
        std::erase_if(url.options, [](auto const& option) { return is_of_a_database(option.first); });
        detail::check_url(url, session, server_session::purpose::xa);
        auto const finishing = std::max<std::size_t>(2, options.connections / 2);
        // What ends a branch comes first where the server has not enough sessions for all: it frees rows that actions wait for.
        for (std::size_t i = 0; i <= options.connections + finishing; ++i)
            workers.push_back(std::make_unique<worker>(url, sessions, options.barrier,
                                                       i < options.connections ? worker::rank::usual : worker::rank::first));
        try
        {
            for (std::size_t i = 0; i < options.connections + finishing; ++i)
                threads.emplace_back([this, &w = *workers[i], &jobs = i < options.connections ? actions : ends] { work(w, jobs); });
        }
        catch (...)
        {
            close();
            throw;
        }
    }
    ~impl() { close(); }

    // Before anything else is done there, by whoever comes first. Leaves the session open.
    void prepare(worker& first)
    {
        if (ready.load(std::memory_order_acquire))
            return;
        first.open();
        std::lock_guard lock(preparing);
        if (ready.load(std::memory_order_relaxed))
            return;
        try
        {
            detail::check_xa(first.session());
            if (!barrier::has_table(first.connection(), options.barrier))
                barrier::create_table(first.connection(), options.barrier);
            std::string found;
            first.session().sql() << (url.kind == detail::server_kind::postgres ? "SELECT current_database()" : "SELECT DATABASE()"),
                soci::into(found);
            options.barrier.table = first.session().qualified(options.barrier.table);
            database = std::move(found);
        }
        catch (std::exception const& e)
        {
            auto const why = url.describe() + ": " + detail::server_message(e);
            first.close();
            throw std::runtime_error(why);
        }
        ready.store(true, std::memory_order_release);
    }

    void close() noexcept
    {
        actions.close();
        ends.close();
        for (auto& t : threads)
            t.join();
        threads.clear();
    }

    void work(worker& w, detail::queue_of<xa_job>& jobs) noexcept
    {
        for (;;)
        {
            auto next = jobs.take(1);
            if (next.empty())
                return;
            apply(w, *next.front());
            w.rest();
            // While nobody waits for it: on MariaDB each prepare has cost the session.
            sessions.make_ready();
        }
    }

    void apply(worker& w, xa_job& job) noexcept
    {
        auto const& where = job.call.where();
        bool        permanent = false;
        outcome     said;
        try
        {
            prepare(w);
            auto const gtrid = ours();
            said = outcome::success({});
            if (where.op == operation::commit)
                w.commit(where, gtrid);
            else if (where.op == operation::rollback)
                w.roll_back(where, gtrid);
            else
                said = w.act(where, gtrid, *job.business, permanent);
        }
        catch (refusal const& e)
        {
            said = outcome::failure(e.what());
        }
        catch (failure const& no)
        {
            said = outcome::failure(no.reason());
        }
        catch (misuse const& e)
        {
            permanent = permanent || e.which() == misuse::code::other_branch;
            said = outcome::error(e.what());
        }
        catch (std::exception const& e)
        {
            said = outcome::error(detail::server_message(e));
            if (detail::fault_of(e) == detail::server_fault::trouble)
                w.close();
        }
        if (permanent && said.what == outcome::kind::error)
            std::move(job.call).answer_permanent_error(std::move(said.text));
        else
            std::move(job.call).answer(std::move(said));
    }

    // What the names of its transactions begin with.
    std::string ours()
    {
        std::lock_guard lock(mutex);
        return detail::gtrid_of(store, database);
    }

    xa_options                           options;
    detail::server_url                   url;
    detail::server_options               session;
    detail::session_pool                 sessions{url, session, server_session::purpose::xa};
    std::vector<std::unique_ptr<worker>> workers;  // the last one for `prepared` and `roll_back`
    // An action may wait for a row that another branch holds, which is prepared: its end must not stand behind it in a queue.
    detail::queue_of<xa_job> actions, ends;
    std::vector<std::thread> threads;
    std::mutex               mutex;
    std::string              store;     // its id
    std::string              database;  // as the server calls it
    std::mutex               sweeping;  // the last worker
    std::atomic<bool>        ready{false};
    std::mutex               preparing;
};

xa_resource::xa_resource(std::string_view url, xa_options options) : impl_(std::make_unique<impl>(url, std::move(options))) { }
xa_resource::~xa_resource() = default;

void xa_resource::connect()
{
    std::lock_guard lock(impl_->sweeping);
    impl_->prepare(*impl_->workers.back());
    impl_->workers.back()->rest();
}

void xa_resource::interrupt() noexcept { impl_->session.watch->cut(std::chrono::milliseconds(500)); }

void xa_resource::attach(std::string const& store_id)
{
    std::lock_guard lock(impl_->mutex);
    if (!impl_->store.empty() && impl_->store != store_id)
        throw misuse(misuse::code::wrong_call,
                     "a database has XA branches of one store only, and this one has another already: " + impl_->url.describe());
    impl_->store = store_id;
}

void xa_resource::submit(operation_call call, std::unique_ptr<detail::xa_business> business)
{
    auto& jobs = business ? impl_->actions : impl_->ends;
    if (auto refused = jobs.add(std::make_unique<xa_job>(std::move(call), std::move(business))))
        std::move(refused->call).answer(outcome::error("the database was closed before the operation began"));
}

std::vector<prepared_branch> xa_resource::prepared()
{
    std::lock_guard lock(impl_->sweeping);
    auto&           w = *impl_->workers.back();
    impl_->prepare(w);
    auto const                   gtrid = impl_->ours();
    std::vector<prepared_branch> ours;
    try
    {
        std::vector<xid> all;
        w.first([&] { all = w.protocol().prepared(); });
        for (auto const& x : all)
            if (auto b = detail::parse_xid(x, gtrid))
            {
                if (detail::is_digested(x))
                    b->gid = w.remembered(b->gid);
                ours.push_back(std::move(*b));
            }
        w.rest();
    }
    catch (std::exception const& e)
    {
        w.close();
        throw std::runtime_error(impl_->url.describe() + ": " + detail::server_message(e));
    }
    return ours;
}

void xa_resource::roll_back(prepared_branch const& b)
{
    std::lock_guard lock(impl_->sweeping);
    auto&           w = *impl_->workers.back();
    impl_->prepare(w);
    try
    {
        branch where;
        where.gid = b.gid;
        where.id = b.branch_id;
        w.first([&] { w.undo(detail::xid_of(impl_->ours(), where, b.send)); });
        w.rest();
    }
    catch (std::exception const& e)
    {
        w.close();
        throw std::runtime_error(impl_->url.describe() + ": " + detail::server_message(e));
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
