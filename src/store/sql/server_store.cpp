#include "src/store/sql/server_store.hpp"

#include "src/sql/caller_session.hpp"
#include "src/store/sql/heartbeat.hpp"
#include "src/store/sql/schema.hpp"
#include "src/store/sql/server_writes.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

// How often a batch that others were in the way of is tried again before the caller hears of it.
constexpr int tries = 5;

// How many rows of a dead engine are released in one transaction.
constexpr std::size_t release_batch = 1'000;

// Worth asking whether the server will take it: others are below any server's limit, whatever they hold.
bool is_large(write const& w)
{
    constexpr std::size_t many = 200'000;
    if (auto const* c = std::get_if<create_write>(&w))
        return c->input.size() > many;
    if (auto const* e = std::get_if<extend_write>(&w))
        return e->entries.size() + e->text.size() > many;
    return false;
}

// Ends a transaction that came to nothing, without an error.
struct undone : std::exception
{ };

// An operation has ended the transaction that it was given.
struct ended_by_operation : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

// A session and the statements on it.
struct connection
{
    connection(server_store_options const& o, dialect const& d, table_names const& tables, bool migrate)
        : session(o.url, o.session, detail::server_session::purpose::store)
    {
        if (migrate)
            migrate_server(session, d, o.table_prefix, o.url.describe());
        writes.emplace(session, d, tables);
        session.roll_back();
    }

    detail::server_session       session;
    std::optional<server_writes> writes;
};

class server_store final : public store
{
public:
    explicit server_store(server_store_options options)
        : options_(std::move(options))
        , dialect_(options_.url.kind == detail::server_kind::postgres ? postgres() : mysql())
        , tables_(options_.table_prefix)
        , select_(selection(tables_.global))
    {
        try
        {
            auto first = std::make_unique<connection>(options_, dialect_, tables_, true);
            first->session.sql() << dialect_.place(), soci::into(place_);
            first->session.sql() << "SELECT v FROM " + tables_.kv + " WHERE cat = 'store' AND k = 'id'", soci::into(id_);
            id_ = detail::without_dashes(id_);
            first->session.roll_back();
            try_out(first->session);
            first->session.roll_back();
            idle_.push_back(std::move(first));
        }
        catch (std::exception const& e)
        {
            throw as_store_error(e, false);
        }
    }

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override
    {
        std::vector<write_result> results(writes.size());
        std::vector<std::size_t>  local, others;
        for (std::size_t i = 0; i < writes.size(); ++i)
            (std::holds_alternative<local_write>(writes[i]) ? local : others).push_back(i);
        bool some = false;
        try
        {
            if (std::any_of(others.begin(), others.end(), [&](std::size_t i) { return is_large(writes[i]); }))
                refuse_large(writes, others, results);
            if (!others.empty())
                apply_group(writes, others, repeated, results, some);
            // Each for itself: they hold locks that others want, for as long as the business takes.
            for (auto const i : local)
            {
                apply_local(std::get<local_write>(writes[i]), results[i]);
                some = true;
            }
        }
        catch (store_error const& e)
        {
            if (some)
                throw store_error(e.what(), store_error::certainty::in_doubt);  // of the batch
            throw;
        }
        return results;
    }

    void enlist(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto const text = heartbeat_of(workflows);
        in_transaction([&](connection& c, std::int64_t now) {
            execute(c, "INSERT INTO " + tables_.kv + " (cat, k, v, create_time, update_time) VALUES ('engine', " + literal(engine) + ", " +
                           literal(text) + ", " + time(now) + ", " + time(now) + ")");
        });
    }

    bool beat(std::string const& engine, std::span<std::string const>) override
    {
        return in_transaction([&](connection& c, std::int64_t now) {
            return execute(c, "UPDATE " + tables_.kv + " SET update_time = " + time(now) +
                                  ", version = version + 1 WHERE cat = 'engine' AND k = " + literal(engine)) > 0;
        });
    }

    void resign(std::string const& engine) override
    {
        in_transaction([&](connection& c, std::int64_t) { bury(c, "k = " + literal(engine)); });
        release(engine);
    }

