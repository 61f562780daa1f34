#include "src/store/rules/judge.hpp"

#include <weft/detail/codec.hpp>
#include <weft/detail/fault.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>

namespace weft {
inline namespace v0 {
namespace row_rules {

namespace {

using detail::fault;
using detail::planted;

bool is(row_view const& row, status s) { return row.status == to_string(s); }
bool is_open(row_view const& row) { return !is(row, status::succeed) && !is(row, status::failed); }

// The row is this owner's, at this position, and not over (I5).
template <class Write>
bool meets(Write const& w, row_view const& row)
{
    bool const owns = row.owner == w.owner || fault(planted::owner_check);
    bool const next = row.position == w.position || fault(planted::position_check);
    return owns && next && is_open(row);
}

template <class Named>
branch_op const* find(std::span<branch_op const> ops, Named const& wanted)
{
    auto const found =
        std::find_if(ops.begin(), ops.end(), [&](auto const& o) { return o.branch_id == wanted.branch_id && o.op == wanted.op; });
    return found == ops.end() ? nullptr : &*found;
}

// Whatever became of it since.
bool same_request(branch_op const& a, branch_op const& b) { return a.url == b.url && a.data == b.data; }

// Nothing, or what the write wanted to be kept.
bool kept(std::string_view there, std::string const& wanted) { return wanted.empty() || there == wanted; }
bool kept(std::string_view there, std::optional<std::string> const& wanted) { return !wanted || there == *wanted; }

bool shows(row_view const& row, create_write const& w)
{
    // Without an owner nobody can tell whose it is: another client may have created the same.
    return !w.owner.empty() && row.owner == w.owner && row.position == 0 && row.workflow == w.workflow && row.trans_type == w.trans_type &&
           (w.workflow.empty() ? row.custom_data == w.custom_data : row.input == w.input) && is(row, w.status) &&
           row.options == w.options && row.query_prepared == w.query_prepared && row.protocol == w.protocol &&
           std::all_of(w.ops.begin(), w.ops.end(), [&](auto const& op) {
               auto const* const there = find(row.ops, op);
               return there && same_request(*there, op);
           });
}

bool shows(row_view const& row, park_write const& w)
{
    return row.owner.empty() && row.position == w.position && row.sends == w.sends && row.paused_reason == w.paused_reason &&
           row.last_error == (w.paused_reason.empty() ? w.last_error : w.paused_reason);
}

// A client's registration moves the position as well: what the entries and the status say is what tells them apart.
bool shows(row_view const& row, record_write const& w)
{
    return row.owner == w.owner && row.position == w.position_after() && (!w.to || (is(row, *w.to) && kept(row.reason, w.reason))) &&
           std::all_of(w.entries.begin(), w.entries.end(), [&](auto const& e) {
               auto const* const op = find(row.ops, e);
               return op && op->status == e.status;
           });
}

bool shows(row_view const& row, decide_write const& w)
{
    return is(row, w.to) && (is_final(w.to) || row.owner == w.owner) && kept(row.reason, w.reason) && kept(row.result, w.result) &&
           kept(row.options, w.options) && kept(row.custom_data, w.custom_data);
}

verdict refuse(written what, std::string why = {}) { return {false, {what, std::move(why), {}}}; }
verdict done_already() { return {false, {}}; }

}  // namespace

bool shows(row_view const& row, extend_write const& w)
{
    bool const commits = w.decide == extend_write::decision::commit;
    if (row.owner != w.owner || row.position != w.position_after() || row.journal.size() < 2 ||
        !row.journal.substr(0, row.journal.size() - 2).ends_with(w.entries))
        return false;
    if (w.decide != extend_write::decision::none && (commits ? row.result : row.reason) != w.text)
        return false;
    if (w.finish)
        return is(row, w.commits ? status::succeed : status::failed);
    return w.decide == extend_write::decision::none || is(row, commits ? status::submitted : status::aborting);
}

// Nearly every text is ASCII, and every text of every write is looked at: eight characters at a time, the last eight perhaps twice.
bool is_storable(std::string_view text) noexcept
{
    constexpr std::uint64_t each = 0x0101010101010101u, tops = 0x80 * each;
    auto const              p = text.data();
    auto const              size = text.size();
    std::uint64_t           odd = 0;
    auto const              look = [&](std::uint64_t eight) { odd |= eight | (eight - each); };  // top bit: not ASCII, or 0
    if (size >= 8)
    {
        std::uint64_t eight;
        for (std::size_t i = 0; i < size - 8; i += 8)
            look((std::memcpy(&eight, p + i, 8), eight));
        look((std::memcpy(&eight, p + size - 8, 8), eight));
    }
    else
        for (char const c : text)
            look(each + static_cast<unsigned char>(c) - 1);
    return (odd & tops) == 0 || (text.find('\0') == std::string_view::npos && detail::is_utf8(text));
}

std::string unstorable(write const& w)
{
    std::string why;
    auto const  check = [&](char const* what, std::string_view text) {
        if (why.empty() && !is_storable(text))
            why = std::string("its ") + what + " is not UTF-8, or holds a NUL character";
    };
    auto const check_ops = [&](std::vector<branch_op> const& ops) {
        for (auto const& op : ops)
        {
            check("branch id", op.branch_id);
            check("operation", op.op);
            check("address", op.url);
        }
    };
    std::visit(
        [&](auto const& x) {
            using W = std::decay_t<decltype(x)>;
            if constexpr (!std::is_same_v<W, local_write>)
                check("gid", x.gid);
            if constexpr (requires { x.owner; })
                check("owner", x.owner);
            if constexpr (requires { x.reason; })
                check("reason", x.reason);
            if constexpr (requires { x.ops; })
                check_ops(x.ops);
            if constexpr (std::is_same_v<W, create_write>)
                for (auto const* text : {&x.trans_type, &x.workflow, &x.input, &x.query_prepared, &x.protocol, &x.options, &x.custom_data})
                    check("input", *text);
            else if constexpr (std::is_same_v<W, extend_write>)
            {
                check("entry", x.entries);
                check("result or reason", x.text);
                check("details", x.details);
            }
            else if constexpr (std::is_same_v<W, park_write>)
            {
                check("reason", x.paused_reason);
                check("error", x.last_error);
            }
            else if constexpr (std::is_same_v<W, record_write>)
                for (auto const& e : x.entries)
                {
                    check("branch id", e.branch_id);
                    check("operation", e.op);
                }
            else if constexpr (std::is_same_v<W, decide_write>)
            {
                check("result", x.result);
                check("options", x.options.value_or(""));
                check("data", x.custom_data.value_or(""));
            }
        },
        w);
    return why;
}

bool names_one_twice(std::span<branch_op const> ops)
{
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (auto const& op : ops)
        if (!seen.emplace(op.branch_id, op.op).second)
            return true;
    return false;
}

verdict judge(create_write const& w, row_view const* row, bool alive, bool repeated)
{
    // Before it is asked who is alive: of one that is repeated "fenced" says that no earlier try of it was applied.
    if (row)
        return {false, {repeated && alive && shows(*row, w) ? written::done : written::exists, {}, row->created}};
    if (!alive)
        return refuse(written::fenced);
    if (names_one_twice(w.ops))
        return refuse(written::refused, named_twice);
    return {true, {}};
}

verdict judge(extend_write const& w, row_view const* row, bool, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (!meets(w, *row))
        return repeated && shows(*row, w) ? done_already() : refuse(written::fenced);
    if (w.decide == extend_write::decision::commit && row->cancel_requested)
        return refuse(written::cancel_requested);
    return {true, {}};
}

verdict judge(park_write const& w, row_view const* row, bool, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (!meets(w, *row))
        return repeated && shows(*row, w) ? done_already() : refuse(written::fenced);
    bool const must_roll_back = row->cancel_requested && is(*row, status::prepared) && !w.despite_cancel;
    return must_roll_back && !w.paused_reason.empty() ? refuse(written::cancel_requested) : verdict{true, {}};
}

verdict judge(record_write const& w, row_view const* row, bool, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (meets(w, *row))
        return {true, {}};
    return repeated && shows(*row, w) ? done_already() : refuse(written::fenced);
}

verdict judge(register_write const& w, row_view const* row, bool, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (auto wrong = type_mismatch(w.trans_type, row->trans_type, row->workflow); !wrong.empty())
        return refuse(written::wrong_type, std::move(wrong));
    if (!is(*row, status::prepared))
    {
        // It may have gone on since: what was registered is there all the same.
        bool const there = std::all_of(w.ops.begin(), w.ops.end(), [&](auto const& op) {
            auto const* const found = find(row->ops, op);
            return found && same_request(*found, op);
        });
        return repeated && there ? done_already() : refuse(written::too_late, std::string(row->status));
    }
    verdict v{true, {}};
    for (auto const& op : w.ops)
    {
        auto const* const there = find(row->ops, op);
        auto const* const twice = find(v.news, op);
        auto const* const same = there ? there : twice;
        if (same && (!same_request(*same, op) || same->status != op.status))
            return refuse(written::exists);
        if (!same)
            v.news.push_back(op);
    }
    return v;
}

verdict judge(decide_write const& w, row_view const* row, bool alive, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (auto wrong = type_mismatch(w.trans_type, row->trans_type, row->workflow); !wrong.empty())
        return refuse(written::wrong_type, std::move(wrong));
    // As of a creation: "fenced" says that it is not there.
    if (std::none_of(w.from.begin(), w.from.end(), [&](status s) { return is(*row, s); }))
        return repeated && alive && shows(*row, w) ? done_already() : refuse(written::too_late, std::string(row->status));
    if (!alive)
        return refuse(written::fenced);
    return {true, {}};
}

verdict judge(request_write const& w, row_view const* row, bool, bool repeated)
{
    if (!row)
        return refuse(written::unknown_gid);
    if (w.what == request_write::kind::resume)
        return {is_open(*row), {}};
    if (row->workflow.empty())
        return refuse(written::wrong_type, std::string(row->trans_type));
    if (is(*row, status::prepared))
        return {true, {}};
    // Accepted, and acted on since.
    bool const undone = is(*row, status::aborting) || is(*row, status::failed);
    return repeated && row->cancel_requested && undone ? done_already() : refuse(written::too_late);
}

}  // namespace row_rules
}  // namespace v0
}  // namespace weft
