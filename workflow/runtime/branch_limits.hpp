// How much of one operation may go on at a time: a limiter for each branch's name that has a limit, and the
// timer that serves those who wait for one.
#pragma once

#include "workflow/runtime/context.hpp"
#include "workflow/runtime/limiter.hpp"

#include <map>
#include <optional>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class branch_limits
{
public:
    explicit branch_limits(engine_context& e);

    void limit(std::string branch_name, operation_limit limit);

    // Null: there is no limit.
    limiter* of(std::string const& branch_name) noexcept
    {
        if (limits_.empty())
            return nullptr;
        auto const found = limits_.find(branch_name);
        return found == limits_.end() ? nullptr : &found->second;
    }

    void awaited(limiter& l) { serve_at(l.next(context_.time().since_boot())); }
    void returned(std::string const& branch_name);

private:
    void serve(limiter& l);
    void serve_at(std::optional<std::chrono::nanoseconds> since_boot);

    engine_context&                context_;
    std::map<std::string, limiter> limits_;
    call_timer                     timer_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
