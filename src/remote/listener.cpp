#include "src/remote/listener.hpp"

#include <weft/errors.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <charconv>
#include <set>

namespace weft {
inline namespace v0 {
namespace remote_detail {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr std::chrono::seconds patience{30};
constexpr std::uint64_t        body_limit = 16u << 20;  // a callback brings the workflow's input, which is not needed
constexpr std::size_t          connections = 1'024;

tcp::endpoint endpoint_of(std::string const& place)
{
    auto const     colon = place.rfind(':');
    auto           host = place.substr(0, colon);
    auto const     digits = colon == std::string::npos ? std::string_view() : std::string_view(place).substr(colon + 1);
    unsigned short port = 0;
    auto const     read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    boost::system::error_code no_address;
    auto const                address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, no_address);
    if (no_address || digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size())
        throw misuse(misuse::code::wrong_call, "remote_options::listen is \"" + place + "\" and has to be an IP address and a port");
    return {address, port};
}

}  // namespace

struct listener::impl : std::enable_shared_from_this<impl>
{
    explicit impl(asio::any_io_executor e) : strand(asio::make_strand(e)), acceptor(strand) { }

    using stream = boost::beast::basic_stream<tcp, asio::any_io_executor>;

    static asio::awaitable<void> accept(std::shared_ptr<impl> self)
    {
        asio::steady_timer pause(self->strand);
        while (self->acceptor.is_open())
        {
            boost::system::error_code failed;
            auto                      socket = co_await self->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
            if (!failed && self->open.size() < connections)
                asio::co_spawn(self->strand, serve(self, stream(std::move(socket))), asio::detached);
            else if (failed && self->acceptor.is_open())
            {
                pause.expires_after(std::chrono::milliseconds(100));
                co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
            }
        }
    }

    // Among those that are open, as long as it lives.
    struct listed
    {
        listed(impl& i, stream& s) : in(i), what(s) { in.open.insert(&what); }
        ~listed() { in.open.erase(&what); }
        listed(listed const&) = delete;

        impl&   in;
        stream& what;
    };

    static asio::awaitable<void> serve(std::shared_ptr<impl> self, stream s)
    {
        listed const              here(*self, s);
        boost::beast::flat_buffer buffer;
        for (bool again = true; again;)
        {
            boost::system::error_code               failed;
            http::request_parser<http::buffer_body> parser;
            parser.body_limit(body_limit);
            s.expires_after(patience);
            co_await http::async_read_header(s, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
            char passed_over[4'096];
            while (!failed && !parser.is_done())
            {
                parser.get().body().data = passed_over;
                parser.get().body().size = sizeof passed_over;
                co_await http::async_read(s, buffer, parser, asio::redirect_error(asio::use_awaitable, failed));
                if (failed == http::error::need_buffer)
                    failed = {};
            }
            if (failed || self->closed)
                break;
            auto const                        a = self->answer(std::string_view(parser.get().target()));
            http::response<http::string_body> r;
            r.version(parser.get().version());
            r.result(a.status);
            r.set(http::field::content_type, "application/json");
            r.keep_alive(parser.get().keep_alive());
            r.body() = a.body;
            r.prepare_payload();
            again = r.keep_alive();
            co_await http::async_write(s, r, asio::redirect_error(asio::use_awaitable, failed));
            again = again && !failed;
        }
    }

    void close()
    {
        closed = true;
        boost::system::error_code ignored;
        acceptor.close(ignored);
        for (auto* s : open)
            s->close();
    }

    asio::any_io_executor                            strand;
    tcp::acceptor                                    acceptor;
    std::function<callback_answer(std::string_view)> answer;
    std::set<stream*>                                open;
    bool                                             closed = false;
    unsigned short                                   port = 0;
};

listener::listener(asio::any_io_executor executor, std::string const& place) : impl_(std::make_shared<impl>(std::move(executor)))
{
    auto const here = endpoint_of(place);
    try
    {
        impl_->acceptor.open(here.protocol());
        impl_->acceptor.set_option(tcp::acceptor::reuse_address(true));
        impl_->acceptor.bind(here);
        impl_->acceptor.listen(tcp::acceptor::max_listen_connections);
        impl_->port = impl_->acceptor.local_endpoint().port();
    }
    catch (boost::system::system_error const& e)
    {
        throw misuse(misuse::code::wrong_call, "remote_options::listen: " + place + " cannot be had: " + e.code().message());
    }
}

void listener::start(std::function<callback_answer(std::string_view)> answer)
{
    impl_->answer = std::move(answer);
    asio::co_spawn(impl_->strand, impl::accept(impl_), asio::detached);
}

void listener::stop() noexcept
{
    asio::dispatch(impl_->strand, [i = impl_] { i->close(); });
}

unsigned short listener::port() const noexcept { return impl_->port; }

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
