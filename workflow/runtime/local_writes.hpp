// Operations in the store's own database, each together with its own journal entry: where the store has sessions enough, several at once
// and beside the committer's batches. One that waits for a row that somebody holds then keeps up neither those nor the other operations.
#pragma once

#include "workflow/runtime/committer.hpp"
#include "workflow/runtime/schedule.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

// On the engine's strand.
class local_writes
{
public:
    local_writes(engine_context& e, committer& others, committer_host& host)
        : engine_(e)
        , committer_(others)
        , host_(host)
        , look_again_([this] { start_next(); })
    { }

    // `operation` outlives its answer, which is the sink's, as the committer's are.
    void add(local_operation& operation, boost::intrusive_ptr<write_sink> sink);

    bool busy() const noexcept { return !all_.empty(); }

    // The engine stops: tells whoever waits.
    void stop();

private:
    struct pending;
    using place = std::list<pending>::iterator;

    void        queue(place p);
    void        start_next();
    std::size_t may_run() const;
    void        start(place p);
    void        failed(place p, std::exception_ptr error);
    void        answer(place p, write_result const& r);

    engine_context&    engine_;
    committer&         committer_;
    committer_host&    host_;  // told when nothing is under way here
    std::list<pending> all_;
    std::deque<place>  queue_;
    std::vector<place> running_;
    call_timer         look_again_;  // whether some wait for a row, and others may run beside them
    bool               stopped_ = false;
};

struct local_writes::pending final : timer
{
    void on_timer() override { owner->queue(self); }

    local_writes*                    owner = nullptr;
    place                            self;
    write                            what;
    boost::intrusive_ptr<write_sink> sink;
    bool                             repeated = false;
    unsigned                         failures = 0;
    std::chrono::nanoseconds         began{0};  // this time
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
