// The listener: takes connections, keeps count of them, and lets them go.
#include "src/server/session.hpp"
#include "src/server/tls.hpp"

#include <weft/detail/default_logger.hpp>
#include <weft/detail/option.hpp>
#include <weft/errors.hpp>
#include <weft/server.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <spdlog/logger.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <sys/resource.h>
#include <unordered_map>

namespace weft {
inline namespace v0 {

namespace asio = boost::asio;
using asio::ip::tcp;
using server_detail::session;

struct server::impl final : server_detail::session_host, std::enable_shared_from_this<impl>
{
    impl(asio::any_io_executor e, transaction_manager& m, server_options o)
        : session_host(m, with_a_logger(std::move(o)))
        , outer(std::move(e))
        , strand(asio::make_strand(outer))
        , tls(server_detail::make_tls(options))
        , acceptor(strand)
        , pause(strand)
        , deadline(strand)
    { }

    static server_options with_a_logger(server_options o)
    {
        if (!o.logger)
            o.logger = detail::default_logger();
        return o;
    }

    // Tokens and certificates of these from now on. Sessions that are there have their own part of the context.
    void renew(server_options const& fresh)
    {
        auto const wrong = [](std::string const& what) { throw misuse(misuse::code::wrong_call, "server_options::" + what); };
        auto       next = *trusting();
        next.bearer_tokens = fresh.bearer_tokens;
        next.certificate = fresh.certificate;
        next.key = fresh.key;
        next.client_ca = fresh.client_ca;
        for (auto const& t : next.bearer_tokens)
            if (t.empty())
                wrong("bearer_tokens: one of them is empty");
        if (next.bearer_tokens.empty() != options.bearer_tokens.empty())
            wrong("bearer_tokens: whether they are asked for does not change while it runs");
        if (next.certificate.empty() != options.certificate.empty())
            wrong("certificate: whether there is TLS does not change while it runs");
        if (next.client_ca.empty() != options.client_ca.empty())
            wrong("client_ca: whether clients need certificates does not change while it runs");
        auto             context = server_detail::make_tls(next);
        auto const       shared = std::make_shared<server_options const>(std::move(next));
        std::scoped_lock lock(mutex, trust_mutex);
        tls = std::move(context);
        trust = shared;
    }

    tcp::endpoint place() const
    {
        auto const wrong = [](std::string const& what) { throw misuse(misuse::code::wrong_call, "server_options::" + what); };
        boost::system::error_code no_address;
        auto const address = asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, no_address);
        if (no_address)
            wrong("address: \"" + options.address + "\" is no IP address");
        if (!address.is_loopback() && options.bearer_tokens.empty() && options.client_ca.empty() && !options.insecure)
            wrong("address: on " + options.address +
                  " anybody could start transactions: set bearer_tokens or client_ca, or insecure if that is meant");
        for (auto const& t : options.bearer_tokens)
            if (t.empty())
                wrong("bearer_tokens: one of them is empty");
        detail::check_option("server_options::body_limit", options.body_limit, 1);
        detail::check_option("server_options::header_limit", options.header_limit, 256);
        detail::check_option("server_options::connections", options.connections, 1);
        detail::check_option("server_options::request_timeout", options.request_timeout, 1);
        detail::check_option("server_options::idle_timeout", options.idle_timeout, 1);
        if (options.utc_offset <= -std::chrono::hours(24) || options.utc_offset >= std::chrono::hours(24))
            wrong("utc_offset: is less than a day");
        detail::check_option("server_options::requests_per_second", options.requests_per_second, 0.0, 1e9);
        return {address, options.port};
    }

    void listen()
    {
        auto const here = place();
        count_descriptors();
        acceptor.open(here.protocol());
        acceptor.set_option(tcp::acceptor::reuse_address(true));
        acceptor.bind(here);
        acceptor.listen(tcp::acceptor::max_listen_connections);
        port = acceptor.local_endpoint().port();
        asio::co_spawn(strand, accept(shared_from_this()), asio::detached);
    }

    // Some are left to the store and to calls of branches: who connects and says nothing must not stop those.
    void count_descriptors()
    {
        connections = options.connections;
        rlimit files{};
        if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        {
            auto const there = static_cast<std::size_t>(files.rlim_cur);
            auto const left = std::clamp<std::size_t>(there / 4, 64, 4'096);
            connections = std::min(connections, there > 2 * left ? there - left : std::max<std::size_t>(there / 2, 1));
        }
        if (connections < options.connections && options.logger)
            options.logger->info("{} connections are taken at a time, instead of {}: {} files may be open", connections,
                                 options.connections, files.rlim_cur);
        per_address = options.connections_per_address > 0 ? options.connections_per_address : connections - connections / 4;
    }

    static asio::awaitable<void> accept(std::shared_ptr<impl> self)
    {
        for (;;)
        {
            boost::system::error_code failed;
            auto                      socket =
                co_await self->acceptor.async_accept(asio::make_strand(self->outer), asio::redirect_error(asio::use_awaitable, failed));
            if (!self->acceptor.is_open())
                co_return;
            // No more descriptors, most likely, or no more memory. Those who wait go on waiting.
            auto const why = failed ? failed.message() : self->welcome(std::move(socket));
            if (why.empty())
                continue;
            if (auto const now = self->time->since_boot(); self->options.logger && now >= self->says_nothing_until)
            {
                self->says_nothing_until = now + std::chrono::seconds(10);
                self->options.logger->warn("no connection can be taken: {}", why);
            }
            self->pause.expires_after(std::chrono::milliseconds(100));
            co_await self->pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        }
    }

    // Why it cannot be served, if so.
    std::string welcome(tcp::socket socket)
    {
        std::shared_ptr<session>  s;
        boost::system::error_code gone;
        auto const                who = server_detail::client_of(socket.remote_endpoint(gone).address());
        try
        {
            {
                std::scoped_lock lock(mutex);
                // Where there is no room it is closed.
                if (sessions.size() >= connections)
                    return turn_away(who, connections), std::string();
                auto& of_it = by_address[who];
                if (of_it >= per_address)
                    return turn_away(who, per_address), std::string();
                s = server_detail::make_session(std::move(socket), tls ? &*tls : nullptr, shared_from_this());
                sessions.emplace(s.get(), connected{s, who});
                ++of_it;
            }
            s->start();
        }
        catch (std::exception const& e)
        {
            if (s)
                left(*s);
            return e.what();
        }
        return {};
    }

    // Said now and then only: who floods a server is not to flood its log. Under the mutex.
    void turn_away(asio::ip::address const& who, std::size_t limit)
    {
        ++turned_away;
        auto const now = time->since_boot();
        if (!options.logger || now < silent_until)
            return;
        silent_until = now + std::chrono::seconds(10);
        options.logger->warn("a connection of {} was closed: there are {} already ({} were closed so far)", who.to_string(), limit,
                             turned_away);
    }

    void left(session& who) noexcept override
    {
        std::vector<waiting> told;
        {
            std::scoped_lock lock(mutex);
            if (auto const found = sessions.find(&who); found != sessions.end())
            {
                if (auto const of_it = by_address.find(found->second.client); --of_it->second == 0)
                    by_address.erase(of_it);
                sessions.erase(found);
            }
            if (sessions.empty())
                told.swap(waiters);
        }
        if (told.empty())
            return;
        // A timer that still runs would keep the executor's context from ending until the deadline.
        asio::dispatch(strand, [self = shared_from_this()] { self->deadline.cancel(); });
        tell(std::move(told));
    }

    std::vector<std::shared_ptr<session>> all()
    {
        std::vector<std::shared_ptr<session>> found;
        std::scoped_lock                      lock(mutex);
        for (auto const& [key, c] : sessions)
            if (auto s = c.it.lock())
                found.push_back(std::move(s));
        return found;
    }

    void close()
    {
        boost::system::error_code ignored;
        acceptor.close(ignored);
        pause.cancel();
        deadline.cancel();
        for (auto const& s : all())
            s->close();
    }

    void drain(std::chrono::milliseconds limit, std::unique_ptr<detail::completion<std::monostate>> done)
    {
        boost::system::error_code ignored;
        stopping = true;
        acceptor.close(ignored);
        pause.cancel();
        {
            std::unique_lock lock(mutex);
            if (sessions.empty())
            {
                lock.unlock();
                return done->complete(nullptr, {});
            }
            waiters.push_back(std::move(done));
        }
        for (auto const& s : all())
            s->drain();
        deadline.expires_after(detail::bounded(limit));
        deadline.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
            if (cancelled)
                return;
            std::vector<waiting> told;
            {
                std::scoped_lock lock(self->mutex);
                told.swap(self->waiters);
            }
            for (auto const& s : self->all())
                s->close();
            tell(std::move(told));
        });
    }

