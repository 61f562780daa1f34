#include "src/store/sql/server_store.hpp"

#include "src/sql/caller_session.hpp"
#include "src/store/share_out.hpp"
#include "src/store/sql/heartbeat.hpp"
#include "src/store/sql/kv_table.hpp"
#include "src/store/sql/place.hpp"
#include "src/store/sql/schema.hpp"
#include "src/store/sql/server_creation.hpp"
#include "src/store/sql/server_leases.hpp"
#include "src/store/sql/server_writes.hpp"
#include "src/store/sql/upkeep.hpp"

#include <weft/errors.hpp>
#include <weft/soci_connection.hpp>

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

// Worth asking whether the server will take it: others are below any server's limit, whatever they hold.
bool is_large(write const& w)
{
    constexpr std::size_t many = 200'000;
    auto const            payloads = [](std::vector<branch_op> const& ops) {
        std::size_t bytes = 0;
        for (auto const& op : ops)
            bytes += op.data.size() + op.url.size();
        return bytes;
    };
    if (auto const* c = std::get_if<create_write>(&w))
        return c->input.size() + c->custom_data.size() + c->options.size() + payloads(c->ops) > many;
    if (auto const* e = std::get_if<extend_write>(&w))
        return e->entries.size() + e->text.size() + e->details.size() > many;
    if (auto const* r = std::get_if<register_write>(&w))
        return payloads(r->ops) > many;
    if (auto const* r = std::get_if<record_write>(&w))
        return r->reason.size() > many;
    if (auto const* d = std::get_if<decide_write>(&w))
        return d->reason.size() + d->result.size() + d->options.value_or("").size() + d->custom_data.value_or("").size() > many;
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
    connection(std::unique_ptr<detail::server_session> s, dialect const& d, table_names const& tables) : own(std::move(s)), session(*own)
    {
        writes.emplace(session, d, tables);
        session.sql() << "SELECT " + d.settings(session), soci::into(settings);
        session.roll_back();
    }
    connection(server_store_options const& o, dialect const& d, table_names const& tables) : connection(session_for(o), d, tables) { }

    static std::unique_ptr<detail::server_session> session_for(server_store_options const& o)
    {
        return std::make_unique<detail::server_session>(o.url, o.session, detail::server_session::purpose::store);
    }

    std::unique_ptr<detail::server_session> own;
    detail::server_session&                 session;
    std::optional<server_writes>            writes;

    // What an operation in this database may change, as it was at first; and whether one has had the session since this was last looked at.
    std::string settings;
    bool        lent = false;

    bool                           knows_operations = false;  // dialect::prepare_operations
    bool                           committed = false;         // by the statement that was the last one of an operation
    std::optional<soci_connection> prepared;                  // the barrier's statements
};

