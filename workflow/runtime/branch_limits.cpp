#include "workflow/runtime/branch_limits.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

branch_limits::branch_limits(engine_context& e)
    : context_(e)
    , timer_([this] {
        for (auto& [name, l] : limits_)
            serve(l);
    })
{ }

void branch_limits::limit(std::string branch_name, operation_limit limit)
{
    auto& l = limits_.try_emplace(std::move(branch_name), limit).first->second;
    l.change(limit);
    serve(l);
}

void branch_limits::returned(std::string const& branch_name)
{
    if (auto* const l = of(branch_name))
        serve(*l);
}

void branch_limits::serve(limiter& l)
{
    auto const now = context_.time().since_boot();
    l.serve(now);
    serve_at(l.next(now));
}

void branch_limits::serve_at(std::optional<std::chrono::nanoseconds> since_boot)
{
    if (since_boot && !context_.stopped() && (!timer_.is_set() || *since_boot < timer_.due()))
        context_.timers().set(timer_, *since_boot - context_.time().since_boot());
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
