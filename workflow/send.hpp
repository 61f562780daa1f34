// One send of an operation, from when it leaves until it has answered; and the way for its answer into the engine.
#pragma once

#include "workflow/limits.hpp"

#include <weft/detail/branch_call.hpp>
#include <weft/operation.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class engine_core;
class outgoing;

// The way for answers into the engine, shared by it and its sends. Answers come from any thread and at any time, also when the
// engine is gone and its executor's context with it: then the way is closed.
class answers_way
{
public:
    explicit answers_way(std::shared_ptr<engine_core> engine) : engine_(std::move(engine)) { }

    // From now on nothing gets in. Returns once nothing is on its way any more.
    void close() noexcept
    {
        std::shared_ptr<engine_core> gone;
        std::lock_guard              lock(mutex_);
        gone.swap(engine_);
    }

    // Calls `f(engine)` while the engine cannot go, if it has not gone.
    template <class F>
    void enter(F f)
    {
        std::lock_guard lock(mutex_);
        if (engine_)
            f(engine_);
    }

private:
    std::mutex                   mutex_;
    std::shared_ptr<engine_core> engine_;
};

class send final : public performance
{
public:
    // Of a branch that is called: it is kept, with its arguments.
    send(std::shared_ptr<answers_way> way, boost::intrusive_ptr<branch_call> call)
        : way_(std::move(way))
        , call_(std::move(call))
        , headers_(call_->headers)
    { }

    // Of an operation that is data.
    send(std::shared_ptr<answers_way> way, std::shared_ptr<http_headers const> headers) : way_(std::move(way)), headers_(std::move(headers))
    { }

    boost::asio::any_io_executor     executor() const override;
    std::shared_ptr<weft::transport> transport() const override;
    http_headers const*              headers() const noexcept override { return headers_.get(); }
    void                             answer(outcome o, bool permanent) noexcept override;

    outgoing*    waiting = nullptr;  // strand only, or while the engine goes; null once nobody waits for it any more
    class permit permit;             // where its branch is limited: until it has returned
    std::string  thrown;             // by the operation, when it was started

private:
    std::shared_ptr<answers_way>        way_;
    boost::intrusive_ptr<branch_call>   call_;
    std::shared_ptr<http_headers const> headers_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