class server_store final : public store
{
public:
    explicit server_store(server_store_options options)
        : options_(std::move(options))
        , dialect_(options_.url.kind == detail::server_kind::postgres ? postgres() : mysql())
        , tables_(options_.table_prefix)
    {
        try
        {
            auto session = migrated();
            // Qualified: an operation in this database may have set another schema for the session.
            std::string place;
            session->sql() << dialect_.place(), soci::into(place);
            for (auto* name : {&tables_.global, &tables_.branch, &tables_.kv})
                *name = dialect_.qualified(place, *name);
            session->roll_back();
            auto first = std::make_unique<connection>(std::move(session), dialect_, tables_);
            try_out(first->session);
            first->session.roll_back();
            live_here(first->session);
            first->session.sql() << "SELECT v FROM " + tables_.kv + " WHERE cat = 'store' AND k = 'id'", soci::into(id_);
            id_ = detail::without_dashes(id_);
            first->session.roll_back();
            sessions_.idle.push_back(std::move(first));
        }
        catch (misuse const&)
        {
            throw;
        }
        catch (store_elsewhere const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            auto const error = as_store_error(e, false);
            if (!dynamic_cast<detail::session_refused const*>(&e))
                throw error;
            throw store_error(error.what(), error.written(), store_error::cause::rejected);
        }
    }

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override
    {
        std::vector<write_result> results(writes.size());
        std::vector<std::size_t>  local, others;
        for (std::size_t i = 0; i < writes.size(); ++i)
            if (auto why = row_rules::unstorable(writes[i]); !why.empty())
                results[i] = {written::refused, std::move(why), {}};
            else
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
                throw store_error(e.what(), store_error::certainty::in_doubt, e.why());  // of the batch
            throw;
        }
        return results;
    }

    void enlist(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto const text = heartbeat_of(workflows);
        in_transaction(beats_, [&](connection& c, std::int64_t now) { leases(c, now).enlist(engine, text); });
    }

    beaten beat(std::string const& engine, std::span<std::string const>) override
    {
        return in_transaction(beats_, [&](connection& c, std::int64_t now) { return leases(c, now).beat(engine); });
    }

    // Two steps, and each leaves everything in order if we die after it: first the engine is made dead, then its rows are released, those
    // that are not locked at the moment; when there are none left its heartbeat's row goes, too.
    void resign(std::string const& engine) override
    {
        in_transaction(beats_, [&](connection& c, std::int64_t now) { leases(c, now).bury(engine); });
        for (int i = 0; i < portions_at_the_end && release_dead(portion_at_the_end).more; ++i)
        { }
    }

    bool bury(std::string const& engine, std::int64_t beats) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return leases(c, now).bury(engine, beats); });
    }

    released release_dead(std::size_t limit) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return leases(c, now).release_dead(limit); });
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        claimed    c;
        auto const due = in_transaction([&](connection& conn, std::int64_t now) { return leases(conn, now).look(engine, workflows, c); });
        if (!c.alive || (due.empty() && !owned_too))
            return c;
        in_transaction([&](connection& conn, std::int64_t now) {
            auto l = leases(conn, now);
            c = {};
            c.alive = l.hold(engine);
            if (!c.alive)
                return;
            if (owned_too)
                for (auto const& name : workflows)
                    l.take(c, engine, name, true, server_leases::no_limit);
            share_out(limit, due, [&](std::string const& name, std::size_t most) { return l.take(c, engine, name, false, most); });
            l.look(engine, workflows, c);
        });
        return c;
    }

    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return reads(c, now).cancel_requests(engine); });
    }

    // There is no such number here that would cost less than looking for work: every look is one query to an index.
    std::uint64_t version() override { return ++looks_; }

    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return reads(c, now).find(gid, with_journal); });
    }

    std::vector<transaction> list(list_filter const& filter) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return reads(c, now).list(filter); });
    }

    std::vector<transaction> settled(std::span<std::string const> gids) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return reads(c, now).settled(gids); });
    }

    made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override
    {
        return in_transaction([&](connection& c, std::int64_t now) {
            return sql_store::make_due(c.session.sql(), dialect_, tables_, now + later_than.count(), limit, now);
        });
    }

    std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) override
    {
        return in_transaction([&](connection& c, std::int64_t now) {
            return sql_store::purge(c.session.sql(), dialect_, tables_, now - older_than.count(), limit);
        });
    }

    std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        return in_transaction([&](connection& c, std::int64_t) { return kv_of(c).rows(category, key, after, limit); });
    }

    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        try
        {
            return in_transaction([&](connection& c, std::int64_t now) { return kv_of(c).put(category, key, value, version, now); });
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            if (version == 0 && !kv(category, key, 0, 1).empty())
                return false;  // another process was quicker
            throw as_store_error(e, false);
        }
    }

    bool remove_kv(std::string_view category, std::string_view key) override
    {
        return in_transaction([&](connection& c, std::int64_t) { return kv_of(c).remove(category, key); });
    }

    bool mark(std::string const& nonce, bool present) override
    {
        in_transaction([&](connection& c, std::int64_t) {
            change(c.session.sql(), present ? "INSERT INTO " + tables_.kv + " (cat, k, v) VALUES ('nonce', " + dialect_.literal(nonce) +
                                                  ", " + dialect_.current_user() + ")"
                                            : "DELETE FROM " + tables_.kv + " WHERE cat = 'nonce' AND k = " + dialect_.literal(nonce));
        });
        return true;
    }

    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        bool const  on_postgres = options_.url.kind == detail::server_kind::postgres;
        auto&       sql = detail::caller_session(connection, on_postgres ? "postgresql" : "mysql", describe());
        int         tables = 0;
        std::string there;
        sql << dialect_.table_exists(tables_.kv), soci::into(tables);
        if (tables > 0)
            sql << "SELECT v FROM " + tables_.kv + " WHERE cat = 'store' AND k = 'id'", soci::into(there);
        if (detail::without_dashes(there) != id_)
            throw detail::leads_elsewhere(describe(), w.gid);
        return create_on(sql, dialect_, options_.url.kind, tables_, options_.clock ? std::optional(clock_ms()) : std::nullopt, w);
    }

    std::size_t operations_at_once() const noexcept override { return dialect_.operations_at_once(); }
    void        interrupt() noexcept override { options_.session.watch->cut(std::chrono::milliseconds(500)); }

    std::string id() override { return id_; }

    std::string describe() const override { return options_.url.describe(); }

