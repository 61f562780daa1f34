// saga: actions forward, compensations back. Every action that could have been started counts as one that may have happened, the failed one
// included: its participant's barrier knows better.
#include "workflow/patterns/pattern.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// The rows of a saga, as its steps.
class saga
{
public:
    saga(transaction const& t, pattern_settings const& s) : t_(t), settings_(s) { }

    next_step forward(std::chrono::system_clock::time_point now, std::string const& failure) const;
    next_step back() const;

private:
    // A step has two rows: its compensation, and its action.
    std::size_t      size() const noexcept { return t_.ops.size() / 2; }
    branch_op const& compensation(std::size_t k) const { return t_.ops[2 * k]; }
    branch_op const& action(std::size_t k) const { return t_.ops[2 * k + 1]; }

    std::vector<std::size_t> predecessors(std::size_t k) const
    {
        std::vector<std::size_t> all;
        if (auto const found = settings_.orders.find(k); found != settings_.orders.end())
            all = found->second;
        if (!settings_.concurrent && k > 0)
            all.push_back(k - 1);
        return all;
    }
    bool may_start(std::size_t k) const
    {
        auto const before = predecessors(k);
        auto const done = [&](std::size_t b) { return b >= size() || action(b).status == status::succeed; };
        return action(k).status == status::prepared && std::all_of(before.begin(), before.end(), done);
    }

    // It may have happened, and is not undone.
    bool is_open(std::size_t k) const
    {
        return (action(k).status != status::prepared || may_start(k)) && compensation(k).status == status::prepared;
    }
    bool something_builds_on(std::size_t k) const;

    transaction const&      t_;
    pattern_settings const& settings_;
};

next_step saga::forward(std::chrono::system_clock::time_point now, std::string const& failure) const
{
    next_step  next;
    auto const roll_back = [&](std::string reason) {
        next.to = status::aborting;
        next.reason = std::move(reason);
        next.send.clear();
    };
    bool all = true;
    for (std::size_t k = 0; k < size(); ++k)
    {
        if (action(k).status == status::failed)
        {
            roll_back(failure.empty() ? "branch " + action(k).branch_id + " failed" : failure);
            return next;
        }
        all = all && action(k).status == status::succeed;
        if (may_start(k))
            next.send.push_back(2 * k + 1);
    }
    if (all)
        next.to = status::succeed;
    else if (timed_out(t_, settings_, now))
        roll_back(timeout_reason(settings_));
    return next;
}

bool saga::something_builds_on(std::size_t k) const
{
    for (std::size_t later = 0; later < size(); ++later)
    {
        auto const before = predecessors(later);
        bool const follows = std::find(before.begin(), before.end(), k) != before.end() || (!settings_.concurrent && later > k);
        if (follows && is_open(later))
            return true;
    }
    return false;
}

// An action's row changes no more, so this is the same whenever it is asked.
next_step saga::back() const
{
    next_step next;
    bool      none = true;
    for (std::size_t k = size(); k-- > 0;)
    {
        if (!is_open(k))
            continue;
        none = false;
        if (!something_builds_on(k))
            next.send.push_back(2 * k);
    }
    if (none)
        next.to = status::failed;
    return next;
}

}  // namespace

next_step next_of_saga(transaction const& t, pattern_settings const& s, std::chrono::system_clock::time_point now,
                       std::string const& failure)
{
    if (t.status == status::prepared)  // nothing is called that nobody has submitted, not to undo it either
    {
        next_step next;
        next.not_before = std::chrono::system_clock::time_point::max();
        return next;
    }
    saga const all(t, s);
    return t.status == status::submitted ? all.forward(now, failure) : all.back();
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
