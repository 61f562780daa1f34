#include "workflow/program/verdict.hpp"

#include <weft/detail/fault.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace detail {

void verdict::decide(extend_write::decision d, std::string text, std::string details)
{
    decision_ = d;
    text_ = std::move(text);
    details_ = std::move(details);
}

void verdict::fill(extend_write& w)
{
    w.decide = decision_;
    w.text = std::move(text_);
    w.details = std::move(details_);
}

void verdict::written(extend_write const& w) noexcept
{
    if (w.decide != extend_write::decision::none)
    {
        status_ = w.decide == extend_write::decision::commit ? status::submitted : status::aborting;
        decision_ = extend_write::decision::none;
    }
    if (w.finish)
        status_ = w.commits ? status::succeed : status::failed;
}

bool verdict::is_affected(program_branch const& b) const noexcept
{
    using progress = program_branch::progress;
    if (b.is == progress::free || b.is == progress::asked || !b.call->has_undo() || b.second != recorded_branch::phase2::open)
        return false;
    if (rolling_back())
        return b.is != progress::failed || b.maybe || fault(planted::undo_failed_too);
    if (b.is == progress::failed)
        return b.maybe;  // caught by the body, but an earlier send may have happened
    return b.call->has_confirm();
}

std::optional<slot> verdict::order(branches& all)
{
    auto const backwards = rolling_back();
    auto const in_order = [&](slot a, slot b) {
        auto const &x = all[a].id, &y = all[b].id;
        return x.size() != y.size() ? x.size() < y.size() : x < y;
    };
    order_.clear();
    at_ = 0;
    for (slot s = 0; s < all.size(); ++s)
    {
        all[s].resent = false;
        if (is_affected(all[s]))
            order_.push_back(s);
    }
    nothing_left_ = order_.empty();
    if (nothing_left_)
        return std::nullopt;
    // What tells how it ended comes last, and of that what was asked for first.
    auto const end = std::partition(order_.begin(), order_.end(), [&](slot s) { return !all[s].call->at_the_end; });
    std::sort(order_.begin(), end, [&](slot a, slot b) { return backwards ? in_order(b, a) : in_order(a, b); });
    std::sort(end, order_.end(), [&](slot a, slot b) { return in_order(b, a); });
    if (!backwards)
    {
        // The operation that was under way when the attempt before this one ended comes first: the count of sends is its.
        auto const not_refused = [&](slot s) { return !all[s].refused_before; };
        std::stable_partition(order_.begin(), end, not_refused);
        std::stable_partition(end, order_.end(), not_refused);
    }
    if (fault(planted::undo_in_order))
        std::reverse(order_.begin(), order_.end());
    return order_.front();
}

std::optional<slot> verdict::next(branches& all)
{
    for (; at_ < order_.size(); ++at_)
    {
        auto& b = all[order_[at_]];
        if (refused_ && (rolling_back() || b.call->at_the_end))
            return std::nullopt;  // an earlier branch may depend on the one that refused; and it has not ended
        if (b.second != recorded_branch::phase2::open)
            continue;
        bool const undone = rolling_back() || b.is == program_branch::progress::failed;
        b.op = undone ? undo_of(b.call->what) : confirm_of(b.call->what);
        return order_[at_];
    }
    return std::nullopt;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
