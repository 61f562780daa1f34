#include "workflow/runtime/callbacks.hpp"

#include <weft/outcome.hpp>

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

void log_what_a_callback_threw(engine_context const& e, std::string const& gid)
{
    if (auto* l = e.log())
        l->error("gid={}: a callback of the engine threw: {}", gid, outcome_of_current_exception().text);
}

}  // namespace

void tell(engine_context const& e, std::function<void(transaction const&)> const& callback, transaction const& row)
{
    if (!callback)
        return;
    try
    {
        callback(row);
    }
    catch (...)
    {
        log_what_a_callback_threw(e, row.gid);
    }
}

void report(engine_context const& e, trouble const& t)
{
    bool const threw = t.what == trouble::kind::body_threw;
    e.count(threw ? counters::event::body_exceptions : counters::event::unanswered);
    if (auto* l = e.log())
    {
        if (threw)
            l->warn("gid={} workflow={} the body threw, in attempt {}: {}", t.gid, t.workflow, t.times, t.text);
        else
            l->warn("gid={} branch={} no answer {} times in a row: {}", t.gid, t.branch_id.empty() ? t.branch : t.branch_id, t.times,
                    t.text);
    }
    if (!e.options().on_trouble)
        return;
    try
    {
        e.options().on_trouble(t);
    }
    catch (...)
    {
        log_what_a_callback_threw(e, t.gid);
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
