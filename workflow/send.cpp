#include "workflow/send.hpp"

#include "workflow/engine_core.hpp"

#include <boost/asio/system_executor.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

boost::asio::any_io_executor send::executor() const
{
    boost::asio::any_io_executor executor = boost::asio::system_executor();  // once the engine is gone nothing waits for it
    way_->enter([&](auto const& engine) { executor = engine->strand(); });
    return executor;
}

std::shared_ptr<weft::transport> send::transport() const
{
    std::shared_ptr<weft::transport> transport;
    way_->enter([&](auto const& engine) { transport = engine->options().transport; });
    return transport;
}

void send::answer(outcome o, bool permanent) noexcept
{
    boost::intrusive_ptr<send> self(this);
    way_->enter([&](std::shared_ptr<engine_core> const& engine) {
        boost::asio::post(engine->strand(), [engine, self = std::move(self), o = std::move(o), permanent]() mutable {
            engine->operation_returned(self->where.gid, self->waiting == nullptr);
            bool const limited = static_cast<bool>(self->permit);
            self->permit.give_back();
            if (auto* waits = std::exchange(self->waiting, nullptr); waits && !engine->abandoned())
                waits->on_answer(*self, std::move(o), permanent);
            if (limited && !engine->abandoned())
                engine->permit_returned(self->where.name);
        });
    });
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
