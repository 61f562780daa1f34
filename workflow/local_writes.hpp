// Operations in the store's own database, each together with its own journal entry: where the store has sessions enough, several at once
// and beside the committer's batches. One that waits for a row that somebody holds then keeps up neither those nor the other operations.
#pragma once

#include "workflow/committer.hpp"
#include "workflow/schedule.hpp"

#include <list>

namespace weft {
inline namespace v0 {
namespace detail {

// On the engine's strand.
class local_writes
{
public:
    explicit local_writes(engine_core& engine) : engine_(engine) { }

    // `operation` outlives its answer, which is the sink's, as the committer's are.
    void add(local_operation& operation, boost::intrusive_ptr<write_sink> sink);

    bool busy() const noexcept { return !all_.empty(); }

    // The engine stops: tells whoever waits.
    void stop();

private:
    struct pending;
    using place = std::list<pending>::iterator;

    void start(place p);
    void failed(place p, std::exception_ptr error);
    void answer(place p, write_result const& r);

    engine_core&       engine_;
    std::list<pending> all_;
    bool               stopped_ = false;
};

struct local_writes::pending final : timer
{
    void on_timer() override { owner->start(self); }

    local_writes*                    owner = nullptr;
    place                            self;
    write                            what;
    boost::intrusive_ptr<write_sink> sink;
    bool                             repeated = false;
    unsigned                         failures = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
