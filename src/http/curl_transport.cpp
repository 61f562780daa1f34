// The transport over libcurl: one thread, one multi handle, driven by socket events, so that ten thousand requests cost what they do and
// not what they might.
#include "src/http/curl_request.hpp"

#include <weft/detail/option.hpp>
#include <weft/errors.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <fstream>
#include <limits>
#include <mutex>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>

namespace weft {
inline namespace v0 {

namespace {

namespace asio = boost::asio;

// Which socket it is that has this number now.
ino_t socket_behind(curl_socket_t fd)
{
    struct stat s
    { };
    return ::fstat(fd, &s) == 0 ? s.st_ino : 0;
}

// What libcurl wants to know about one of its sockets.
class watched
{
public:
    watched(asio::io_context& io, curl_socket_t fd) : descriptor_(io, fd), socket_(socket_behind(fd)) { }
    ~watched() { let_go(); }

    // What is waited for ends. The socket stays open: it is libcurl's.
    void let_go()
    {
        if (descriptor_.is_open())
            descriptor_.release();
    }

    // Else it has been closed, and its number is another one's.
    bool is(curl_socket_t fd) const { return socket_ == socket_behind(fd); }

    asio::posix::stream_descriptor descriptor_;
    int                            wanted = CURL_POLL_NONE;
    bool                           reading = false, writing = false;

private:
    ino_t socket_;
};

class curl_transport final : public transport
{
public:
    explicit curl_transport(http_options options) : options_(std::move(options)), multi_(detail::make_multi())
    {
        detail::set(multi_.get(), CURLMOPT_SOCKETFUNCTION, &curl_transport::on_socket);
        detail::set(multi_.get(), CURLMOPT_SOCKETDATA, this);
        detail::set(multi_.get(), CURLMOPT_TIMERFUNCTION, &curl_transport::on_timer);
        detail::set(multi_.get(), CURLMOPT_TIMERDATA, this);
        detail::set(multi_.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options_.connections));
        detail::set(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options_.connections_per_host));
        detail::set(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options_.idle_connections));
        thread_ = std::thread([this] { io_.run(); });
    }

    ~curl_transport() override
    {
        asio::post(io_, [this] { close(); });
        work_.reset();
        thread_.join();
    }

    void send(std::shared_ptr<http_exchange> e) override
    {
        {
            std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(e));
            if (waiting_.size() > 1)
                return;  // the thread has been told
        }
        asio::post(io_, [this] { start_waiting(); });
    }

    void cancel(std::shared_ptr<http_exchange> e) noexcept override
    {
        asio::post(io_, [this, e = std::move(e)] {
            // One that has not been started yet stands before this in the queue.
            if (auto const found = under_way_.find(e.get()); found != under_way_.end())
                finish(found, "given up");
        });
    }

