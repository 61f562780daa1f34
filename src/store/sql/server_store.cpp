#include "src/store/sql/server_store.hpp"

#include "src/sql/caller_session.hpp"
#include "src/store/share_out.hpp"
#include "src/store/sql/heartbeat.hpp"
#include "src/store/sql/kv_table.hpp"
#include "src/store/sql/place.hpp"
#include "src/store/sql/refused_rows.hpp"
#include "src/store/sql/schema.hpp"
#include "src/store/sql/server_connections.hpp"
#include "src/store/sql/server_creation.hpp"
#include "src/store/sql/server_leases.hpp"
#include "src/store/sql/server_operation.hpp"
#include "src/store/sql/upkeep.hpp"

#include <weft/errors.hpp>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <limits>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

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
struct not_applied : std::exception
{ };

class server_store final : public store
{
public:
    explicit server_store(server_store_options options)
        : options_(std::move(options))
        , dialect_(options_.url.kind == detail::server_kind::postgres ? postgres() : mysql())
        , tables_(options_.table_prefix)
        , connections_(options_, dialect_, tables_)
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
            connections_.add(std::move(first));
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
            auto const error = connections_.as_store_error(e, false);
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
                results[i] = apply_local(connections_, dialect_, std::get<local_write>(writes[i]));
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

    void register_engine(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto const text = heartbeat_of(workflows);
        connections_.in_transaction(session_use::beats,
                                    [&](connection& c, std::int64_t now) { leases(c, now).register_engine(engine, text); });
    }

    beaten beat(std::string const& engine, std::span<std::string const>) override
    {
        return connections_.in_transaction(session_use::beats,
                                           [&](connection& c, std::int64_t now) { return leases(c, now).beat(engine); });
    }

    // Two steps, and each leaves everything in order if we die after it: first the engine is made dead, then its rows are released, those
    // that are not locked at the moment; when there are none left its heartbeat's row goes, too.
    void unregister_engine(std::string const& engine) override
    {
        connections_.in_transaction(session_use::beats, [&](connection& c, std::int64_t now) { leases(c, now).bury(engine); });
        for (int i = 0; i < portions_at_the_end && release_dead(portion_at_the_end).more; ++i)
        { }
    }

    bool bury(std::string const& engine, std::int64_t beats) override
    {
        return in_transaction([&](connection& c, std::int64_t now) { return leases(c, now).bury(engine, beats); });
    }

