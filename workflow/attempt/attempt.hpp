// One try at moving one transaction forward, as its engine sees it.
#pragma once

#include "workflow/runtime/committer.hpp"

#include <weft/store.hpp>

#include <memory>
#include <string>
#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

// All on the engine's strand.
class attempt : public write_sink
{
public:
    explicit attempt(std::string gid) : row_(std::make_unique<transaction>()), gid_(std::move(gid)) { }

    // Goes on after the engine made it wait.
    virtual void go_on() = 0;

    // Somebody asked to cancel, and the request is durable.
    virtual void cancel_requested() = 0;

    // Somebody at this engine decided something about it, and that is durable; the lease is this engine's still.
    virtual void decided_for() = 0;

    // The engine stops: it parks at the next point where nothing is lost.
    virtual void stop() = 0;

    // As in a crash: nothing more is sent or written. The engine drops its reference.
    virtual void abandon() noexcept = 0;

    std::string const& gid() const noexcept { return gid_; }
    transaction const& row() const noexcept { return *row_; }

    // Whether it was parked for other engines to take.
    bool left_to_others() const noexcept { return left_to_others_; }

protected:
    std::unique_ptr<transaction> row_;  // what of it is needed
    std::string                  gid_;
    bool                         left_to_others_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
