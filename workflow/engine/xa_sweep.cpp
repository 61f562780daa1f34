#include "workflow/engine/xa_sweep.hpp"

#include "workflow/program/journal.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

xa_sweep::xa_sweep(engine_context& e) : context_(e), timer_([this] { begin(); }) { }

void xa_sweep::add(xa_participant& resource)
{
    resource.attach(context_.store().id());
    resources_.push_back(&resource);
}

void xa_sweep::begin()
{
    if (resources_.empty() || sweeping_ || context_.stopping())
        return;
    sweeping_ = true;
    context_.on_store(lane::sweeps, [this] {
        for (auto* resource : resources_)
            if (!context_.abandoned())
                sweep(*resource);
        context_.on_strand([this] {
            sweeping_ = false;
            if (!context_.stopping())
                context_.timers().set(timer_, context_.options().sweep);
        });
    });
}

void xa_sweep::interrupt() noexcept
{
    for (auto* r : resources_)
        r->interrupt();
}

// Where blocking is allowed; so of what follows.
void xa_sweep::sweep(xa_participant& resource)
{
    try
    {
        for (auto const& b : resource.prepared())
        {
            if (context_.abandoned())
                return;
            look_at(b, resource);
        }
    }
    catch (std::exception const& e)
    {
        if (auto* l = context_.log())
            l->error("prepared transactions cannot be looked after: {}", e.what());
    }
}

void xa_sweep::look_at(prepared_branch const& b, xa_participant& resource)
{
    auto const row = b.gid.empty() ? std::nullopt : context_.store().find(b.gid, true);
    if (!row)
        return report(b, resource, "belongs to no transaction that this store knows");
    if (!is_final(row->status))
        return;
    auto const journal = read_journal(*row);
    auto const is_it = [&](auto const& known) {
        return known.id == b.branch_id && known.send == b.send &&
               known.is == recorded_branch::state::succeeded;
    };
    bool const counts = row->status == status::succeed &&
                        std::any_of(journal.branches.begin(), journal.branches.end(), is_it);
    if (counts)
        return report(b, resource, "was recorded as committed");
    resource.roll_back(b);
    if (auto* l = context_.log())
        l->info("gid={} branch={}: rolled back what send {} had prepared on {} and nobody waits for", b.gid,
                b.branch_id, b.send, resource.describe());
}

void xa_sweep::report(prepared_branch const& b, xa_participant& resource, std::string const& what)
{
    if (auto* l = context_.log(); l && reported_.insert(b.xid).second)
        l->warn("prepared on {}: {} {}; it is left as it is", resource.describe(), b.xid, what);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