    released release_dead(std::size_t limit) override
    {
        released   r;
        auto const all = [&](connection& c, std::int64_t now) { return leases(c, now).release_dead(limit, refused_.left_out()); };
        if (auto const why = refusal_of([&] { r = in_transaction(all); }))
            r = release_one_by_one(limit, *why);
        r.refused = refused_.in_words();
        return r;
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        claimed    c;
        auto const due = in_transaction([&](connection& conn, std::int64_t now) { return leases(conn, now).look(engine, workflows, c); });
        c.refused = refused_.in_words();
        if (!c.alive || (due.empty() && !owned_too))
            return c;
        auto const all = [&](connection& conn, std::int64_t now) {
            auto l = leases(conn, now);
            c = {};
            c.alive = l.hold(engine);
            if (!c.alive)
                return;
            if (owned_too)
                for (auto const& name : workflows)
                    l.take(c, engine, name, true, server_leases::no_limit, "");
            auto const left_out = refused_.left_out();
            share_out(limit, due,
                      [&](std::string const& name, std::size_t most) { return l.take(c, engine, name, false, most, left_out); });
            l.look(engine, workflows, c);
        };
        if (refusal_of([&] { in_transaction(all); }))
            claim_one_by_one(c, engine, workflows, limit, owned_too, due);
        c.refused = refused_.in_words();
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
            throw connections_.as_store_error(e, false);
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
        return create_on(sql, dialect_, options_.url.kind, tables_, options_.clock ? std::optional(clock_ms(options_)) : std::nullopt, w);
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

    template <class F>
    auto in_transaction(F f) -> std::invoke_result_t<F, connection&, std::int64_t>
    {
        return connections_.in_transaction(session_use::questions, std::move(f));
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
            if (!repeated && apply_optimistic(writes, which, results))
            {
                some = true;
                return;
            }
            in_transaction([&](connection& c, std::int64_t now) { c.writes->apply_locked(writes, which, now, repeated, results); });
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

    bool apply_optimistic(std::span<write const> writes, std::span<std::size_t const> which, std::vector<write_result>& results)
    {
        try
        {
            auto const now = in_transaction([&](connection& c, std::int64_t t) {
                if (!c.writes->apply_optimistic(writes, which, t))
                    throw not_applied();
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

    // --- rows that will not be changed -------------------------------------------------------------------------------

    // Why the database has rejected it, and has nothing of it; nothing: it is done.
    template <class F>
    static std::optional<std::string> refusal_of(F f)
    {
        try
        {
            f();
            return std::nullopt;
        }
        catch (store_error const& e)
        {
            if (e.in_doubt() || e.why() != store_error::cause::rejected)
                throw;
            return e.what();
        }
        catch (soci::soci_error const& e)
        {
            return detail::server_message(e);
        }
    }

    // So many refusals in one call are enough: each may cost a session. The next call goes on behind them.
    static constexpr unsigned enough_refusals = 20;

    // `f(connection, now)` with one row, which is left out from now on if the database refuses it. False: so it is.
    template <class F>
    bool with_row(std::string const& id, std::string const& gid, F f)
    {
        auto const why = refusal_of([&] { in_transaction(f); });
        if (why)
            refused_.add(id, gid, *why);
        return !why;
    }

    void claim_one_by_one(claimed& c, std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too,
                          std::vector<std::string> const& due)
    {
        c = {};
        unsigned   refusals = 0;
        auto const take_each = [&](std::string const& name, bool owned, std::size_t most) {
            auto const left_out = owned ? "" : refused_.left_out();  // what is leased here has to be run
            auto const find = [&](connection& conn, std::int64_t now) {
                return leases(conn, now).rows_to_take(engine, name, owned, most, left_out);
            };
            std::size_t taken = 0;
            for (auto const& [id, gid] : in_transaction(find))
            {
                if (!owned && refusals >= enough_refusals)
                    break;
                claimed    one;
                auto const take = [&](connection& conn, std::int64_t now) {
                    auto l = leases(conn, now);
                    one = {};
                    one.alive = l.hold(engine);
                    if (one.alive)
                        l.take(one, engine, name, owned, 1, " AND id = " + id);
                };
                if (!with_row(id, gid, take))
                {
                    ++refusals;  // perhaps by the commit: what was read is not leased
                    continue;
                }
                c.alive = c.alive && one.alive;
                taken += one.rows.size();
                std::move(one.rows.begin(), one.rows.end(), std::back_inserter(c.rows));
            }
            return taken;
        };
        if (owned_too)
            for (auto const& name : workflows)
                take_each(name, true, server_leases::no_limit);
        share_out(limit, due, [&](std::string const& name, std::size_t most) { return take_each(name, false, most); });
        in_transaction([&](connection& conn, std::int64_t now) {
            bool const alive = c.alive;
            leases(conn, now).look(engine, workflows, c);
            c.alive = c.alive && alive;
        });
    }

    // `why_all`: of all of them together.
    released release_one_by_one(std::size_t limit, std::string const& why_all)
    {
        released   r;
        unsigned   refusals = 0;
        auto const left_out = refused_.left_out();
        auto const rows = in_transaction([&](connection& c, std::int64_t now) { return leases(c, now).dead_rows(limit, left_out); });
        for (auto const& [id, gid] : rows)
        {
            if (refusals >= enough_refusals)
                break;
            bool       released_it = false;
            auto const release = [&](connection& c, std::int64_t now) { released_it = leases(c, now).release(id); };
            if (with_row(id, gid, release))
                r.count += released_it;
            else
                ++refusals;
        }
        if (refusals == 0 && r.count == 0)
            throw store_error(why_all, known::not_written, store_error::cause::rejected);  // it is none of the rows
        r.more = r.count > 0;  // without those; and dead engines of which nothing is left are forgotten
        return r;
    }

    // --- parts -------------------------------------------------------------------------------------------------------

    server_leases leases(connection& c, std::int64_t now) const { return {c.session.sql(), dialect_, tables_, now}; }
    server_reads  reads(connection& c, std::int64_t now) const { return {c.session.sql(), dialect_, tables_, now}; }
    kv_table      kv_of(connection& c) const { return {c.session.sql(), dialect_, tables_.kv}; }

    server_store_options       options_;
    dialect const&             dialect_;
    table_names                tables_;
    std::string                id_;
    std::atomic<std::uint64_t> looks_{0};
    refused_rows               refused_;
    server_connections         connections_;
};

}  // namespace

std::unique_ptr<store> open_server(server_store_options options) { return std::make_unique<server_store>(std::move(options)); }

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
