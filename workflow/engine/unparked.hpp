// Transactions that are leased to this engine and that it does not run: they are on their way back into the
// store. Nobody attempts one here meanwhile, whatever a claim brings: a write that is repeated after an
// outage would take the lease from under the attempt. Where the store refuses to take one back, it is tried
// again.
#pragma once

#include "workflow/engine/claims.hpp"

#include <string>
#include <unordered_map>

namespace weft {
inline namespace v0 {
namespace detail {

class unparked
{
public:
    unparked(engine_context& e, committer& writes, claims& c)
        : context_(e)
        , committer_(writes)
        , claims_(c) { }

    bool contains(std::string const& gid) const { return all_.contains(gid); }

    // Nobody attempts what has been claimed.
    void give_back(park_write w);

    // The store refuses even what would give it back: that is tried now and then.
    void keep(park_write w);

    // Somebody has decided about it.
    void forget(std::string const& gid) { all_.erase(gid); }
    void forget_all() { all_.clear(); }

private:
    class parking;

    engine_context&                                                   context_;
    committer&                                                        committer_;
    claims&                                                           claims_;
    std::unordered_map<std::string, boost::intrusive_ptr<write_sink>> all_;  // gid → what gives it back
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
