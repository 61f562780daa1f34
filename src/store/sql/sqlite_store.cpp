#include "src/store/sql/sqlite_store.hpp"

#include "src/sql/caller_session.hpp"
#include "src/store/share_out.hpp"
#include "src/store/sql/engine_lock.hpp"
#include "src/store/sql/heartbeat.hpp"
#include "src/store/sql/kv_table.hpp"
#include "src/store/sql/place.hpp"
#include "src/store/sql/refused_rows.hpp"
#include "src/store/sql/schema.hpp"
#include "src/store/sql/sqlite_connection.hpp"
#include "src/store/sql/sqlite_reads.hpp"
#include "src/store/sql/sqlite_writes.hpp"
#include "src/store/sql/upkeep.hpp"

#include <weft/detail/codec.hpp>
#include <weft/errors.hpp>

#include <map>
#include <mutex>
#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

constexpr char const* make_dead = "UPDATE main.kv SET cat = 'dead engine' WHERE cat = 'engine' AND ";

// How long a writer stands aside when another process waits for its turn.
constexpr useconds_t stand_aside_us = 1'500;

class sqlite_store final : public store
{
public:
    explicit sqlite_store(sqlite_options options) : options_(std::move(options)), clock_(options_.clock ? options_.clock : system_clock())
    {
        open(true);
    }

    std::vector<write_result> apply(std::span<write const> writes, bool repeated) override
    {
        std::lock_guard           lock(write_mutex_);
        std::vector<write_result> results(writes.size());
        bool                      one_by_one = false;
        for (std::size_t from = 0; from < writes.size();)
            try
            {
                auto to = from;
                in_transaction([&](connections& c) {
                    // An operation that has left something on the connection is the last one in its transaction: the next finds another.
                    do
                        results[to] = apply_one(c, writes[to], repeated);
                    while (++to < writes.size() && !one_by_one && !c.write.is_changed());
                });
                from = to;
            }
            catch (store_error const& e)
            {
                if (from > 0)
                    throw store_error(e.what(), store_error::certainty::in_doubt, e.why());  // of the batch, not of this one
                throw;
            }
            catch (std::exception const& e)
            {
                // One of them cannot be written, whatever we do: the others go each by itself.
                if (one_by_one)
                    results[from++] = {written::refused, message_of(e), {}};
                one_by_one = true;
            }
        return results;
    }

    void register_engine(std::string const& engine, std::span<std::string const> workflows) override
    {
        auto       held = std::make_unique<engine_lock>(options_.file, engine);
        auto const text = heartbeat_of(workflows);
        beating([&](soci::session& sql) {
            auto const now = now_ms();
            sql << "INSERT INTO main.kv (cat, k, v, create_time, update_time) VALUES ('engine', :k, :v, :now, :now2)", soci::use(engine),
                soci::use(text), soci::use(now), soci::use(now);
        });
        std::lock_guard lock(locks_mutex_);
        locks_[engine] = std::move(held);
    }

    beaten beat(std::string const& engine, std::span<std::string const>) override
    {
        beaten b;
        beating([&](soci::session& sql) {
            b = {};
            auto const      now = now_ms();
            soci::statement s =
                (sql.prepare << "UPDATE main.kv SET update_time = :now, version = version + 1 WHERE cat = 'engine' AND k = :k",
                 soci::use(now), soci::use(engine));
            s.execute(true);
            b.alive = s.get_affected_rows() > 0;
            std::string category;
            heartbeat   seen;
            query(
                sql, "SELECT cat, k, version FROM main.kv WHERE cat IN ('engine', 'dead engine')",
                [&](soci::statement& engines) {
                    engines.exchange(soci::into(category));
                    engines.exchange(soci::into(seen.engine));
                    engines.exchange(soci::into(seen.beats));
                },
                [&] {
                    if (category != "engine")
                        b.to_release = true;
                    else if (seen.engine != engine)
                        b.others.push_back(seen);
                });
        });
        std::lock_guard lock(locks_mutex_);
        if (!b.alive)
            locks_.erase(engine);
        for (auto& other : b.others)
            other.gone = !locks_.contains(other.engine) && engine_lock::is_free(options_.file, other.engine);
        return b;
    }

    void unregister_engine(std::string const& engine) override
    {
        beating([&](soci::session& sql) { sql << std::string(make_dead) + "k = :k", soci::use(engine); });
        {
            std::lock_guard lock(locks_mutex_);
            locks_.erase(engine);
        }
        for (int i = 0; i < portions_at_the_end && release_dead(portion_at_the_end).more; ++i)
        { }
    }

