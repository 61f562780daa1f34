// How an engine ends: what is under way may come to its end, then what is left is abandoned, then the leases
// go back. Whoever runs the engine, or has asked it to stop, hears when that is over.
#pragma once

#include "workflow/engine/attempts.hpp"
#include "workflow/engine/same_database_probe.hpp"
#include "workflow/runtime/local_writes.hpp"

#include <chrono>
#include <memory>
#include <variant>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_stop
{
public:
    using done = std::unique_ptr<completion<std::monostate>>;

    struct needs
    {
        incarnation&         me;
        running&             here;
        callers&             asking;
        waiters&             who_waits;
        attempts&            begun;
        committer&           writes;
        local_writes&        in_store;
        orphans const&       sends;
        same_database_probe& probe;
    };
    engine_stop(engine_context& e, needs const& n);

    // Starts the engine; `answer` is for its end.
    void run(done answer);

    void begin(std::chrono::milliseconds deadline, done answer);

    // Something has ended: where the engine stops, it may have been the last.
    void check();

    // What is under way is abandoned.
    void finish();

    // No send is under way any more.
    void sends_returned()
    {
        if (context_.stopped())
            unregister_engine();
    }

private:
    void time_is_up();
    void unregister_engine();
    void answer_all();

    engine_context&      context_;
    incarnation&         incarnation_;
    running&             running_;
    callers&             callers_;
    waiters&             waiters_;
    attempts&            attempts_;
    committer&           committer_;
    local_writes&        local_writes_;
    orphans const&       orphans_;
    same_database_probe& probe_;
    call_timer           timer_;
    std::vector<done>    runs_, stops_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
