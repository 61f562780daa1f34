// A transaction whose attempt has ended and that the store would not take back: it stays leased to this engine, and is given back as soon
// as the store takes that. Nobody attempts it meanwhile.
#pragma once

#include "workflow/engine_core.hpp"

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core::unparked final : public write_sink, public timer
{
public:
    unparked(engine_core& engine, park_write parking);

    void on_timer() override;
    void on_written(write_result const&, write&) override;

private:
    void again();

    engine_core&              engine_;
    park_write                parking_;
    std::chrono::milliseconds delay_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