    bool bury(std::string const& engine, std::int64_t beats) override
    {
        bool buried = false;
        beating([&](soci::session& sql) {
            soci::statement s =
                (sql.prepare << std::string(make_dead) + "k = :k AND version = :beats", soci::use(engine), soci::use(beats));
            s.execute(true);
            buried = s.get_affected_rows() > 0;
        });
        if (buried)
            engine_lock::remove_file(options_.file, engine);
        return buried;
    }

    released release_dead(std::size_t limit) override
    {
        std::lock_guard lock(write_mutex_);
        released        r;
        in_transaction([&](connections& c) { r = release(c.write.sql(), limit, now_ms()); });
        r.refused = refused_.in_words();
        return r;
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        std::lock_guard lock(write_mutex_);
        claimed         c;
        auto const      now = now_ms();
        due_names       due;
        guarded(false, [&](connections& conn) {
            c.alive = is_listed(conn, engine);
            due = look(conn, workflows, now);
        });
        if (!c.alive)
            return c;
        if (!due.names.empty() || owned_too)
            in_transaction([&](connections& conn) {
                c = {};
                c.alive = is_listed(conn, engine);
                if (!c.alive)
                    return;
                if (owned_too)
                    for (auto const& name : workflows)
                        take(conn, c, engine, engine, name, now, never);
                share_out(limit, due.names, [&](std::string const& name, std::size_t most) {
                    auto const before = c.rows.size();
                    take(conn, c, engine, "", name, now, static_cast<std::int64_t>(most));
                    return c.rows.size() - before;
                });
                due = look(conn, workflows, now);
            });
        if (due.next != never && c.alive)
            c.next_due = std::chrono::milliseconds(std::max<std::int64_t>(0, due.next - now));
        c.refused = refused_.in_words();
        return c;
    }

    std::vector<std::string> cancel_requests(std::string const& engine) override
    {
        return reading([&](sqlite_reads& r) { return r.cancel_requests(engine); });
    }

    std::uint64_t version() override
    {
        return reading([&](sqlite_reads& r) { return r.data_version(); });
    }

    std::optional<transaction> find(std::string_view gid, bool with_journal) override
    {
        return reading([&](sqlite_reads& r) { return r.find(gid, with_journal, now_ms()); });
    }

    std::vector<transaction> list(list_filter const& filter) override
    {
        // On a connection of its own: it may take long, and others read meanwhile.
        std::lock_guard lock(list_mutex_);
        try
        {
            if (!lists_)
                lists_.emplace(options_.file, options_.busy_timeout, false);
            lists_->check_file();
            return sqlite_reads::list(lists_->sql(), filter, now_ms());
        }
        catch (std::exception const& e)
        {
            auto const trouble =
                dynamic_cast<store_error const*>(&e) ? *dynamic_cast<store_error const*>(&e) : as_store_error(options_.file, e, false);
            lists_.reset();
            throw trouble;
        }
    }

    std::vector<transaction> settled(std::span<std::string const> gids) override
    {
        return reading([&](sqlite_reads& r) { return r.settled(gids, now_ms()); });
    }

    made_due make_due(std::chrono::milliseconds later_than, std::size_t limit) override
    {
        std::lock_guard lock(write_mutex_);
        made_due        made;
        in_transaction([&](connections& c) {
            auto const now = now_ms();
            made = sql_store::make_due(c.write.sql(), sqlite(), sqlite_tables(), now + later_than.count(), limit, now);
        });
        return made;
    }

    std::size_t purge(std::chrono::milliseconds older_than, std::size_t limit) override
    {
        std::lock_guard lock(write_mutex_);
        std::size_t     purged = 0;
        in_transaction([&](connections& c) {
            purged = sql_store::purge(c.write.sql(), sqlite(), sqlite_tables(), now_ms() - older_than.count(), limit);
        });
        return purged;
    }

    std::vector<kv_row> kv(std::string_view category, std::string_view key, std::int64_t after, std::size_t limit) override
    {
        return reading([&](sqlite_reads& r) { return r.kv().rows(category, key, after, limit); });
    }