    // Two steps, and each leaves everything in order if we die after it: first the engine is made dead, then its rows are released, those
    // that are not locked at the moment; when there are none left its heartbeat's row goes, too.
    std::size_t release_dead(std::chrono::milliseconds expiry) override
    {
        std::vector<std::string> dead;
        in_transaction([&](connection& c, std::int64_t now) {
            dead.clear();
            std::vector<std::string> expired;
            read_texts(c,
                       "SELECT k FROM " + tables_.kv + " WHERE cat = 'engine' AND update_time <= " + time(now - expiry.count()) +
                           " FOR UPDATE SKIP LOCKED",
                       expired);
            for (auto const& engine : expired)
                bury(c, "k = " + literal(engine));
            read_texts(c, "SELECT k FROM " + tables_.kv + " WHERE cat = 'dead engine'", dead);
        });
        std::size_t released = 0;
        for (auto const& engine : dead)
            released += release(engine);
        return released;
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        claimed                  c;
        std::vector<std::string> due;
        in_transaction([&](connection& conn, std::int64_t now) { due = look(conn, engine, workflows, now, c); });
        if (!c.alive || (due.empty() && !owned_too))
            return c;
        in_transaction([&](connection& conn, std::int64_t now) {
            c = {};
            // Its own heartbeat stays in place until this is committed.
            std::vector<std::string> self;
            read_texts(conn,
                       "SELECT e.k FROM " + tables_.kv + " AS e WHERE e.cat = 'engine' AND e.k = " + literal(engine) +
                           dialect_.for_key_share("e"),
                       self);
            c.alive = !self.empty();
            if (!c.alive)
                return;
            if (owned_too)
                for (auto const& name : workflows)
                    take(conn, c, engine, engine, name, never, std::numeric_limits<std::size_t>::max());
            for (auto const& name : due)
                if (c.rows.size() < limit)
                    take(conn, c, engine, "", name, now, limit - c.rows.size());
            look(conn, engine, workflows, now, c);
        });
        return c;
    }

    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        std::vector<std::string> gids;
        reading([&](connection& c) {
            gids.clear();
            read_texts(c, "SELECT gid FROM " + tables_.global + " WHERE " + dialect_.cancelled_of(literal(engine)), gids);
        });
        return gids;
    }

    // There is no such number here that would cost less than looking for work: every look is one query to an index.
    std::uint64_t version() override { return ++looks_; }

    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        std::optional<transaction> found;
        reading([&](connection& c) {
            found.reset();
            transaction_row row;
            query(
                c.session, select_ + " WHERE gid = " + literal(gid), [&](soci::statement& s) { row.into(s); },
                [&] { found = row.as_transaction(); });
            if (found && with_journal && found->journal.starts_with(R"({"parts":)"))
                found->parts = parts_of(c, found->gid);
        });
        return found;
    }

    std::vector<transaction> list(list_filter const& filter) override
    {
        bool const  open = filter.unfinished || filter.paused || filter.no_worker || (filter.status && !is_final(*filter.status));
        std::string text = open ? dialect_.unfinished_rows() : "1 = 1";
        if (filter.status)
            text += " AND status = " + literal(to_string(*filter.status));
        if (filter.paused)
            text += " AND paused_reason IS NOT NULL";
        if (!filter.workflow.empty())
            text += " AND workflow = " + literal(filter.workflow);
        std::string const after = "FROM " + tables_.global + " WHERE gid = " + literal(filter.after) + ")";
        if (!filter.after.empty())
            text += open ? " AND (next_cron_time, id) > (SELECT next_cron_time, id " + after : " AND id > (SELECT id " + after;
        std::vector<transaction> rows;
        in_transaction([&](connection& c, std::int64_t now) {
            rows.clear();
            auto whole = text;
            if (filter.no_worker)
                whole += " AND owner = '' AND paused_reason IS NULL AND next_cron_time <= " + time(now) +
                         " AND NOT EXISTS (SELECT 1 FROM " + tables_.kv + " AS e WHERE e.cat = 'engine' AND " +
                         dialect_.names_workflow("e.v", "workflow") + ")";
            whole = open ? dialect_.first_unfinished(tables_.global, whole, filter.limit)
                         : " WHERE " + whole + " ORDER BY id LIMIT " + std::to_string(filter.limit);
            transaction_row row;
            query(
                c.session, select_ + whole, [&](soci::statement& s) { row.into(s); },
                [&] {
                    rows.push_back(row.as_transaction());
                    rows.back().journal.clear();
                });
        });
        return rows;
    }

    bool mark(std::string const& nonce, bool present) override
    {
        in_transaction([&](connection& c, std::int64_t) {
            execute(c, present ? "INSERT INTO " + tables_.kv + " (cat, k, v) VALUES ('nonce', " + literal(nonce) + ", " +
                                     dialect_.current_user() + ")"
                               : "DELETE FROM " + tables_.kv + " WHERE cat = 'nonce' AND k = " + literal(nonce));
        });
        return true;
    }

    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        bool const        on_postgres = options_.url.kind == detail::server_kind::postgres;
        auto&             sql = detail::caller_session(connection, on_postgres ? "postgresql" : "mysql", describe());
        std::string const kv = dialect_.qualified(place_, tables_.kv), global = dialect_.qualified(place_, tables_.global);
        int               tables = 0;
        std::string       there;
        sql << dialect_.table_exists(kv), soci::into(tables);
        if (tables > 0)
            sql << "SELECT v FROM " + kv + " WHERE cat = 'store' AND k = 'id'", soci::into(there);
        if (detail::without_dashes(there) != id_)
            throw detail::leads_elsewhere(describe(), w.gid);
        auto const now = options_.clock ? time(clock_ms()) : dialect_.now();
        auto const custom_data = custom_data_of(w.workflow, w.input);
        try
        {
            soci::statement insert =
                (sql.prepare << "INSERT INTO " + global +
                                    " (gid, trans_type, status, workflow, custom_data, ext_data, create_time, update_time, next_cron_time) "
                                    "VALUES (:gid, :type, 'prepared', :workflow, :custom_data, '{\"journal\":[]}', " +
                                    now + ", " + now + ", " + now + ")" + (on_postgres ? " ON CONFLICT (gid) DO NOTHING" : ""),
                 soci::use(w.gid), soci::use(w.trans_type), soci::use(w.workflow), soci::use(custom_data));
            insert.execute(true);
            if (insert.get_affected_rows() == 1)
                return std::nullopt;
        }
        catch (soci::soci_error const& e)
        {
            // MySQL takes back the statement only.
            if (detail::fault_of(e) != detail::server_fault::data || on_postgres)
                throw std::runtime_error(detail::server_message(e));
        }
        // A locking read: an old snapshot would not show what the insert collided with.
        transaction_row            row;
        soci::statement            find(sql);
        std::optional<transaction> found;
        row.into(find);
        find.exchange(soci::use(w.gid));
        find.alloc();
        find.prepare(selection(global) + " WHERE gid = :gid FOR UPDATE");
        find.define_and_bind();
        if (find.execute(true))
            found = row.as_transaction();
        if (!found)
            throw std::runtime_error("the transaction " + w.gid + " can be neither created nor found");
        return found;
    }

    std::string id() override { return id_; }

    std::string describe() const override { return options_.url.describe(); }

private:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    // What every engine would stumble over is said at once: a server that takes no writes, a privilege that is missing. Changes nothing.
    void try_out(detail::server_session& session)
    {
        auto const insert = [&](std::string const& table, std::string const& columns) {
            session.execute("INSERT INTO " + table + " (" + columns + ") SELECT " + columns + " FROM " + table + " WHERE 1 = 0");
        };
        insert(tables_.kv, "cat, k");
        session.execute("UPDATE " + tables_.kv + " SET v = v WHERE 1 = 0");
        session.execute("DELETE FROM " + tables_.kv + " WHERE 1 = 0");
        insert(tables_.global, "gid, trans_type, status, custom_data");
        session.execute("UPDATE " + tables_.global + " SET owner = owner WHERE 1 = 0");
        insert(tables_.branch, "gid, branch_id, op, status");
        if (session.kind() != detail::server_kind::postgres)
            return;
        for (auto const& table : {tables_.kv, tables_.global, tables_.branch})
        {
            std::string     sequence;
            soci::indicator denied = soci::i_null;
            session.sql() << "SELECT s FROM pg_get_serial_sequence('" + table +
                                 "', 'id') AS s WHERE NOT has_sequence_privilege(s, 'USAGE')",
                soci::into(sequence, denied);
            if (session.sql().got_data() && denied == soci::i_ok)
                throw std::runtime_error("permission denied for sequence " + sequence + ": USAGE is needed");
        }
    }

    // --- connections -------------------------------------------------------------------------------------------------

    std::unique_ptr<connection> connect()
    {
        {
            std::lock_guard lock(mutex_);
            if (!idle_.empty())
            {
                auto c = std::move(idle_.back());
                idle_.pop_back();
                return c;
            }
        }
        try
        {
            return std::make_unique<connection>(options_, dialect_, tables_, false);
        }
        catch (std::exception const& e)
        {
            throw as_store_error(e, false);
        }
    }

    // A connection on which a local transaction is open, and the time. One that has been idle may have been closed by the server meanwhile,
    // and all the others with it: nothing was done on them, so nobody need hear of it.
    std::pair<std::unique_ptr<connection>, std::int64_t> begin()
    {
        for (;;)
        {
            bool pooled = false;
            {
                std::lock_guard lock(mutex_);
                pooled = !idle_.empty();
            }
            auto         c = connect();
            std::int64_t now = 0;
            try
            {
                query(
                    c->session, dialect_.begin_with_time(), [&](soci::statement& s) { s.exchange(soci::into(now)); }, [] {});
                return {std::move(c), options_.clock ? clock_ms() : now};
            }
            catch (std::exception const& e)
            {
                if (!pooled)
                    throw as_store_error(e, false);
                std::lock_guard lock(mutex_);
                idle_.clear();
            }
        }
    }

    void give_back(std::unique_ptr<connection> c)
    {
        std::lock_guard lock(mutex_);
        idle_.push_back(std::move(c));
    }

    store_error as_store_error(std::exception const& e, bool in_doubt) const
    {
        if (auto const* s = dynamic_cast<store_error const*>(&e))
            return *s;
        auto const where = options_.url.describe();
        auto const what =
            (detail::is_read_only(e) ? "it is read-only, as a replica is that was not promoted: " : "") + detail::server_message(e);
        return store_error(what.starts_with(where) ? what : where + ": " + what,
                           in_doubt ? store_error::certainty::in_doubt : store_error::certainty::not_written);
    }

    // `f(connection, now)` in one local transaction, again if others were in the way. Trouble comes out as store_error, and the connection
    // is thrown away; anything else comes out as it is, after a rollback.
    template <class F>
    auto in_transaction(F f) -> std::invoke_result_t<F, connection&, std::int64_t>
    {
        for (int tried = 1;; ++tried)
        {
            auto [c, now] = begin();
            bool committing = false;
            try
            {
                if constexpr (std::is_void_v<std::invoke_result_t<F, connection&, std::int64_t>>)
                {
                    f(*c, now);
                    committing = true;
                    c->session.execute("COMMIT");
                    return give_back(std::move(c));
                }
                else
                {
                    auto result = f(*c, now);
                    committing = true;
                    c->session.execute("COMMIT");
                    give_back(std::move(c));
                    return result;
                }
            }
            catch (store_error const&)
            {
                throw;
            }
            catch (std::exception const& e)
            {
                auto const fault = detail::fault_of(e);
                c->writes->clear();
                if (fault == detail::server_fault::trouble)
                    throw as_store_error(e, committing);
                if (c->session.roll_back())
                    give_back(std::move(c));
                if (fault != detail::server_fault::conflict && !dynamic_cast<not_as_expected const*>(&e))
                    throw;
                if (tried == tries)
                    throw as_store_error(e, false);
            }
        }
    }

    // `f(connection)`, which changes nothing.
    template <class F>
    void reading(F f)
    {
        in_transaction([&](connection& c, std::int64_t) { f(c); });
    }

    // --- writes ------------------------------------------------------------------------------------------------------

    // `some`: something of it is committed, or may be.
    void apply_group(std::span<write const> writes, std::span<std::size_t const> which, bool repeated, std::vector<write_result>& results,
                     bool& some)
    {
        try
        {
            if (!repeated && apply_in_hope(writes, which, results))
            {
                some = true;
                return;
            }
            in_transaction([&](connection& c, std::int64_t now) { c.writes->apply_carefully(writes, which, now, repeated, results); });
            some = true;
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            // One of them cannot be written, whatever we do: the others go each by itself.
            if (which.size() > 1)
                for (auto const& one : which)
                    apply_group(writes, std::span(&one, 1), repeated, results, some);
            else
                results[which.front()] = {written::refused, detail::server_message(e), {}};
        }
    }

    // Takes out what the server would not take: MySQL would close the connection, and never say which of a batch it was.
    void refuse_large(std::span<write const> writes, std::vector<std::size_t>& which, std::vector<write_result>& results)
    {
        if (options_.url.kind == detail::server_kind::postgres)
            return;
        reading([&](connection& c) {
            std::erase_if(which, [&](std::size_t i) {
                auto why = c.writes->too_large(writes[i]);
                if (why.empty())
                    return false;
                results[i] = {written::refused, std::move(why), {}};
                return true;
            });
        });
    }

    bool apply_in_hope(std::span<write const> writes, std::span<std::size_t const> which, std::vector<write_result>& results)
    {
        try
        {
            auto const now = in_transaction([&](connection& c, std::int64_t t) {
                if (!c.writes->apply_in_hope(writes, which, t))
                    throw undone();
                return t;
            });
            for (auto const i : which)
                if (std::holds_alternative<create_write>(writes[i]))
                    results[i].created = std::chrono::system_clock::time_point(std::chrono::milliseconds(now));
            return true;
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const&)
        {
            return false;
        }
    }

    // An operation's connection. A savepoint before it is gone if the operation ends the transaction, even to begin another. (If the
    // session is lost the server has rolled it back: that is trouble like any other, and nothing for a person to look at.)
    class local_writer final : public record_writer
    {
    public:
        local_writer(sql_store::connection& c, std::int64_t now) : connection_(c), now_(now)
        {
            connection_.session.execute("SAVEPOINT weft_operation");
        }

        std::any connection() override { return &connection_.session.sql(); }
        bool     record(extend_write const& w) override
        {
            end_operation();
            return connection_.writes->extend(w, now_);
        }
        bool applied(extend_write const& w) override { return connection_.writes->is_applied(w); }

        void end_operation()
        {
            if (std::exchange(ended_, true))
                return;
            try
            {
                connection_.session.execute("RELEASE SAVEPOINT weft_operation");
            }
            catch (std::exception const& e)
            {
                if (connection_.session.where() == detail::server_session::transaction::failed)
                    return;  // by an error of its own: what comes next says so
                if (!detail::says_no_savepoint(e))
                    throw;
                throw ended_by_operation("its local transaction was ended while it ran: what it had done by then may count, without its "
                                         "journal entry (" +
                                         detail::server_message(e) + ")");
            }
        }

    private:
        sql_store::connection& connection_;
        std::int64_t           now_;
        bool                   ended_ = false;
    };

    void apply_local(local_write const& w, write_result& result)
    {
        try
        {
            in_transaction([&](connection& c, std::int64_t now) {
                local_writer writer(c, now);
                if (w.operation->run(writer))
                    return;
                try
                {
                    writer.end_operation();
                }
                catch (ended_by_operation const&)
                {
                    throw;
                }
                catch (std::exception const&)
                {
                    // All is undone, and it has said what there is to say. Not again with its batch: it may be what the session died of.
                }
                throw undone();
            });
            result = {};
        }
        catch (undone const&)
        {
            result = {written::refused, {}, {}};
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            result = {written::refused, e.what(), {}};
        }
    }

    // --- engines -----------------------------------------------------------------------------------------------------

    // From now on its beats and its new transactions find nothing.
    void bury(connection& c, std::string const& which)
    {
        execute(c, "UPDATE " + tables_.kv + " SET cat = 'dead engine' WHERE cat = 'engine' AND " + which);
    }

    std::size_t release(std::string const& engine)
    {
        std::size_t released = 0;
        for (;;)
        {
            std::vector<std::string> ids;
            in_transaction([&](connection& c, std::int64_t now) {
                ids.clear();
                auto const mine = dialect_.unfinished_of(literal(engine));
                read_texts(c,
                           "SELECT id FROM " + tables_.global + " WHERE " + mine + " LIMIT " + std::to_string(release_batch) +
                               " FOR UPDATE SKIP LOCKED",
                           ids);
                if (!ids.empty())
                    execute(c, "UPDATE " + tables_.global + " SET owner = '', next_cron_time = " + time(now) + " WHERE id IN (" +
                                   joined(ids) + ")");
                std::vector<std::string> left;
                if (ids.size() < release_batch)
                    read_texts(c, "SELECT id FROM " + tables_.global + " WHERE " + mine + " LIMIT 1", left);
                if (ids.size() < release_batch && left.empty())
                    execute(c, "DELETE FROM " + tables_.kv + " WHERE cat = 'dead engine' AND k = " + literal(engine));
            });
            released += ids.size();
            if (ids.size() < release_batch)
                return released;
        }
    }

    // Which of the workflows are due, when the next one will be, and whether the engine is listed.
    std::vector<std::string> look(connection& conn, std::string const& engine, std::span<std::string const> workflows, std::int64_t now,
                                  claimed& c)
    {
        std::vector<std::string> due;
        std::string              text = "SELECT 'engine', count(*) FROM " + tables_.kv + " WHERE cat = 'engine' AND k = " + literal(engine);
        for (std::size_t i = 0; i < workflows.size(); ++i)
            text += " UNION ALL SELECT '" + std::to_string(i) + "', " + dialect_.milliseconds_of("min(next_cron_time)") + " FROM " +
                    tables_.global + " WHERE " + dialect_.unfinished_of("''") + " AND workflow = " + literal(workflows[i]);
        std::string     what;
        std::int64_t    value = 0, next = never;
        soci::indicator there = soci::i_null;
        c.alive = false;
        query(
            conn.session, text,
            [&](soci::statement& s) {
                s.exchange(soci::into(what));
                s.exchange(soci::into(value, there));
            },
            [&] {
                if (what == "engine")
                    c.alive = value > 0;
                else if (there == soci::i_ok)
                {
                    next = std::min(next, value);
                    if (value <= now)
                        due.push_back(workflows[std::stoul(what)]);
                }
            });
        if (c.alive && next < end_of_time)
            c.next_due = std::chrono::milliseconds(std::max<std::int64_t>(0, next - now));
        return due;
    }

    void take(connection& c, claimed& into, std::string const& engine, std::string const& from, std::string const& workflow,
              std::int64_t now, std::size_t limit)
    {
        auto text = select_ + " WHERE " + dialect_.unfinished_of(literal(from)) + " AND workflow = " + literal(workflow);
        if (from.empty())
            text += " AND next_cron_time <= " + time(now);
        text += " ORDER BY next_cron_time";
        if (limit != std::numeric_limits<std::size_t>::max())
            text += " LIMIT " + std::to_string(limit);
        auto const      first = into.rows.size();
        transaction_row row;
        query(
            c.session, text + (from.empty() ? " FOR UPDATE SKIP LOCKED" : " FOR UPDATE"), [&](soci::statement& s) { row.into(s); },
            [&] {
                if (row.trans_type == "workflow")
                    into.rows.push_back(row.as_transaction());
            });
        std::string gids;
        for (auto i = first; i < into.rows.size(); ++i)
        {
            auto& t = into.rows[i];
            if (t.journal.starts_with(R"({"parts":)"))
                t.parts = parts_of(c, t.gid);
            if (!from.empty())
                continue;
            gids += (gids.empty() ? "" : ",") + literal(t.gid);
            t.owner = engine;
            ++t.attempts;
        }
        if (!gids.empty())
            execute(c, "UPDATE " + tables_.global + " SET owner = " + literal(engine) + ", attempts = attempts + 1 WHERE gid IN (" + gids +
                           ")");
    }

    std::vector<std::string> parts_of(connection& c, std::string const& gid)
    {
        std::vector<std::string> parts;
        read_texts(c,
                   "SELECT " + dialect_.text_of("bin_data") + " FROM " + tables_.branch + " WHERE gid = " + literal(gid) +
                       " AND op = 'journal' ORDER BY branch_id",
                   parts);
        return parts;
    }

    // --- statements --------------------------------------------------------------------------------------------------

    std::string literal(std::string_view text) const
    {
        std::string out;
        dialect_.append_literal(out, text);
        return out;
    }
    std::string selection(std::string const& table) const
    {
        return "SELECT " + transaction_row::columns([this](std::string const& c) { return dialect_.milliseconds_of(c); }) + " FROM " +
               table;
    }
    std::int64_t clock_ms() const
    {
        return std::chrono::duration_cast<std::chrono::milliseconds>(options_.clock->now().time_since_epoch()).count();
    }
    std::string time(std::int64_t ms) const { return dialect_.time_of(std::to_string(ms)); }

    static std::string joined(std::vector<std::string> const& ids)
    {
        std::string list;
        for (auto const& id : ids)
            list += (list.empty() ? "" : ",") + id;
        return list;
    }

    static std::int64_t execute(connection& c, std::string const& text)
    {
        soci::statement s(c.session.sql());
        s.alloc();
        s.prepare(text, soci::details::st_one_time_query);
        s.define_and_bind();
        s.execute(true);
        return s.get_affected_rows();
    }

    static void read_texts(connection& c, std::string const& text, std::vector<std::string>& into)
    {
        std::string value;
        query(
            c.session, text, [&](soci::statement& s) { s.exchange(soci::into(value)); }, [&] { into.push_back(value); });
    }

    server_store_options                     options_;
    dialect const&                           dialect_;
    table_names                              tables_;
    std::string                              select_, place_, id_;
    std::atomic<std::uint64_t>               looks_{0};
    std::mutex                               mutex_;
    std::vector<std::unique_ptr<connection>> idle_;
};

}  // namespace

std::unique_ptr<store> open_server(server_store_options options) { return std::make_unique<server_store>(std::move(options)); }

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
