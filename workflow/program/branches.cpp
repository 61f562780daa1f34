#include "workflow/program/branches.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

std::string program_branch::where() const { return "branch " + id + " \"" + call->name + "\", " + std::string(to_string(op)); }

void program_branch::fill(recorded_branch const& recorded)
{
    using state = recorded_branch::state;
    is = recorded.is == state::sent ? progress::intended : recorded.is == state::succeeded ? progress::succeeded : progress::failed;
    named = true;
    resent = recorded.is == state::sent;
    maybe = recorded.maybe;
    xa_send = recorded.send;
    if (recorded.second == recorded_branch::phase2::done)
        second = recorded_branch::phase2::done;
    refused_before = recorded.second == recorded_branch::phase2::refused;
}

slot branches::add(branch_call& call, std::string const& id, std::int64_t asked_at)
{
    if (free_.empty())
    {
        last_ = size();
        slots_.emplace_back();
    }
    else
    {
        last_ = free_.back();
        free_.pop_back();
    }
    auto& b = slots_[last_];
    b = {};
    b.call = &call;
    b.id = id;
    b.op = action_of(call.what);
    b.is = program_branch::progress::asked;
    b.asked_at = asked_at;
    ++waiting_;
    return last_;
}

std::coroutine_handle<> branches::answered(slot s)
{
    auto& b = slots_[s];
    --waiting_;
    if (!b.call->has_undo())
    {
        b.call.reset();
        b.is = program_branch::progress::free;
        free_.push_back(s);
    }
    return std::exchange(b.waits, nullptr);
}

void branches::forget_body() noexcept
{
    for (auto& b : slots_)
        b.waits = nullptr;
}

void branches::ask(slot s)
{
    slots_[s].out = program_branch::sending::asked;
    asked_.push_back(s);
}

void branches::ask_again(slot s)
{
    if (slots_[s].waits && slots_[s].out == program_branch::sending::no)
        ask(s);
}

void branches::announced() noexcept
{
    for (auto const s : asked_)
        if (slots_[s].out == program_branch::sending::asked)
            slots_[s].out = program_branch::sending::no;  // whoever does it is being found out
    asked_.clear();
}

void branches::ready(slot s)
{
    slots_[s].out = program_branch::sending::ready;
    ready_.push_back(s);
}

void branches::withdraw() noexcept
{
    for (auto const s : asked_)
        slots_[s].out = program_branch::sending::no;
    for (auto const s : ready_)
        slots_[s].out = program_branch::sending::no;
    asked_.clear();
    ready_.clear();
}

void branches::sent(slot s) noexcept
{
    auto& b = slots_[s];
    b.out = program_branch::sending::under_way;
    ++under_way_;
    if (!b.here)
        ++b.sends;
}

void branches::came_back(slot s) noexcept
{
    slots_[s].out = program_branch::sending::no;
    --under_way_;
}

void branches::not_sent(slot s) noexcept
{
    came_back(s);
    if (!slots_[s].here)
        --slots_[s].sends;
}

std::uint32_t branches::most_sends() const noexcept
{
    std::uint32_t most = 0;
    for (auto const& b : slots_)
        most = std::max(most, b.sends);
    return most;
}

void branches::forget_sends() noexcept
{
    for (auto& b : slots_)
        b.sends = 0;
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