    bool put_kv(std::string_view category, std::string_view key, std::string_view value, std::int64_t version) override
    {
        std::lock_guard lock(write_mutex_);
        bool            done = false;
        in_transaction([&](connections& c) {
            done = kv_table(c.write.sql(), sqlite(), sqlite_tables().kv).put(category, key, value, version, now_ms());
        });
        return done;
    }

    bool remove_kv(std::string_view category, std::string_view key) override
    {
        std::lock_guard lock(write_mutex_);
        bool            done = false;
        in_transaction([&](connections& c) { done = kv_table(c.write.sql(), sqlite(), sqlite_tables().kv).remove(category, key); });
        return done;
    }

    bool mark(std::string const& nonce, bool present) override
    {
        std::lock_guard lock(write_mutex_);
        in_transaction([&](connections& c) {
            if (present)
                c.write.sql() << "INSERT INTO main.kv (cat, k) VALUES ('nonce', :k)", soci::use(nonce);
            else
                c.write.sql() << "DELETE FROM main.kv WHERE cat = 'nonce' AND k = :k", soci::use(nonce);
        });
        return true;
    }

    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        auto&           sql = detail::caller_session(connection, "sqlite3", describe());
        int             tables = 0;
        std::string     there;
        soci::indicator ind = soci::i_null;
        sql << "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name = 'kv'", soci::into(tables);
        if (tables > 0)
            sql << "SELECT v FROM main.kv WHERE cat = 'store' AND k = 'id'", soci::into(there, ind);
        if (ind != soci::i_ok || detail::without_dashes(there) != id())
            throw detail::leads_elsewhere(describe(), w.gid);
        if (names_one_twice(w.ops))
            throw misuse(misuse::code::bad_value, named_twice, w.gid);
        sqlite_operations operations(sql);
        if (sqlite_creation(sql, operations).apply(w, now_ms()))
            return std::nullopt;
        return sqlite_reads(sql).find(w.gid, false, now_ms());
    }

    std::string id() override
    {
        return reading([&](sqlite_reads& r) { return detail::without_dashes(r.store_id()); });
    }

    std::string describe() const override { return "sqlite " + options_.file; }

