#include "src/store/sql/sqlite_store.hpp"

#include "src/sql/caller_session.hpp"
#include "src/store/sql/engine_lock.hpp"
#include "src/store/sql/heartbeat.hpp"
#include "src/store/sql/kv_table.hpp"
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
        try
        {
            in_transaction([&](connections& c) {
                for (std::size_t i = 0; i < writes.size(); ++i)
                    results[i] = apply_one(c, writes[i], repeated);
            });
        }
        catch (store_error const&)
        {
            throw;
        }
        catch (std::exception const&)
        {
            // One of them cannot be written, whatever we do: the others go each by itself.
            bool some = false;
            for (std::size_t i = 0; i < writes.size(); ++i)
                try
                {
                    in_transaction([&](connections& c) { results[i] = apply_one(c, writes[i], repeated); });
                    some = true;
                }
                catch (store_error const& e)
                {
                    if (some)
                        throw store_error(e.what(), store_error::certainty::in_doubt, e.why());  // of the batch, not of this one
                    throw;
                }
                catch (std::exception const& e)
                {
                    results[i] = {written::refused, message_of(e), {}};
                }
        }
        return results;
    }

    void enlist(std::string const& engine, std::span<std::string const> workflows) override
    {
        std::lock_guard lock(write_mutex_);
        auto            held = std::make_unique<engine_lock>(options_.file, engine);
        auto const      text = heartbeat_of(workflows);
        in_transaction([&](connections& c) {
            auto const now = now_ms();
            c.write.sql() << "INSERT INTO kv (cat, k, v, create_time, update_time) VALUES ('engine', :k, :v, :now, :now2)",
                soci::use(engine), soci::use(text), soci::use(now), soci::use(now);
        });
        locks_[engine] = std::move(held);
    }

    bool beat(std::string const& engine, std::span<std::string const>) override
    {
        std::lock_guard lock(write_mutex_);
        bool            alive = false;
        in_transaction([&](connections& c) {
            auto const      now = now_ms();
            soci::statement s =
                (c.write.sql().prepare << "UPDATE kv SET update_time = :now, version = version + 1 WHERE cat = 'engine' AND k = :k",
                 soci::use(now), soci::use(engine));
            s.execute(true);
            alive = s.get_affected_rows() > 0;
        });
        if (!alive)
            locks_.erase(engine);
        return alive;
    }

    void resign(std::string const& engine) override
    {
        std::lock_guard lock(write_mutex_);
        in_transaction([&](connections& c) { release(c, engine); });
        locks_.erase(engine);
    }

    std::size_t release_dead(std::chrono::milliseconds expiry) override
    {
        std::lock_guard          lock(write_mutex_);
        std::vector<std::string> dead;
        guarded(false, [&](connections& c) {
            auto const      expired = now_ms() - expiry.count();
            std::string     engine;
            std::int64_t    beaten = 0;
            soci::statement engines =
                (c.write.sql().prepare << "SELECT k, update_time FROM kv WHERE cat = 'engine'", soci::into(engine), soci::into(beaten));
            for (bool more = engines.execute(true); more; more = engines.fetch())
                if (beaten <= expired || (!locks_.contains(engine) && engine_lock::is_free(options_.file, engine)))
                    dead.push_back(engine);
        });
        std::size_t released = 0;
        for (auto const& engine : dead)
        {
            in_transaction([&](connections& c) { released += release(c, engine); });
            engine_lock::remove_file(options_.file, engine);
        }
        return released;
    }

    claimed claim(std::string const& engine, std::span<std::string const> workflows, std::size_t limit, bool owned_too) override
    {
        std::lock_guard lock(write_mutex_);
        claimed         c;
        std::int64_t    next = never;
        auto const      now = now_ms();
        guarded(false, [&](connections& conn) {
            c.alive = is_listed(conn, engine);
            next = next_due(conn, workflows);
        });
        if (!c.alive)
            return c;
        if (next <= now || owned_too)
            in_transaction([&](connections& conn) {
                c = {};
                c.alive = is_listed(conn, engine);
                if (!c.alive)
                    return;
                if (owned_too)
                    for (auto const& name : workflows)
                        take(conn, c, engine, engine, name, now, never);
                for (auto const& name : workflows)
                    if (c.rows.size() < limit)
                        take(conn, c, engine, "", name, now, static_cast<std::int64_t>(limit - c.rows.size()));
                next = next_due(conn, workflows);
            });
        if (next != never && c.alive)
            c.next_due = std::chrono::milliseconds(std::max<std::int64_t>(0, next - now));
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
        return reading([&](sqlite_reads& r) { return r.list(filter, now_ms()); });
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
                c.write.sql() << "INSERT INTO kv (cat, k) VALUES ('nonce', :k)", soci::use(nonce);
            else
                c.write.sql() << "DELETE FROM kv WHERE cat = 'nonce' AND k = :k", soci::use(nonce);
        });
        return true;
    }

    std::optional<transaction> create_within(std::any const& connection, create_write const& w) override
    {
        auto&           sql = detail::caller_session(connection, "sqlite3", describe());
        int             tables = 0;
        std::string     there;
        soci::indicator ind = soci::i_null;
        sql << "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'kv'", soci::into(tables);
        if (tables > 0)
            sql << "SELECT v FROM kv WHERE cat = 'store' AND k = 'id'", soci::into(there, ind);
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
        connections(sqlite_options const& o, bool create) : write(o.file, o.busy_timeout, create), read(o.file, o.busy_timeout, false)
        {
            migrate_sqlite(write.sql(), "sqlite " + o.file);
            writes.emplace(write);
            reads.emplace(read.sql());
            operations.emplace(write.sql());
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
            if (!connections_)
            {
                std::lock_guard lock(read_mutex_);
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
            try
            {
                execute(sql, "BEGIN IMMEDIATE");
            }
            catch (...)
            {
                c.write.turn().say_done();
                throw;
            }
            c.write.turn().say_done();
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
        auto const now = now_ms();
        return std::visit([&](auto const& x) { return c.writes->apply(x, now, repeated); }, w);
    }

    std::size_t release(connections& c, std::string const& engine)
    {
        auto const      now = now_ms();
        soci::statement rows = (c.write.sql().prepare << "UPDATE trans_global SET owner = '', next_cron_time = :now "
                                                         "WHERE owner = :owner AND "
                                                      << unfinished,
                                soci::use(now), soci::use(engine));
        rows.execute(true);
        auto const released = rows.get_affected_rows();
        c.write.sql() << "DELETE FROM kv WHERE cat = 'engine' AND k = :k", soci::use(engine);
        return static_cast<std::size_t>(std::max<long long>(0, released));
    }

    static bool is_listed(connections& c, std::string const& engine)
    {
        int listed = 0;
        c.write.sql() << "SELECT count(*) FROM kv WHERE cat = 'engine' AND k = :k", soci::use(engine), soci::into(listed);
        return listed > 0;
    }

    static std::int64_t next_due(connections& c, std::span<std::string const> workflows)
    {
        std::int64_t next = never;
        for (auto const& name : workflows)
        {
            std::int64_t    due = never;
            soci::indicator ind = soci::i_null;
            c.write.sql() << "SELECT min(next_cron_time) FROM trans_global WHERE owner = '' AND workflow = :name AND " << unfinished,
                soci::use(name), soci::into(due, ind);
            if (ind == soci::i_ok)
                next = std::min(next, due);
        }
        return next;
    }

    static void take(connections& c, claimed& into, std::string const& engine, std::string const& from, std::string const& workflow,
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
                  " ORDER BY next_cron_time LIMIT :limit");
        s.define_and_bind();
        auto const first = into.rows.size();
        for (bool more = s.execute(true); more; more = s.fetch())
            into.rows.push_back(row.as_transaction(now));
        c.operations->add_to(std::span(into.rows).subspan(first));
        std::string     gid;
        soci::statement lease = (sql.prepare << "UPDATE trans_global SET owner = :owner, attempts = attempts + 1 WHERE gid = :gid",
                                 soci::use(engine), soci::use(gid));
        for (auto i = first; i < into.rows.size(); ++i)
        {
            auto& t = into.rows[i];
            if (t.journal.starts_with(R"({"parts":)"))
                t.parts = sqlite_reads::parts_of(sql, t.gid);
            if (!from.empty())
                continue;
            gid = t.gid;
            lease.execute(true);
            t.owner = engine;
            ++t.attempts;
        }
    }

    sqlite_options                                      options_;
    std::shared_ptr<clock>                              clock_;
    std::mutex                                          write_mutex_, read_mutex_;
    std::unique_ptr<connections>                        connections_;
    std::map<std::string, std::unique_ptr<engine_lock>> locks_;
};

}  // namespace

std::unique_ptr<store> open_sqlite(sqlite_options options) { return std::make_unique<sqlite_store>(std::move(options)); }

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
