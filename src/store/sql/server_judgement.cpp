// The writes of a batch with the rows locked and looked at first: each is judged by itself, as memory would.
#include "src/store/sql/server_writes.hpp"

#include <weft/detail/fault.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

using detail::fault;
using detail::planted;

bool is_open(std::string const& status) { return status != "succeed" && status != "failed"; }

// The row is this owner's, at this position, and not over.
template <class Write, class Head>
bool meets(Write const& w, Head const& row)
{
    bool const owns = row.owner == w.owner || fault(planted::owner_check);
    bool const next = row.position == w.position || fault(planted::position_check);
    return owns && next && is_open(row.status);
}

}  // namespace

void server_writes::apply_carefully(std::span<write const> writes, std::span<std::size_t const> which, std::int64_t now, bool repeated,
                                    std::vector<write_result>& results)
{
    for (auto const& phase : phases(writes, which))
    {
        auto const living = alive(writes, phase, true);
        auto       rows = lock(writes, phase);
        auto const strays = read_operations(writes, phase, rows);
        for (auto const i : phase)
        {
            auto const        found = rows.find(gid_of(writes[i]));
            head const* const row = found == rows.end() ? nullptr : &found->second;
            auto              judged = std::visit(
                [&](auto const& w) -> judgement {
                    using W = std::decay_t<decltype(w)>;
                    if constexpr (std::is_same_v<W, create_write> || std::is_same_v<W, decide_write>)
                        return judge(w, row, living, repeated);
                    else if constexpr (std::is_same_v<W, request_write> || std::is_same_v<W, register_write>)
                        return judge(w, row);
                    else if constexpr (std::is_same_v<W, local_write>)
                        return {};
                    else
                        return judge(w, row, repeated);
                },
                writes[i]);
            if (judged.accepted && std::holds_alternative<create_write>(writes[i]) && strays.contains(gid_of(writes[i])))
                judged = {false, {written::refused, "there are operations of a transaction of this gid, but no transaction", {}}, {}};
            results[i] = judged.result;
            if (judged.accepted && std::holds_alternative<register_write>(writes[i]))
                put(write(register_write{gid_of(writes[i]), std::move(judged.news)}), now);
            else if (judged.accepted)
                put(writes[i], now);
            if (std::holds_alternative<create_write>(writes[i]) && judged.accepted)
                results[i].created = std::chrono::system_clock::time_point(std::chrono::milliseconds(now));
        }
        if (!send())
            throw not_as_expected("rows changed although they were locked");
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

// What there is already where operations are to be added. Returns the gids that have some without a row.
std::set<std::string> server_writes::read_operations(std::span<write const> writes, phase const& of, heads& rows)
{
    std::set<std::string> gids, strays;
    for (auto const i : of)
        if (auto const* c = std::get_if<create_write>(&writes[i]);
            c ? !c->ops.empty() && !rows.contains(c->gid) : std::holds_alternative<register_write>(writes[i]))
            gids.insert(gid_of(writes[i]));
    if (gids.empty())
        return strays;
    operation_row row;
    query(
        session_.sql(), operation_row::selection(dialect_, tables_.branch, literals(dialect_, gids)),
        [&](soci::statement& s) { row.into(s); },
        [&] {
            if (auto const found = rows.find(row.gid); found != rows.end())
                found->second.ops.push_back(row.as_operation());
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
    std::string     gid;
    head            h;
    int             cancelled = 0;
    soci::indicator ext = soci::i_null, created = soci::i_null;
    query(
        session_.sql(),
        "SELECT gid, owner, status, trans_type, workflow, custom_data, ext_data, position, " + dialect_.milliseconds_of("create_time") +
            ", cancel_requested FROM " + tables_.global + " WHERE gid IN (" + literals(dialect_, gids) + ") ORDER BY gid FOR UPDATE",
        [&](soci::statement& s) {
            s.exchange(soci::into(gid));
            s.exchange(soci::into(h.owner));
            s.exchange(soci::into(h.status));
            s.exchange(soci::into(h.trans_type));
            s.exchange(soci::into(h.workflow));
            s.exchange(soci::into(h.custom_data));
            s.exchange(soci::into(h.ext_data, ext));
            s.exchange(soci::into(h.position));
            s.exchange(soci::into(h.created, created));
            s.exchange(soci::into(cancelled));
        },
        [&] {
            h.cancel_requested = cancelled != 0;
            rows[gid] = h;
        });
    return rows;
}

bool server_writes::shows(head const& row, extend_write const& w)
{
    return row.owner == w.owner && row.position == w.position_after() && row.ext_data.size() >= 2 &&
           std::string_view(row.ext_data).substr(0, row.ext_data.size() - 2).ends_with(w.entries);
}

server_writes::judgement server_writes::judge(create_write const& w, head const* row, std::set<std::string> const& living,
                                              bool repeated) const
{
    if (!w.owner.empty() && !living.contains(w.owner))
        return {false, {written::fenced, {}, {}}};
    if (row)
    {
        bool const ours = repeated && !w.owner.empty() && row->owner == w.owner && row->position == 0 && row->workflow == w.workflow &&
                          row->trans_type == w.trans_type && row->custom_data == custom_data_of(w);
        return {
            false,
            {ours ? written::done : written::exists, {}, std::chrono::system_clock::time_point(std::chrono::milliseconds(row->created))}};
    }
    if (names_one_twice(w.ops))
        return {false, {written::refused, named_twice, {}}};
    return {true, {}};
}

server_writes::judgement server_writes::judge(extend_write const& w, head const* row, bool repeated)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (meets(w, *row))
    {
        if (w.decide == extend_write::decision::commit && row->cancel_requested)
            return {false, {written::cancel_requested, {}, {}}};
        return {true, {}};
    }
    return {false, {repeated && shows(*row, w) ? written::done : written::fenced, {}, {}}};
}

server_writes::judgement server_writes::judge(park_write const& w, head const* row, bool repeated)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (meets(w, *row))
        return {true, {}};
    return {false, {repeated && row->owner.empty() && row->position == w.position ? written::done : written::fenced, {}, {}}};
}

server_writes::judgement server_writes::judge(record_write const& w, head const* row, bool repeated)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (meets(w, *row))
        return {true, {}};
    return {false, {repeated && row->owner == w.owner && row->position == w.position_after() ? written::done : written::fenced, {}, {}}};
}

server_writes::judgement server_writes::judge(register_write const& w, head const* row)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (auto wrong = type_mismatch(w.trans_type, row->trans_type, row->workflow); !wrong.empty())
        return {false, {written::wrong_type, std::move(wrong), {}}};
    if (row->status != to_string(status::prepared))
        return {false, {written::too_late, row->status, {}}};
    judgement j{true, {}};
    for (auto const& op : w.ops)
    {
        auto const same_name = [&](branch_op const& o) { return o.branch_id == op.branch_id && o.op == op.op; };
        auto const there = std::find_if(row->ops.begin(), row->ops.end(), same_name);
        auto const twice = std::find_if(j.news.begin(), j.news.end(), same_name);
        if (there != row->ops.end() ? !same_content(*there, op) : twice != j.news.end() && !same_content(*twice, op))
            return {false, {written::exists, {}, {}}};
        if (there == row->ops.end() && twice == j.news.end())
            j.news.push_back(op);
    }
    return j;
}