private:
    struct connections
    {
        connections(sqlite_options const& o, bool create)
            : write(o.file, o.busy_timeout, create, o.warning)
            , read(o.file, o.busy_timeout, false)
        {
            migrate_sqlite(write.sql(), "sqlite " + o.file);
            live_here(o);
            writes.emplace(write);
            reads.emplace(read.sql());
            operations.emplace(write.sql());
        }

        void live_here(sqlite_options const& o)
        {
            auto&      sql = write.sql();
            auto const here = place_of_file(o.file);
            if (is_settled(sql, sqlite_tables(), here))
                return;
            execute(sql, "BEGIN IMMEDIATE");
            try
            {
                settle(sql, sqlite(), sqlite_tables(), "INSERT OR IGNORE INTO", here, o.relocated, "sqlite " + o.file);
                execute(sql, "COMMIT");
            }
            catch (...)
            {
                sqlite_api::sqlite3_exec(handle(sql), "ROLLBACK", nullptr, nullptr, nullptr);
                throw;
            }
        }

        sqlite_connection            write, read;
        std::optional<sqlite_writes> writes;
        std::optional<sqlite_reads>  reads;

        std::optional<sqlite_operation_reads> operations;  // on the writing connection, for claims
    };

    std::int64_t now_ms() const { return std::chrono::duration_cast<std::chrono::milliseconds>(clock_->now().time_since_epoch()).count(); }

    void open(bool create)
    {
        try
        {
            connections_ = std::make_unique<connections>(options_, create);
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            throw as_store_error(options_.file, e, false);
        }
    }

    // Runs `f` on the connections, which are made anew after trouble. Trouble comes out as store_error; everything else as it is.
    template <class F>
    void guarded(bool const& committing, F f)
    {
        try
        {
            if (!connections_ || connections_->write.is_changed())
            {
                std::lock_guard lock(read_mutex_);
                connections_.reset();
                open(false);
            }
            f(*connections_);
        }
        catch (std::exception const& e)
        {
            if (!is_trouble(e))
                throw;
            std::optional<store_error> seen;
            if (auto const* s = dynamic_cast<store_error const*>(&e))
                seen = committing ? store_error(s->what(), store_error::certainty::in_doubt, s->why()) : *s;
            else
                seen = as_store_error(options_.file, e, committing);
            if (auto const code = code_of(e); code != SQLITE_BUSY && code != SQLITE_FULL)
            {
                std::lock_guard lock(read_mutex_);
                connections_.reset();
            }
            throw *seen;
        }
    }

    // `f` in one transaction of the writing connection.
    template <class F>
    void in_transaction(F f)
    {
        bool committing = false;
        guarded(committing, [&](connections& c) {
            auto& sql = c.write.sql();
            c.write.begin();
            try
            {
                c.writes->begin();
                f(c);
                committing = true;
                execute(sql, "COMMIT");
            }
            catch (...)
            {
                if (!sqlite_api::sqlite3_get_autocommit(handle(sql)))
                    sqlite_api::sqlite3_exec(handle(sql), "ROLLBACK", nullptr, nullptr, nullptr);
                throw;
            }
            c.write.check_file();
            if (c.write.turn().others_wait())
                ::usleep(stand_aside_us);
        });
    }

    template <class F>
    auto reading(F f) -> std::invoke_result_t<F, sqlite_reads&>
    {
        std::lock_guard lock(read_mutex_);
        try
        {
            if (!connections_)
                throw store_error("sqlite " + options_.file + ": not open at the moment");
            return f(*connections_->reads);
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const& e)
        {
            throw as_store_error(options_.file, e, false);
        }
    }

    write_result apply_one(connections& c, write const& w, bool repeated)
    {
        if (auto why = row_rules::unstorable(w); !why.empty())
            return {written::refused, std::move(why), {}};
        auto const now = now_ms();
        return std::visit([&](auto const& x) { return c.writes->apply(x, now, repeated); }, w);
    }

    // `f` in a transaction of the connection that is kept for the engines' rows: whatever the writer does, it does not stand before a beat.
    // Only a transaction that is under way does, its own or another process's.
    template <class F>
    void beating(F f)
    {
        std::lock_guard lock(beat_mutex_);
        bool            committing = false;
        try
        {
            if (!beats_)
                beats_.emplace(options_.file, options_.busy_timeout, false);
            beats_->begin();
            f(beats_->sql());
            committing = true;
            execute(beats_->sql(), "COMMIT");
            beats_->check_file();
        }
        catch (std::exception const& e)
        {
            auto const* const known = dynamic_cast<store_error const*>(&e);
            auto const        trouble = known ? *known : as_store_error(options_.file, e, committing);
            beats_.reset();  // and with it what is open
            throw trouble;
        }
    }

    // A change that a trigger or a constraint refuses undoes itself and nothing else. Why it was; nothing: it is done.
    template <class F>
    static std::optional<std::string> refusal_of(F f)
    {
        try
        {
            f();
            return std::nullopt;
        }
        catch (soci::sqlite3_soci_error const& e)
        {
            if ((e.result() & 0xFF) != SQLITE_CONSTRAINT)
                throw;
            return e.get_error_message();
        }
    }

    // Of one row, which is left out from now on if it is refused. False: so it is.
    template <class F>
    bool with_row(std::string const& id, std::string const& gid, F f)
    {
        auto const why = refusal_of(f);
        if (why)
            refused_.add(id, gid, *why);
        return !why;
    }

    released release(soci::session& sql, std::size_t limit, std::int64_t now)
    {
        released                            r;
        std::vector<std::int64_t>           ids;
        std::map<std::int64_t, std::string> gids;
        std::int64_t                        id = 0;
        std::string                         gid;
        std::string const of_the_dead = std::string("owner IN (SELECT k FROM main.kv WHERE cat = 'dead engine') AND ") + unfinished;
        query(
            sql, "SELECT id, gid FROM main.trans_global WHERE " + of_the_dead + refused_.left_out() + " LIMIT " + limit_of(limit),
            [&](soci::statement& s) {
                s.exchange(soci::into(id));
                s.exchange(soci::into(gid));
            },
            [&] {
                ids.push_back(id);
                gids.emplace(id, gid);
            });
        auto const release_these = [&](std::string const& these) {
            change(sql,
                   "UPDATE main.trans_global SET owner = '', next_cron_time = " + std::to_string(now) + " WHERE id IN (" + these + ")");
        };
        r.count = ids.size();
        r.more = ids.size() == limit;
        if (!ids.empty() && refusal_of([&] { release_these(joined(ids)); }))
            for (auto const one : ids)
                r.count -= !with_row(std::to_string(one), gids[one], [&] { release_these(std::to_string(one)); });
        change(sql,
               "DELETE FROM main.kv WHERE cat = 'dead engine' AND NOT EXISTS (SELECT 1 FROM main.trans_global WHERE owner = kv.k AND " +
                   std::string(unfinished) + ")");
        return r;
    }

    static bool is_listed(connections& c, std::string const& engine)
    {
        int listed = 0;
        c.write.sql() << "SELECT count(*) FROM main.kv WHERE cat = 'engine' AND k = :k", soci::use(engine), soci::into(listed);
        return listed > 0;
    }

    struct due_names
    {
        std::vector<std::string> names;         // of which something is due
        std::int64_t             next = never;  // when the first of all workflows is
    };
    static due_names look(connections& c, std::span<std::string const> workflows, std::int64_t now)
    {
        due_names found;
        for (auto const& name : workflows)
        {
            std::int64_t    due = never;
            soci::indicator ind = soci::i_null;
            c.write.sql() << "SELECT min(next_cron_time) FROM main.trans_global WHERE owner = '' AND workflow = :name AND " << unfinished,
                soci::use(name), soci::into(due, ind);
            if (ind != soci::i_ok)
                continue;
            found.next = std::min(found.next, due);
            if (due <= now)
                found.names.push_back(name);
        }
        return found;
    }

    void take(connections& c, claimed& into, std::string const& engine, std::string const& from, std::string const& workflow,
              std::int64_t now, std::int64_t limit)
    {
        auto&           sql = c.write.sql();
        transaction_row row;
        soci::statement s(sql);
        row.into(s);
        s.exchange(soci::use(from));
        s.exchange(soci::use(workflow));
        s.exchange(soci::use(from.empty() ? now : never));
        s.exchange(soci::use(limit));
        s.alloc();
        s.prepare(select_transaction() + " WHERE owner = :owner AND workflow = :workflow AND next_cron_time <= :now AND " + unfinished +
                  (from.empty() ? refused_.left_out() : "") + " ORDER BY next_cron_time LIMIT :limit");
        s.define_and_bind();
        auto const first = into.rows.size();
        for (bool more = s.execute(true); more; more = s.fetch())
            into.rows.push_back(row.as_transaction(now));
        c.operations->add_to(std::span(into.rows).subspan(first));
        // A row that is due is not paused: a reason to pause comes from reading it.
        for (auto i = first; i < into.rows.size();)
            if (auto const& t = into.rows[i]; t.paused_reason.empty())
                ++i;
            else
            {
                auto const pause = [&] {
                    sql << "UPDATE main.trans_global SET owner = '', paused_reason = :why, last_error = :why2, next_cron_time = :never "
                           "WHERE gid = :gid",
                        soci::use(t.paused_reason), soci::use(t.paused_reason), soci::use(never), soci::use(t.gid);
                };
                with_row(std::to_string(t.id), t.gid, pause);
                into.rows.erase(into.rows.begin() + static_cast<std::ptrdiff_t>(i));
            }
        std::string gid;
        auto const  prepared = [&] {
            return soci::statement((sql.prepare << "UPDATE main.trans_global SET owner = :owner, attempts = attempts + 1 WHERE gid = :gid",
                                    soci::use(engine), soci::use(gid)));
        };
        auto lease = prepared();
        for (auto i = first; i < into.rows.size(); ++i)
        {
            auto& t = into.rows[i];
            if (t.journal.starts_with(R"({"parts":)"))
                t.parts = sqlite_reads::parts_of(sql, t.gid);
            if (!from.empty())
                continue;
            gid = t.gid;
            if (with_row(std::to_string(t.id), t.gid, [&] { lease.execute(true); }))
            {
                t.owner = engine;
                ++t.attempts;
                continue;
            }
            t.gid.clear();
            lease = prepared();
        }
        std::erase_if(into.rows, [](transaction const& t) { return t.gid.empty(); });
    }

    sqlite_options                                      options_;
    std::shared_ptr<clock>                              clock_;
    std::mutex                                          write_mutex_, read_mutex_;
    std::unique_ptr<connections>                        connections_;
    refused_rows                                        refused_;
    std::mutex                                          beat_mutex_, list_mutex_;
    std::optional<sqlite_connection>                    beats_, lists_;
    std::mutex                                          locks_mutex_;
    std::map<std::string, std::unique_ptr<engine_lock>> locks_;
};

}  // namespace

std::unique_ptr<store> open_sqlite(sqlite_options options) { return std::make_unique<sqlite_store>(std::move(options)); }

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
