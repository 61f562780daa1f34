// Tells when user code blocks the engine's strand: every workflow of the engine then waits. Only a warning: nothing fails by it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace weft {
inline namespace v0 {
namespace detail {

class watchdog
{
public:
    // `warn(gid, branch_id)` is called on a thread of the watchdog's own, once per stay in user code.
    explicit watchdog(std::function<void(std::string const&, std::string const&)> warn);
    ~watchdog();

    // Ends the thread. Entering and leaving stay possible.
    void stop();

    void enter(std::string const& gid, std::string const* branch_id);
    void leave() noexcept;

private:
    void watch();

    std::function<void(std::string const&, std::string const&)> warn_;
    std::mutex                                                  mutex_;
    std::condition_variable                                     stop_;
    bool                                                        stopping_ = false;
    bool                                                        inside_ = false;
    std::uint64_t                                               stays_ = 0;
    std::string                                                 gid_, branch_id_;
    std::thread                                                 thread_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
