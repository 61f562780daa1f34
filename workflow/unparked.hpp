// A transaction that is leased to this engine and that it does not run: it is on its way back into the store. Nobody attempts it here
// meanwhile, whatever a claim brings: a write that is repeated after an outage would take the lease from under the attempt. Where the store
// refuses to take it back, it is tried again.
#pragma once

#include "workflow/engine_core.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core::unparked final : public write_sink, public timer
{
public:
    unparked(engine_core& engine, park_write parking);

    std::string const& gid() const noexcept { return parking_.gid; }
    void               write();
    void               was_refused();

    void on_timer() override;
    void on_written(write_result const&, weft::write&) override;

private:
    engine_core&              engine_;
    park_write                parking_;
    std::chrono::milliseconds delay_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
