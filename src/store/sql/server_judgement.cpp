// The writes of a batch with the rows locked and looked at first: each is judged by itself, as memory would.
#include "src/store/sql/server_writes.hpp"

namespace weft {
inline namespace v0 {
namespace sql_store {

template <class Write>
row_rules::verdict server_writes::judge(Write const& w, head const* row, std::set<std::string> const& living, bool repeated)
{
    bool alive = true;
    if constexpr (std::is_same_v<Write, create_write> || std::is_same_v<Write, decide_write>)
        alive = w.owner.empty() || living.contains(w.owner);
    if constexpr (std::is_same_v<Write, local_write>)
        return {};
    else if (!row)
        return row_rules::judge(w, nullptr, alive, repeated);
    else
    {
        auto const view = row->view();
        return row_rules::judge(w, &view, alive, repeated);
    }
}

void server_writes::apply_locked(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now, bool repeated,
                                 std::vector<write_result>& results)
{
    for (auto const& phase : phases(writes, which))
    {
        auto const living = alive(writes, phase, true);
        auto       rows = lock(writes, phase);
        auto const strays = read_operations(writes, phase, rows, repeated);
        for (auto const i : phase)
        {
            auto const  found = rows.find(gid_of(writes[i]));
            auto const* row = found == rows.end() ? nullptr : &found->second;
            auto        judged = std::visit([&](auto const& w) { return judge(w, row, living, repeated); }, writes[i]);
            if (judged.accepted && std::holds_alternative<create_write>(writes[i]) && strays.contains(gid_of(writes[i])))
                judged = {false, {written::refused, "there are operations of a transaction of this gid, but no transaction", {}}};
            results[i] = judged.result;
            if (judged.accepted && std::holds_alternative<register_write>(writes[i]))
                put(write(register_write{gid_of(writes[i]), std::move(judged.news)}), now);
            else if (judged.accepted)
                put(writes[i], now);
            if (std::holds_alternative<create_write>(writes[i]) && judged.accepted)
                results[i].created = std::chrono::system_clock::time_point(std::chrono::milliseconds(now));
        }
        if (!send())
            throw row_conflict("rows changed although they were locked");
    }
}

// The engines among those that these writes give a lease to. They stay in place until this is committed. Without `creations`: those see
// to it themselves.
std::set<std::string> server_writes::alive(std::span<write const> writes, phase const& of, bool creations)
{
    std::set<std::string> owners, living;
    for (auto const i : of)
        if (auto const* d = std::get_if<decide_write>(&writes[i]); d && !d->owner.empty())
            owners.insert(d->owner);
        else if (auto const* c = std::get_if<create_write>(&writes[i]); c && creations && !c->owner.empty())
            owners.insert(c->owner);
    if (owners.empty())
        return living;
    std::string owner;
    query(
        session_.sql(),
        "SELECT e.k FROM " + tables_.kv + " AS e WHERE e.cat = 'engine' AND e.k IN (" + literals(dialect_, owners) + ")" +
            dialect_.for_key_share("e"),
        [&](soci::statement& s) { s.exchange(soci::into(owner)); }, [&] { living.insert(owner); });
    return living;
}

// What there is already of the operations that a judgement asks for. Returns the gids that have some without a row.
std::set<std::string> server_writes::read_operations(std::span<write const> writes, phase const& of, heads& rows, bool repeated)
{
    auto const asks = [&](write const& w) {
        if (auto const* c = std::get_if<create_write>(&w))
            return !c->ops.empty() && (repeated || !rows.contains(c->gid));
        if (auto const* r = std::get_if<record_write>(&w))
            return repeated && !r->entries.empty();
        return std::holds_alternative<register_write>(w);
    };
    std::set<std::string> gids, strays;
    for (auto const i : of)
        if (asks(writes[i]))
            gids.insert(gid_of(writes[i]));
    if (gids.empty())
        return strays;
    operation_row row;
    query(
        session_.sql(), operation_row::selection(dialect_, tables_.branch, literals(dialect_, gids)),
        [&](soci::statement& s) { row.into(s); },
        [&] {
            if (auto const found = rows.find(row.gid); found != rows.end())
                found->second.row.ops.push_back(row.as_operation());
            else
                strays.insert(row.gid);
        });
    return strays;
}

server_writes::heads server_writes::lock(std::span<write const> writes, phase const& of)
{
    std::set<std::string> gids;
    for (auto const i : of)
        gids.insert(gid_of(writes[i]));
    heads           rows;
    transaction_row row;
    query(
        session_.sql(),
        "SELECT " + transaction_row::columns(dialect_) + " FROM " + tables_.global + " WHERE gid IN (" + literals(dialect_, gids) +
            ") ORDER BY gid FOR UPDATE",
        [&](soci::statement& s) { row.into(s); },
        [&] {
            rows.emplace(row.gid, head{row.status, row.as_transaction(0)});
        });
    return rows;
}

bool server_writes::is_applied(extend_write const& w)
{
    write const       one(w);
    std::size_t const first[] = {0};
    auto const        rows = lock(std::span(&one, 1), phase(std::begin(first), std::end(first)));
    auto const        row = rows.find(w.gid);
    return row != rows.end() && row_rules::shows(row->second.view(), w);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
