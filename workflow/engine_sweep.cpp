// Prepared XA transactions that nobody will finish: found on the servers, and rolled back where that is certain.
//
// An unfinished workflow looks after its own: the next send of a branch, and every undo, rolls back what earlier sends have prepared. So
// what is left is what was prepared for a workflow that has ended meanwhile, by a process that was taken for dead. A final row does not
// change any more (I4); and what a journal has recorded as done is never rolled back here, whatever the server says.
#include "workflow/engine_core.hpp"
#include "workflow/journal.hpp"

#include <spdlog/spdlog.h>

namespace weft {
inline namespace v0 {
namespace detail {

void engine_core::add_resource(xa_participant& resource)
{
    if (life_ != life::unborn)
        throw misuse(misuse::code::wrong_call, "an xa resource was added after the engine had started: " + resource.describe());
    resource.attach(store_.id());
    resources_.push_back(&resource);
}

void engine_core::sweep()
{
    if (resources_.empty() || sweeping_ || stopping_)
        return;
    sweeping_ = true;
    on_store(lane::sweeps, [self = shared_from_this()] {
        for (auto* resource : self->resources_)
            if (!self->abandoned())
                self->sweep(*resource);
        self->on_strand([e = self.get()] {
            e->sweeping_ = false;
            if (!e->stopping_)
                e->timers().set(e->sweep_timer_, e->options_.sweep);
        });
    });
}

// Where blocking is allowed.
void engine_core::sweep(xa_participant& resource)
{
    auto const report = [&](prepared_branch const& b, std::string const& what) {
        if (auto* l = log(); l && reported_.insert(b.xid).second)
            l->warn("prepared on {}: {} {}; it is left as it is", resource.describe(), b.xid, what);
    };
    try
    {
        for (auto const& b : resource.prepared())
        {
            if (abandoned())
                return;
            auto const row = b.gid.empty() ? std::nullopt : store_.find(b.gid, true);
            if (!row)
                report(b, "belongs to no transaction that this store knows");
            else if (is_final(row->status))
            {
                auto const journal = read_journal(*row);
                bool const counts =
                    row->status == status::succeed && std::any_of(journal.branches.begin(), journal.branches.end(), [&](auto const& known) {
                        return known.id == b.branch_id && known.send == b.send && known.is == recorded_branch::state::succeeded;
                    });
                if (counts)
                    report(b, "was recorded as committed");
                else
                {
                    resource.roll_back(b);
                    if (auto* l = log())
                        l->info("gid={} branch={}: rolled back what send {} had prepared on {} and nobody waits for", b.gid, b.branch_id,
                                b.send, resource.describe());
                }
            }
        }
    }
    catch (std::exception const& e)
    {
        if (auto* l = log())
            l->error("prepared transactions cannot be looked after: {}", e.what());
    }
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
