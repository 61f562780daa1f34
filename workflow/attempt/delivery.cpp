#include "workflow/attempt/delivery.hpp"

#include "workflow/attempt/attempt_host.hpp"
#include "workflow/attempt/outgoing.hpp"

#include <boost/asio/system_executor.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

boost::asio::any_io_executor delivery::executor() const
{
    boost::asio::any_io_executor executor = boost::asio::system_executor();  // once the engine is gone nothing waits for it
    gate_->enter([&](auto const& engine) { executor = engine->context().strand(); });
    return executor;
}

std::shared_ptr<weft::transport> delivery::transport() const
{
    std::shared_ptr<weft::transport> transport;
    gate_->enter([&](auto const& engine) { transport = engine->context().options().transport; });
    return transport;
}

void delivery::answer(outcome o, bool permanent) noexcept
{
    boost::intrusive_ptr<delivery> self(this);
    gate_->enter([&](std::shared_ptr<attempt_host> const& engine) {
        boost::asio::post(engine->context().strand(), [engine, self = std::move(self), o = std::move(o), permanent]() mutable {
            engine->delivery_returned(self->where.gid, self->waiting == nullptr);
            bool const limited = static_cast<bool>(self->permit);
            self->permit.give_back();
            if (auto* waits = std::exchange(self->waiting, nullptr); waits && !engine->context().abandoned())
                waits->on_answer(*self, std::move(o), permanent);
            if (limited && !engine->context().abandoned())
                engine->limits().returned(self->where.name);
        });
    });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
