// Where answers come into an engine. They come from any thread and at any time, also when the engine is gone and its
// executor's context with it.
#pragma once

#include <memory>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace detail {

class attempt_host;

class answer_gate
{
public:
    explicit answer_gate(std::shared_ptr<attempt_host> engine) : engine_(std::move(engine)) { }

    // From now on nothing gets in. Returns once nothing is on its way any more.
    void close() noexcept
    {
        std::shared_ptr<attempt_host> gone;
        std::lock_guard               lock(mutex_);
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
    std::mutex                    mutex_;
    std::shared_ptr<attempt_host> engine_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
