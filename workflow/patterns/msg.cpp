// msg: a two-phase message. Prepared before its sender's local transaction, submitted after it; if the sender says nothing more, it is asked.
// Then every branch is called until it has said yes.
#include "workflow/patterns/pattern.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

next_step next_of_msg(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now, std::string const&)
{
    next_step next;
    if (t.status == status::prepared)
    {
        next.ask = timed_out(t, s, now);
        if (!next.ask)
            next.not_before = times_out_at(t, s).value_or(std::chrono::system_clock::time_point::max());
        return next;
    }
    if (s.delay.count() > 0 && now < t.created + s.delay)
    {
        next.not_before = t.created + s.delay;
        return next;
    }
    for (std::size_t i = 0; i < t.ops.size(); ++i)
        if (t.ops[i].status != status::succeed)
        {
            next.send.push_back(i);
            if (!s.concurrent)
                break;
        }
    if (next.send.empty())
        next.to = status::succeed;
    return next;
}

std::vector<branch_op> msg_ops(std::vector<pattern_step> const& steps)
{
    std::vector<branch_op> ops;
    auto const             add = [&ops](std::string id, std::string const& url, std::string const& payload) {
        auto& op = ops.emplace_back();
        op.branch_id = std::move(id);
        op.op = "action";
        op.url = url;
        op.data = payload;
    };
    for (std::size_t k = 0; k < steps.size(); ++k)
    {
        auto const& to = steps[k].subscribers;
        if (to.size() < 2)
            add(branch_id_of(k), to.empty() ? steps[k].action : to.front(), steps[k].payload);
        else
            for (std::size_t i = 0; i < to.size(); ++i)
                add(branch_id_of(k) + '-' + branch_id_of(i), to[i], steps[k].payload);
    }
    return ops;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
