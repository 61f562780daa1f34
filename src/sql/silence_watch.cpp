#include "src/sql/silence_watch.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace weft {
inline namespace v0 {
namespace detail {

silence_watch::~silence_watch()
{
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

void silence_watch::watch(watched& session, int socket, std::chrono::milliseconds limit, std::function<bool()> waits)
{
    if (socket < 0)
        return;
    std::lock_guard lock(mutex_);
    sessions_[socket] = {.limit = limit, .waits = std::move(waits)};
    session.by_ = shared_from_this();
    session.socket_ = socket;
    if (limit.count() > 0 && !thread_.joinable())
        thread_ = std::thread([this] { look(); });
    changed_.notify_all();
}

void silence_watch::forget(int socket) noexcept
{
    std::lock_guard lock(mutex_);
    sessions_.erase(socket);
}

void silence_watch::cut(std::chrono::milliseconds silent_for) noexcept
{
    std::lock_guard lock(mutex_);
    for (auto& [socket, of] : sessions_)
        if (silence(socket, of) >= silent_for)
            ::shutdown(socket, SHUT_RDWR);
}

void silence_watch::look()
{
    std::unique_lock lock(mutex_);
    while (!stopping_)
    {
        std::chrono::milliseconds shortest{0};
        for (auto& [socket, of] : sessions_)
        {
            if (of.limit.count() == 0)
                continue;
            if (silence(socket, of) >= of.limit)
                ::shutdown(socket, SHUT_RDWR);
            shortest = shortest.count() == 0 ? of.limit : std::min(shortest, of.limit);
        }
        // Nobody is in a hurry: a limit is kept to a quarter more.
        if (shortest.count() > 0)
            changed_.wait_for(lock, std::max(shortest / 4, std::chrono::milliseconds(20)), [&] { return stopping_; });
        else
            changed_.wait(lock);
    }
}

// How long the client has been waiting for a word; 0: it does not wait. The kernel knows, whoever sent, and whatever lies between.
std::chrono::milliseconds silence_watch::silence(int socket, entry& of) noexcept
{
    tcp_info  tcp{};
    socklen_t size = sizeof tcp;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &tcp, &size) == 0)
    {
        // Within one tick of the kernel's clock, which came last cannot be told from the times.
        bool const waits =
            tcp.tcpi_last_data_recv > tcp.tcpi_last_data_sent || (tcp.tcpi_last_data_recv == tcp.tcpi_last_data_sent && of.waits());
        return std::chrono::milliseconds(waits ? tcp.tcpi_last_data_sent : 0);
    }
    // A socket of this machine's says only whether what was sent has been read.
    int unread = 0;
    if (::ioctl(socket, TIOCOUTQ, &unread) != 0 || unread == 0)
    {
        of.unread_since = {};
        return std::chrono::milliseconds(0);
    }
    auto const now = steady::now();
    if (of.unread_since == steady::time_point{})
        of.unread_since = now;
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - of.unread_since);
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