private:
    using requests = std::unordered_map<http_exchange*, std::unique_ptr<detail::curl_request>>;

    void start_waiting()
    {
        std::vector<std::shared_ptr<http_exchange>> waiting;
        {
            std::lock_guard lock(mutex_);
            waiting.swap(waiting_);
        }
        for (auto& e : waiting)
            start(std::move(e));
    }

    void start(std::shared_ptr<http_exchange> e)
    {
        try
        {
            std::unique_ptr<detail::curl_request> request;
            if (idle_.empty())
                request = std::make_unique<detail::curl_request>();
            else
            {
                request = std::move(idle_.back());
                idle_.pop_back();
            }
            auto* const key = e.get();
            request->prepare(e, options_);
            request->on_close(&curl_transport::on_close, this);
            auto* const handle = request->handle();
            under_way_.emplace(key, std::move(request));
            detail::check(curl_multi_add_handle(multi_.get(), handle));
        }
        catch (std::exception const& failed)
        {
            auto const why = std::string("cannot be sent: ") + failed.what();
            if (auto const found = under_way_.find(e.get()); found != under_way_.end())
                finish(found, why);
            else
                e->failed(why);
        }
    }

    void finish(requests::iterator at, std::string const& why)
    {
        auto request = std::move(at->second);
        under_way_.erase(at);
        curl_multi_remove_handle(multi_.get(), request->handle());
        request->end(why);
        if (idle_.size() < 256)
            idle_.push_back(std::move(request));
    }

    // The requests that libcurl has come to an end with.
    void collect()
    {
        int left = 0;
        while (auto const* m = curl_multi_info_read(multi_.get(), &left))
            if (m->msg == CURLMSG_DONE)
            {
                char* key = nullptr;
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &key);
                auto const code = m->data.result;
                if (auto const found = under_way_.find(reinterpret_cast<http_exchange*>(key)); found != under_way_.end())
                    finish(found, found->second->error(code));
            }
    }

    void act(curl_socket_t socket, int events)
    {
        if (!multi_)
            return;  // what stood in the queue behind `close`
        int running = 0;
        curl_multi_socket_action(multi_.get(), socket, events, &running);
        collect();
    }

    static int on_timer(CURLM*, long timeout_ms, void* self)
    {
        auto& t = *static_cast<curl_transport*>(self);
        t.waits_ = timeout_ms > 0;
        if (timeout_ms == 0)
            asio::post(t.io_, [&t] { t.act(CURL_SOCKET_TIMEOUT, 0); });
        else if (t.waits_)
        {
            t.due_.expires_after(std::chrono::milliseconds(timeout_ms));
            t.arm();
        }
        return 0;
    }

    // libcurl changes its mind about the time at every request. An alarm that rings too early costs less than to set it each time.
    void arm()
    {
        if (armed_ && alarm_.expiry() <= due_.expiry())
            return;
        armed_ = true;
        alarm_.expires_at(due_.expiry());
        alarm_.async_wait([this](boost::system::error_code cancelled) {
            if (cancelled)
                return;
            armed_ = false;
            if (waits_ && due_.expiry() > alarm_.expiry())
                arm();
            else if (waits_)
                act(CURL_SOCKET_TIMEOUT, 0);
        });
    }

    // libcurl closes some sockets without a word: those of its resolver, and those that never came to be connected. So what is not wanted any more
    // is watched no longer. Only where nothing is waited for it stays registered, as a connection that is idle: its next request need not do that
    // again.
    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*)
    {
        auto& t = *static_cast<curl_transport*>(self);
        auto  found = t.watched_.find(fd);
        bool  gone = false;
        if (found != t.watched_.end())
        {
            auto const& w = *found->second;
            gone = what == CURL_POLL_REMOVE ? w.reading || w.writing : w.wanted == CURL_POLL_NONE && !w.is(fd);
        }
        if (gone)
        {
            found->second->let_go();
            t.watched_.erase(found);
            found = t.watched_.end();
        }
        if (what == CURL_POLL_REMOVE)
        {
            if (found != t.watched_.end())
                found->second->wanted = CURL_POLL_NONE;
            return 0;
        }
        if (found == t.watched_.end())
            found = t.watched_.emplace(fd, std::make_shared<watched>(t.io_, fd)).first;
        found->second->wanted = what;
        t.watch(fd, found->second);
        return 0;
    }

    static int on_close(void* self, curl_socket_t fd)
    {
        auto& t = *static_cast<curl_transport*>(self);
        if (auto const found = t.watched_.find(fd); found != t.watched_.end())
        {
            found->second->let_go();
            t.watched_.erase(found);
        }
        return ::close(fd);
    }

    void watch(curl_socket_t fd, std::shared_ptr<watched> const& w)
    {
        if ((w->wanted & CURL_POLL_IN) && !w->reading)
            wait(fd, w, asio::posix::descriptor_base::wait_read, w->reading, CURL_POLL_IN, CURL_CSELECT_IN);
        if ((w->wanted & CURL_POLL_OUT) && !w->writing)
            wait(fd, w, asio::posix::descriptor_base::wait_write, w->writing, CURL_POLL_OUT, CURL_CSELECT_OUT);
    }

    void wait(curl_socket_t fd, std::shared_ptr<watched> const& w, asio::posix::descriptor_base::wait_type type, bool& under_way, int bit,
              int event)
    {
        under_way = true;
        w->descriptor_.async_wait(type, [this, fd, w, &under_way, bit, event](boost::system::error_code failed) {
            under_way = false;
            auto const still = watched_.find(fd);
            if (still == watched_.end() || still->second != w)
                return;  // libcurl has closed it; the number may be another socket's by now
            if (w->wanted & bit)
                act(fd, failed ? CURL_CSELECT_ERR : event);
            auto const after = watched_.find(fd);
            if (!failed && after != watched_.end() && after->second == w)
                watch(fd, w);
        });
    }

    void close()
    {
        start_waiting();
        while (!under_way_.empty())
            finish(under_way_.begin(), "the transport was closed");
        idle_.clear();
        multi_.reset();  // closes the connections
        waits_ = false;
        alarm_.cancel();
        for (auto& [fd, w] : watched_)
            w->let_go();
        watched_.clear();
    }

    http_options                                               options_;
    asio::io_context                                           io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
    asio::steady_timer                                 alarm_{io_}, due_{io_};  // what is waited for; what libcurl wants (never waited for)
    bool                                               armed_ = false, waits_ = false;
    std::mutex                                         mutex_;
    std::vector<std::shared_ptr<http_exchange>>        waiting_;  // to be started
    requests                                           under_way_;
    std::vector<std::unique_ptr<detail::curl_request>> idle_;
    std::unordered_map<curl_socket_t, std::shared_ptr<watched>> watched_;
    std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>       multi_;
    std::thread                                                 thread_;
};

void check_readable(std::string const& what, std::string const& file)
{
    if (!file.empty() && !std::ifstream(file))
        throw misuse(misuse::code::wrong_call, "http_options::" + what + ": cannot read " + file);
}

}  // namespace

std::shared_ptr<transport> make_http_transport(http_options options)
{
    // More milliseconds than libcurl can count mean for ever: it is given as many as it can.
    constexpr std::chrono::milliseconds longest(std::numeric_limits<int>::max());
    detail::check_option("http_options::request_timeout", options.request_timeout, 1);
    detail::check_option("http_options::connect_timeout", options.connect_timeout, 1);
    detail::check_option("http_options::idle_timeout", options.idle_timeout, 1);
    detail::check_option("http_options::reply_limit", options.reply_limit, 1);
    options.request_timeout = std::min(options.request_timeout, longest);
    options.connect_timeout = std::min(options.connect_timeout, longest);
    options.idle_timeout = std::min(options.idle_timeout, std::chrono::duration_cast<std::chrono::seconds>(longest));
    check_readable("ca_file", options.ca_file);
    check_readable("client_certificate", options.client_certificate);
    check_readable("client_key", options.client_key);
    for (auto const& [name, value] : options.headers)
        detail::check_header(name, value);
    return std::make_shared<curl_transport>(std::move(options));
}

}  // namespace v0
}  // namespace weft