server_writes::judgement server_writes::judge(decide_write const& w, head const* row, std::set<std::string> const& living, bool repeated)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (auto wrong = type_mismatch(w.trans_type, row->trans_type, row->workflow); !wrong.empty())
        return {false, {written::wrong_type, std::move(wrong), {}}};
    if (!w.owner.empty() && !living.contains(w.owner))
        return {false, {written::fenced, {}, {}}};
    if (std::any_of(w.from.begin(), w.from.end(), [&](status s) { return row->status == to_string(s); }))
        return {true, {}};
    bool const ours = repeated && row->status == to_string(w.to) && (is_final(w.to) || row->owner == w.owner);
    return {false, ours ? write_result{} : write_result{written::too_late, row->status, {}}};
}

server_writes::judgement server_writes::judge(request_write const& w, head const* row)
{
    if (!row)
        return {false, {written::unknown_gid, {}, {}}};
    if (w.what == request_write::kind::cancel && row->workflow.empty())
        return {false, {written::wrong_type, row->trans_type, {}}};
    if (w.what == request_write::kind::cancel)
        return row->status == "prepared" ? judgement{true, {}} : judgement{false, {written::too_late, {}, {}}};
    return {is_open(row->status), {}};
}

bool server_writes::is_applied(extend_write const& w)
{
    write const       one(w);
    std::size_t const first[] = {0};
    auto const        rows = lock(std::span(&one, 1), phase(std::begin(first), std::end(first)));
    auto const        row = rows.find(w.gid);
    return row != rows.end() && shows(row->second, w);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