    struct connected
    {
        std::weak_ptr<session> it;
        asio::ip::address      client;
    };

    using waiting = std::unique_ptr<detail::completion<std::monostate>>;
    static void tell(std::vector<waiting> all)
    {
        for (auto& w : all)
            w->complete(nullptr, {});
    }

    asio::any_io_executor                    outer;
    asio::strand<asio::any_io_executor>      strand;
    std::optional<asio::ssl::context>        tls;
    tcp::acceptor                            acceptor;
    asio::steady_timer                       pause, deadline;
    unsigned short                           port = 0;
    std::mutex                               mutex;
    std::unordered_map<session*, connected>  sessions;
    std::map<asio::ip::address, std::size_t> by_address;
    std::size_t                              connections = 0, per_address = 0;
    std::uint64_t                            turned_away = 0;
    std::chrono::nanoseconds                 silent_until{0};
    std::chrono::nanoseconds                 says_nothing_until{0};  // of connections that cannot be taken
    std::vector<waiting>                     waiters;                // for the last connection to go
};

server::server(asio::any_io_executor executor, transaction_manager& manager, server_options options)
    : impl_(std::make_shared<impl>(std::move(executor), manager, std::move(options)))
{
    impl_->listen();
}

server::~server()
{
    asio::dispatch(impl_->strand, [self = impl_] { self->close(); });
}

unsigned short server::port() const noexcept { return impl_->port; }

void server::renew(server_options const& options) { impl_->renew(options); }

void server::start_stop(std::chrono::milliseconds deadline, std::unique_ptr<detail::completion<std::monostate>> done)
{
    asio::dispatch(impl_->strand, [self = impl_, deadline, done = std::move(done)]() mutable { self->drain(deadline, std::move(done)); });
}

asio::any_io_executor server::executor() const { return impl_->outer; }

}  // namespace v0
}  // namespace weft
