#include "src/sql/silence_watch.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Of all servers. Each holds a thread and a connection.
constexpr int    most_left_behind = 32;
std::atomic<int> left_behind{0};

}  // namespace

// Shared by who waits and the thread that opens, whichever lives longer.
struct silence_watch::opening
{
    std::mutex              mutex;
    std::condition_variable changed;
    std::function<void()>   open;
    std::exception_ptr      error;
    bool                    done = false, given_up = false;
    bool                    left = false;  // behind
    steady::time_point      since = steady::now();

    void give_up()
    {
        std::lock_guard lock(mutex);
        given_up = true;
        changed.notify_all();
    }
};

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

void silence_watch::open(std::function<void()> open, std::chrono::milliseconds limit)
{
    if (left_behind >= most_left_behind)
        throw std::runtime_error("too many connections are being opened to servers that do not answer");
    auto const o = std::make_shared<opening>();
    o->open = std::move(open);
    {
        std::lock_guard lock(mutex_);
        openings_.insert(o.get());
    }
    std::thread      thread;
    std::unique_lock lock(o->mutex);
    try
    {
        thread = std::thread([o] {
            try
            {
                o->open();
            }
            catch (...)
            {
                o->error = std::current_exception();
            }
            std::unique_lock ended(o->mutex);
            o->done = true;
            o->changed.notify_all();
            if (!o->left)
                return;
            ended.unlock();
            o->open = nullptr;
            --left_behind;
        });
        auto const over = [&] { return o->done || o->given_up; };
        if (limit.count() == 0)
            o->changed.wait(lock, over);
        else
            o->changed.wait_for(lock, limit, over);
    }
    catch (...)
    {
        o->error = std::current_exception();
        o->done = true;
    }
    bool const done = o->done;
    o->left = !done;
    if (!done)
        ++left_behind;
    lock.unlock();
    {
        std::lock_guard of_all(mutex_);
        openings_.erase(o.get());
    }
    if (!thread.joinable())
        std::rethrow_exception(o->error);
    if (!done)
    {
        thread.detach();
        throw std::runtime_error("the server takes the connection and does not answer");
    }
    thread.join();
    if (o->error)
        std::rethrow_exception(o->error);
}

void silence_watch::cut(std::chrono::milliseconds silent_for) noexcept
{
    std::lock_guard lock(mutex_);
    for (auto* const o : openings_)
        if (steady::now() - o->since >= silent_for)
            o->give_up();
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
