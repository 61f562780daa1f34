// saga: actions forward, compensations back. Every action that could have been started counts as one that may have happened, the failed one
// included: its participant's barrier knows better.
#include "workflow/patterns/pattern.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

struct saga_step
{
    std::size_t compensate, action;
};

std::vector<saga_step> steps_of(transaction const& t)
{
    std::vector<saga_step> steps;
    for (std::size_t i = 0; i + 1 < t.ops.size(); i += 2)
        steps.push_back({i, i + 1});
    return steps;
}

}  // namespace

next_step next_of_saga(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now,
                       std::string const& failure)
{
    auto const steps = steps_of(t);
    auto const action = [&](std::size_t k) { return t.ops[steps[k].action].status; };
    auto const predecessors = [&](std::size_t k) {
        std::vector<std::size_t> all;
        if (auto const found = s.orders.find(k); found != s.orders.end())
            all = found->second;
        if (!s.concurrent && k > 0)
            all.push_back(k - 1);
        return all;
    };
    auto const startable = [&](std::size_t k) {
        auto const before = predecessors(k);
        return action(k) == status::prepared &&
               std::all_of(before.begin(), before.end(), [&](std::size_t b) { return b >= steps.size() || action(b) == status::succeed; });
    };

    next_step next;
    if (t.status == status::prepared)  // nothing is called that nobody has submitted, not to undo it either
    {
        next.not_before = std::chrono::system_clock::time_point::max();
        return next;
    }
    if (t.status == status::submitted)
    {
        bool all = true;
        for (std::size_t k = 0; k < steps.size(); ++k)
        {
            if (action(k) == status::failed)
            {
                next.to = status::aborting;
                next.reason = failure.empty() ? "branch " + t.ops[steps[k].action].branch_id + " failed" : failure;
                next.send.clear();
                return next;
            }
            all = all && action(k) == status::succeed;
            if (startable(k))
                next.send.push_back(steps[k].action);
        }
        if (all)
            next.to = status::succeed;
        else if (timed_out(t, s, now))
        {
            next.to = status::aborting;
            next.reason = timeout_reason(s);
            next.send.clear();
        }
        return next;
    }

    // Aborting. An action's row changes no more, so this is the same whenever it is asked.
    auto const open = [&](std::size_t k) {
        return (action(k) != status::prepared || startable(k)) && t.ops[steps[k].compensate].status == status::prepared;
    };
    bool none = true;
    for (std::size_t k = steps.size(); k-- > 0;)
    {
        if (!open(k))
            continue;
        none = false;
        bool waits = false;  // for one that builds on it
        for (std::size_t later = 0; later < steps.size() && !waits; ++later)
        {
            auto const before = predecessors(later);
            waits = open(later) && (std::find(before.begin(), before.end(), k) != before.end() || (!s.concurrent && later > k));
        }
        if (!waits)
            next.send.push_back(steps[k].compensate);
    }
    if (none)
        next.to = status::failed;
    return next;
}

std::optional<std::size_t> in_a_circle(pattern_settings const& s, std::size_t steps)
{
    auto const        n = steps == 0 ? most_steps : std::min(steps, most_steps);
    std::vector<bool> done(n);
    auto const        may_begin = [&](std::size_t k) {
        if (!s.concurrent && k > 0 && !done[k - 1])
            return false;
        auto const found = s.orders.find(k);
        return found == s.orders.end() ||
               std::all_of(found->second.begin(), found->second.end(), [&](std::size_t b) { return b >= n || done[b]; });
    };
    for (bool more = !s.orders.empty(); more;)
    {
        more = false;
        for (std::size_t k = 0; k < n; ++k)
            if (!done[k] && may_begin(k))
                more = done[k] = true;
    }
    for (std::size_t k = 0; k < n && !s.orders.empty(); ++k)
        if (!done[k])
            return k;
    return std::nullopt;
}

std::vector<branch_op> saga_ops(std::vector<pattern_step> const& steps)
{
    std::vector<branch_op> ops;
    for (std::size_t k = 0; k < steps.size(); ++k)
        for (bool const undo : {true, false})
        {
            auto& op = ops.emplace_back();
            op.branch_id = branch_id_of(k);
            op.op = undo ? "compensate" : "action";
            op.url = undo ? steps[k].compensate : steps[k].action;
            op.data = steps[k].payload;
        }
    return ops;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
