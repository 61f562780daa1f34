// Sessions whose server says nothing any more: a process that stands still, a network that swallows. The client libraries wait for such a
// server for ever (its kernel goes on acknowledging, so no time-out of TCP's helps), and whoever called them with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace weft {
inline namespace v0 {
namespace detail {

// Looks at the sockets of sessions from a thread of its own, and shuts those down on which something was sent and nothing has come back
// for longer than the limit: the call that waits there then fails as if the connection had been lost.
//
// Thread safety: any thread.
class silence_watch : public std::enable_shared_from_this<silence_watch>
{
public:
    silence_watch() = default;
    ~silence_watch();
    silence_watch(silence_watch const&) = delete;
    silence_watch& operator=(silence_watch const&) = delete;

    // One session, watched as long as this lives: it goes before the socket is closed.
    class watched
    {
    public:
        watched() = default;
        watched(std::shared_ptr<silence_watch> by, int socket) noexcept : by_(std::move(by)), socket_(socket) { }
        watched(watched const&) = delete;
        watched& operator=(watched const&) = delete;
        ~watched()
        {
            if (by_)
                by_->forget(socket_);
        }

    private:
        friend class silence_watch;
        std::shared_ptr<silence_watch> by_;
        int                            socket_ = -1;
    };

    // `limit` 0: only `cut` ends its waiting. `waits`: whether the client library is in the middle of a call; asked from any thread.
    void watch(watched& session, int socket, std::chrono::milliseconds limit, std::function<bool()> waits);

    // Does `open` on a thread of its own: what a client library asks a server before it hands the session out cannot be watched. Waits no longer than
    // `limit` (0: for ever), nor for one that has taken so long when `cut` is called: that thread is left behind, with all that it holds, until the
    // server says something. Errors: what `open` throws; std::runtime_error if the server says nothing, or too many are left behind.
    void open(std::function<void()> open, std::chrono::milliseconds limit);

    // Shuts down every socket that has been silent for this long, and gives up what has been opened for this long.
    void cut(std::chrono::milliseconds silent_for) noexcept;

private:
    using steady = std::chrono::steady_clock;

    struct entry
    {
        std::chrono::milliseconds limit;
        std::function<bool()>     waits;
        steady::time_point        unread_since{};  // a local socket: since when the server has not read what was sent
    };

    struct opening;

    void                             forget(int socket) noexcept;
    void                             look();
    static std::chrono::milliseconds silence(int socket, entry& of) noexcept;

    std::mutex              mutex_;
    std::condition_variable changed_;
    std::map<int, entry>    sessions_;
    std::set<opening*>      openings_;
    bool                    stopping_ = false;
    std::thread             thread_;  // once there is something to look at
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