private:
    // A session on tables that need nothing more. Changing the tables of years may take minutes, so that is done on one which waits; but not
    // beside this one, nor if there is nothing to change: an account may have no more than a connection left.
    std::unique_ptr<detail::server_session> migrated()
    {
        auto session = connection::session_for(options_);
        if (is_migrated(*session, dialect_, options_.table_prefix, options_.url.describe()))
            return session;
        session.reset();
        auto patient = options_.session;
        patient.statement_timeout = std::chrono::milliseconds(0);
        session = std::make_unique<detail::server_session>(options_.url, patient, detail::server_session::purpose::store);
        migrate_server(*session, dialect_, options_.table_prefix, options_.url.describe(), options_.dtm_utc_offset);
        session.reset();
        return connection::session_for(options_);
    }

    void live_here(detail::server_session& session)
    {
        auto const here = place_of_database(session, options_.table_prefix);
        bool const settled = is_settled(session.sql(), tables_, here);
        session.roll_back();
        if (settled)
            return;
        bool const on_postgres = session.kind() == detail::server_kind::postgres;
        if (on_postgres)
            session.execute("BEGIN");
        settle(session.sql(), dialect_, tables_, on_postgres ? "INSERT INTO" : "INSERT IGNORE INTO", here, options_.relocated,
               options_.url.describe());
        session.execute("COMMIT");
    }

    // What every engine would stumble over is said at once: a server that takes no writes, a privilege that is missing. Changes nothing.
    void try_out(detail::server_session& session)
    {
        auto const insert = [&](std::string const& table, std::string const& columns) {
            session.execute("INSERT INTO " + table + " (" + columns + ") SELECT " + columns + " FROM " + table + " WHERE 1 = 0");
        };
        insert(tables_.kv, "cat, k");
        session.execute("UPDATE " + tables_.kv + " SET v = v WHERE 1 = 0");
        session.execute("DELETE FROM " + tables_.kv + " WHERE 1 = 0");
        insert(tables_.global, "gid, trans_type, status, options, custom_data");
        session.execute("UPDATE " + tables_.global + " SET owner = owner WHERE 1 = 0");
        insert(tables_.branch, "gid, branch_id, op, status");
        if (session.kind() != detail::server_kind::postgres)
            return;
        for (auto const& table : {tables_.kv, tables_.global, tables_.branch})
        {
            std::string     sequence;
            soci::indicator denied = soci::i_null;
            session.sql() << "SELECT s FROM pg_get_serial_sequence(" + dialect_.literal(table) +
                                 ", 'id') AS s WHERE NOT has_sequence_privilege(s, 'USAGE')",
                soci::into(sequence, denied);
            if (session.sql().got_data() && denied == soci::i_ok)
                throw std::runtime_error("permission denied for sequence " + sequence + ": USAGE is needed");
        }
    }

    // --- connections -------------------------------------------------------------------------------------------------

    // Sessions that are idle. Beats have some of their own: there is always one for them, however many others the server has given.
    struct session_list
    {
        std::mutex                               mutex;
        std::vector<std::unique_ptr<connection>> idle;
    };

    std::unique_ptr<connection> pop(session_list& sessions)
    {
        std::lock_guard lock(sessions.mutex);
        if (sessions.idle.empty())
            return nullptr;
        auto c = std::move(sessions.idle.back());
        sessions.idle.pop_back();
        return c;
    }

    std::unique_ptr<connection> connect()
    {
        try
        {
            return std::make_unique<connection>(options_, dialect_, tables_);
        }
        catch (std::exception const& e)
        {
            throw store_error(as_store_error(e, false).what(), known::not_written, store_error::cause::unreachable);
        }
    }

    // An account that has no connection left makes do with what it has, be it one: then the others' may serve.
    std::unique_ptr<connection> connect_or_borrow(session_list& sessions, bool& pooled)
    {
        try
        {
            return connect();
        }
        catch (store_error const&)
        {
            auto c = pop(&sessions == &beats_ ? sessions_ : beats_);
            if (!c)
                throw;
            pooled = true;
            return c;
        }
    }

    // A connection on which a local transaction is open, and the time. One that has been idle may have been closed by the server meanwhile,
    // and all the others with it: nothing was done on them, so nobody need hear of it.
    //
    // `for_operation`: an operation has begun there, too, and the time may be 0, for unknown: asking for it would be a round trip more.
    std::pair<std::unique_ptr<connection>, std::int64_t> begin(session_list& sessions, bool for_operation)
    {
        for (;;)
        {
            auto        c = pop(sessions);
            bool        pooled = c != nullptr;
            std::string settings;
            try
            {
                if (!c)
                    c = connect_or_borrow(sessions, pooled);
                if (for_operation && !std::exchange(c->knows_operations, true))
                    if (auto const text = dialect_.prepare_operations(c->session, c->writes->extends()); !text.empty())
                        c->session.execute(text);
                auto const   whole = for_operation ? dialect_.begin_operation_with_time() : "";
                bool const   looks = c->lent || !whole.empty();
                std::int64_t now = 0;
                if (!for_operation || looks)
                    query(
                        c->session.sql(),
                        !whole.empty() ? whole : dialect_.begin_with_time() + (looks ? ", " + dialect_.settings(c->session) : ""),
                        [&](soci::statement& s) {
                            s.exchange(soci::into(now));
                            if (looks)
                                s.exchange(soci::into(settings));
                        },
                        [] {});
                c->lent = for_operation;
                // An operation has left the session in another state: that is for nobody else.
                if (looks && settings != c->settings)
                    continue;
                if (for_operation && whole.empty())
                    c->session.execute(dialect_.begin_operation());
                return {std::move(c), options_.clock ? clock_ms() : now};
            }
            catch (std::exception const& e)
            {
                if (!pooled)
                    throw as_store_error(e, false);
                std::lock_guard lock(sessions.mutex);
                sessions.idle.clear();
            }
        }
    }

    static void give_back(session_list& sessions, std::unique_ptr<connection> c)
    {
        std::lock_guard lock(sessions.mutex);
        sessions.idle.push_back(std::move(c));
    }

    store_error as_store_error(std::exception const& e, bool in_doubt) const
    {
        if (auto const* s = dynamic_cast<store_error const*>(&e))
            return *s;
        auto const where = options_.url.describe();
        auto const what =
            (detail::is_read_only(e) ? "it is read-only, as a replica is that was not promoted: " : "") + detail::server_message(e);
        return store_error(what.starts_with(where) ? what : where + ": " + what,
                           in_doubt ? store_error::certainty::in_doubt : store_error::certainty::not_written,
                           detail::may_pass(e) ? store_error::cause::passing : store_error::cause::rejected);
    }

    // `f(connection, now)` in one local transaction, again if others were in the way. Trouble comes out as store_error, and the connection
    // is thrown away; anything else comes out as it is, after a rollback.
    template <class F>
    auto in_transaction(session_list& sessions, F f, bool for_operation = false) -> std::invoke_result_t<F, connection&, std::int64_t>
    {
        for (int tried = 1;; ++tried)
        {
            auto [c, now] = begin(sessions, for_operation);
            bool committing = false;
            try
            {
                if constexpr (std::is_void_v<std::invoke_result_t<F, connection&, std::int64_t>>)
                {
                    f(*c, now);
                    committing = true;
                    if (!std::exchange(c->committed, false))
                        c->session.execute("COMMIT");
                    return give_back(sessions, std::move(c));
                }
                else
                {
                    auto result = f(*c, now);
                    committing = true;
                    c->session.execute("COMMIT");
                    give_back(sessions, std::move(c));
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
                    give_back(sessions, std::move(c));
                if (fault != detail::server_fault::conflict && !dynamic_cast<not_as_expected const*>(&e))
                    throw;
                if (tried == tries)
                    throw as_store_error(e, false);
            }
        }
    }

    template <class F>
    auto in_transaction(F f) -> std::invoke_result_t<F, connection&, std::int64_t>
    {
        return in_transaction(sessions_, std::move(f));
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
        // An operation has begun on it.
        local_writer(sql_store::connection& c, dialect const& d, std::int64_t now) : connection_(c), dialect_(d), now_(now) { }

        std::any connection() override { return &connection_.session.sql(); }
        std::any prepared() override
        {
            if (!connection_.prepared)
                connection_.prepared.emplace(connection_.session.sql());
            return &*connection_.prepared;
        }

        bool record(extend_write const& w) override
        {
            auto& session = connection_.session;
            if (session.where() == detail::server_session::transaction::open && session.reads_as_before() &&
                connection_.writes->too_large(w).empty())
                if (auto const update = connection_.writes->statement_of(w, now_, !dialect_.begin_operation_with_time().empty());
                    !update.empty())
                    last_ = dialect_.end_operation_with(session, update, connection_.settings);
            if (!last_.empty())
                return true;
            end_operation();
            if (now_ == 0)
                session.sql() << dialect_.begin_with_time(), soci::into(now_);
            return connection_.writes->extend(w, now_);
        }

        // Commits, if the journal's entry goes with it. Throws undone if the row was not as it has to be.
        void commit()
        {
            if (last_.empty())
                return;
            try
            {
                connection_.session.execute(last_);
                connection_.lent = !dialect_.begin_operation_with_time().empty() || connection_.session.has_warned();
                connection_.committed = true;
            }
            catch (std::exception const& e)
            {
                if (dialect_.says_no_row(e))
                    throw undone();
                if (detail::says_no_savepoint(e))
                    throw_ended(e);
                throw;
            }
        }

        bool applied(extend_write const& w) override { return connection_.writes->is_applied(w); }

        void end_operation()
        {
            if (std::exchange(ended_, true))
                return;
            try
            {
                connection_.session.execute(dialect_.end_operation());
                if (!connection_.session.reads_as_before())
                    throw std::runtime_error("it has changed how the session that it shares with its journal entry is read (character set, "
                                             "backslashes in literals, autocommit): nothing that was done there counts");
            }
            catch (std::exception const& e)
            {
                if (connection_.session.where() == detail::server_session::transaction::failed)
                    return;  // by an error of its own: what comes next says so
                if (!detail::says_no_savepoint(e))
                    throw;
                throw_ended(e);
            }
        }

    private:
        [[noreturn]] static void throw_ended(std::exception const& e)
        {
            throw ended_by_operation("its local transaction was ended while it ran: what it had done by then may count, without its "
                                     "journal entry (" +
                                     detail::server_message(e) + ")");
        }

        sql_store::connection& connection_;
        dialect const&         dialect_;
        std::int64_t           now_;
        bool                   ended_ = false;
        std::string            last_;  // what is left to be sent: the entry, and the commit
    };

    // A connection that is lost here, or a server that ends what it does, leaves it in doubt. One that rejects the statement has committed nothing.
    void commit_entry(local_writer& writer)
    {
        try
        {
            writer.commit();
        }
        catch (undone const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            if (detail::fault_of(e) == detail::server_fault::trouble)
                throw as_store_error(e, detail::may_pass(e));
            throw;
        }
    }

    void apply_local(local_write const& w, write_result& result)
    {
        try
        {
            auto const work = [&](connection& c, std::int64_t now) {
                local_writer writer(c, dialect_, now);
                if (w.operation->run(writer))
                    return commit_entry(writer);
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
            };
            in_transaction(sessions_, work, true);
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

    // --- parts -------------------------------------------------------------------------------------------------------

    server_leases leases(connection& c, std::int64_t now) const { return {c.session.sql(), dialect_, tables_, now}; }
    server_reads  reads(connection& c, std::int64_t now) const { return {c.session.sql(), dialect_, tables_, now}; }
    kv_table      kv_of(connection& c) const { return {c.session.sql(), dialect_, tables_.kv}; }

    std::int64_t clock_ms() const
    {
        return std::chrono::duration_cast<std::chrono::milliseconds>(options_.clock->now().time_since_epoch()).count();
    }
    server_store_options       options_;
    dialect const&             dialect_;
    table_names                tables_;
    std::string                id_;
    std::atomic<std::uint64_t> looks_{0};
    session_list               sessions_, beats_;
};

}  // namespace

std::unique_ptr<store> open_server(server_store_options options) { return std::make_unique<server_store>(std::move(options)); }

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
