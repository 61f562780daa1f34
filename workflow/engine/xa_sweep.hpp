// Prepared XA transactions that nobody will finish: found on the servers, and rolled back where that is
// certain.
//
// An unfinished workflow looks after its own: the next send of a branch, and every undo, rolls back what
// earlier sends have prepared. So what is left is what was prepared for a workflow that has ended meanwhile,
// by a process that was taken for dead. A final row does not change any more (I4); and what a journal has
// recorded as done is never rolled back here, whatever the server says.
#pragma once

#include "workflow/runtime/context.hpp"

#include <weft/xa_participant.hpp>

#include <string>
#include <unordered_set>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class xa_sweep
{
public:
    explicit xa_sweep(engine_context& e);

    void add(xa_participant& resource);

    // Sweeps, and again each time that `engine_options::sweep` has passed.
    void begin();

    // Any thread: the engine goes and waits for the calls under way.
    void interrupt() noexcept;

private:
    void sweep(xa_participant& resource);
    void look_at(prepared_branch const& b, xa_participant& resource);
    void report(prepared_branch const& b, xa_participant& resource, std::string const& what);

    engine_context&                 context_;
    std::vector<xa_participant*>    resources_;
    bool                            sweeping_ = false;
    std::unordered_set<std::string> reported_;  // xids; while a sweep is under way they are the sweep's
    call_timer                      timer_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
