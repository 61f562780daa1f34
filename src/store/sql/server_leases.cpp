#include "src/store/sql/server_leases.hpp"

#include "src/store/sql/transaction_row.hpp"

#include <algorithm>
#include <iterator>

namespace weft {
inline namespace v0 {
namespace sql_store {

void server_leases::register_engine(std::string const& engine, std::string const& heartbeat)
{
    change(sql_, "INSERT INTO " + tables_.kv + " (cat, k, v, create_time, update_time) VALUES ('engine', " + literal(engine) + ", " +
                     literal(heartbeat) + ", " + now() + ", " + now() + ")");
}

beaten server_leases::beat(std::string const& engine)
{
    beaten b;
    b.alive = change(sql_, "UPDATE " + tables_.kv + " SET update_time = " + now() +
                               ", version = version + 1 WHERE cat = 'engine' AND k = " + literal(engine)) > 0;
    std::string category;
    heartbeat   seen;
    query(
        sql_, "SELECT cat, k, version FROM " + tables_.kv + " WHERE cat IN ('engine', 'dead engine')",
        [&](soci::statement& s) {
            s.exchange(soci::into(category));
            s.exchange(soci::into(seen.engine));
            s.exchange(soci::into(seen.beats));
        },
        [&] {
            if (category != "engine")
                b.to_release = true;
            else if (seen.engine != engine)
                b.others.push_back(seen);
        });
    return b;
}

bool server_leases::bury(std::string const& engine, std::optional<std::int64_t> beats)
{
    return change(sql_, "UPDATE " + tables_.kv + " SET cat = 'dead engine' WHERE cat = 'engine' AND k = " + literal(engine) +
                            (beats ? " AND version = " + std::to_string(*beats) : std::string())) > 0;
}

released server_leases::release_dead(std::size_t limit, std::string const& left_out)
{
    released r;
    for (auto const& engine : reads_.texts("SELECT k FROM " + tables_.kv + " WHERE cat = 'dead engine'"))
    {
        auto const room = limit - r.count;
        auto const mine = dialect_.unfinished_of(literal(engine));
        auto const ids = reads_.texts("SELECT id FROM " + tables_.global + " WHERE " + mine + left_out + " LIMIT " + std::to_string(room) +
                                      dialect_.rows_at_hand());
        if (!ids.empty())
            change(sql_, "UPDATE " + tables_.global + " SET owner = '', next_cron_time = " + now() + " WHERE id IN (" + joined(ids) + ")");
        r.count += ids.size();
        if (ids.size() == room)
        {
            r.more = true;
            return r;
        }
        if (reads_.texts("SELECT id FROM " + tables_.global + " WHERE " + mine + " LIMIT 1").empty())
            change(sql_, "DELETE FROM " + tables_.kv + " WHERE cat = 'dead engine' AND k = " + literal(engine));
    }
    return r;
}

std::string server_leases::of_dead_engines() const
{
    return "owner IN (SELECT k FROM " + tables_.kv + " WHERE cat = 'dead engine') AND " + std::string(unfinished);
}

bool server_leases::release(std::string const& id)
{
    auto const at_hand =
        reads_.texts("SELECT id FROM " + tables_.global + " WHERE id = " + id + " AND " + of_dead_engines() + dialect_.rows_at_hand());
    return !at_hand.empty() &&
           change(sql_, "UPDATE " + tables_.global + " SET owner = '', next_cron_time = " + now() + " WHERE id = " + id) > 0;
}

server_leases::row_names server_leases::names_of(std::string const& condition, std::size_t limit)
{
    row_names   rows;
    std::string id, gid;
    query(
        sql_,
        "SELECT id, gid FROM " + tables_.global + " WHERE " + condition + (limit == no_limit ? "" : " LIMIT " + std::to_string(limit)),
        [&](soci::statement& s) {
            s.exchange(soci::into(id));
            s.exchange(soci::into(gid));
        },
        [&] { rows.emplace_back(id, gid); });
    return rows;
}

std::string server_leases::to_take(std::string const& engine, std::string const& workflow, bool owned) const
{
    return dialect_.unfinished_of(literal(owned ? engine : "")) + " AND workflow = " + literal(workflow) +
           (owned ? "" : " AND next_cron_time <= " + now());
}

server_leases::row_names server_leases::rows_to_take(std::string const& engine, std::string const& workflow, bool owned, std::size_t limit,
                                                     std::string const& which)
{
    return names_of(to_take(engine, workflow, owned) + which + " ORDER BY next_cron_time", limit);
}

server_leases::row_names server_leases::dead_rows(std::size_t limit, std::string const& which)
{
    return names_of(of_dead_engines() + which, limit);
}

std::vector<std::string> server_leases::look(std::string const& engine, std::span<std::string const> workflows, claimed& c)
{
    std::vector<std::string> due;
    std::string              text = "SELECT 'engine', count(*) FROM " + tables_.kv + " WHERE cat = 'engine' AND k = " + literal(engine);
    for (std::size_t i = 0; i < workflows.size(); ++i)
        text += " UNION ALL SELECT '" + std::to_string(i) + "', " + dialect_.milliseconds_of("min(next_cron_time)") + " FROM " +
                tables_.global + " WHERE " + dialect_.unfinished_of("''") + " AND workflow = " + literal(workflows[i]);
    std::string     what;
    std::int64_t    value = 0, next = std::numeric_limits<std::int64_t>::max();
    soci::indicator there = soci::i_null;
    c.alive = false;
    query(
        sql_, text,
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
                if (value <= now_)
                    due.push_back(workflows[std::stoul(what)]);
            }
        });
    if (c.alive && next < end_of_time)
        c.next_due = std::chrono::milliseconds(std::max<std::int64_t>(0, next - now_));
    return due;
}

bool server_leases::hold(std::string const& engine)
{
    return !reads_
                .texts("SELECT e.k FROM " + tables_.kv + " AS e WHERE e.cat = 'engine' AND e.k = " + literal(engine) +
                       dialect_.for_key_share("e"))
                .empty();
}

// A row that is due is not paused: a reason to pause comes from reading it.
void server_leases::pause_unreadable(std::vector<transaction>& rows)
{
    std::erase_if(rows, [&](transaction const& t) {
        if (t.paused_reason.empty())
            return false;
        auto const why = literal(t.paused_reason);
        change(sql_, "UPDATE " + tables_.global + " SET owner = '', paused_reason = " + why + ", last_error = " + why +
                         ", next_cron_time = " + dialect_.time(end_of_time) + " WHERE id = " + std::to_string(t.id));
        return true;
    });
}

std::size_t server_leases::take(claimed& into, std::string const& engine, std::string const& workflow, bool owned, std::size_t limit,
                                std::string const& which)
{
    auto const wanted = to_take(engine, workflow, owned) + which;
    auto const tail = " ORDER BY next_cron_time" + (limit == no_limit ? "" : " LIMIT " + std::to_string(limit)) +
                      (owned ? dialect_.for_update() : dialect_.rows_at_hand());
    auto rows = reads_.rows(wanted, tail);
    reads_.complete(rows);
    pause_unreadable(rows);
    if (!owned && !rows.empty())
    {
        // By id, as the rows were locked: whoever comes by gid locks that first, and would wait for us as we for it (MySQL).
        std::vector<std::int64_t> ids;
        for (auto& t : rows)
        {
            ids.push_back(t.id);
            t.owner = engine;
            ++t.attempts;
        }
        change(sql_, "UPDATE " + tables_.global + " SET owner = " + literal(engine) + ", attempts = attempts + 1 WHERE id IN (" +
                         joined(ids) + ")");
    }
    into.rows.insert(into.rows.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
    return rows.size();
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
