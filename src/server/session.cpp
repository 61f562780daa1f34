#include "src/server/session.hpp"

#include "src/server/admission.hpp"

#include <weft/server_metrics.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl.hpp>
#include <spdlog/logger.h>

#include <array>
#include <iterator>
#include <optional>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::use_awaitable;
using asio::ip::tcp;

namespace {

using plain_stream = tcp::socket;
using tls_stream = asio::ssl::stream<tcp::socket>;
using request_parser = http::request_parser<http::string_body>;
using response = http::response<http::string_body>;

constexpr std::chrono::seconds patience_at_the_end{5};  // with what a client still sends after it has been refused
constexpr std::size_t          room_for_pieces = 48u << 10, piece_of_header = 4u << 10;
constexpr std::ptrdiff_t       most_fields = 100;

// What to say to a request that cannot be read; nothing if there is nobody to say it to.
std::optional<answer> answer_to_error(boost::system::error_code failed, bool too_slow, std::size_t body_limit)
{
    using e = http::error;
    if (too_slow)
        return message(408, "the request took too long to arrive");
    if (failed == boost::system::errc::not_enough_memory)
        return message(503, "there are too many bodies of requests at the moment");
    if (failed == e::body_limit)
        return message(413, "the body is longer than " + std::to_string(body_limit) + " bytes");
    if (failed == e::header_limit || failed == e::buffer_overflow)
        return message(431, "the header is too long, or has too many fields");
    if (failed == e::end_of_stream || failed.category() != http::make_error_code(e::end_of_stream).category())
        return std::nullopt;
    return message(400, "no HTTP request: " + failed.message());
}

}  // namespace

template <class Stream>
class session_of final : public session, public std::enable_shared_from_this<session_of<Stream>>
{
public:
    static constexpr bool secure = std::is_same_v<Stream, tls_stream>;

    session_of(Stream stream, std::shared_ptr<session_host> host)
        : stream_(std::move(stream))
        , timer_(stream_.get_executor())
        , host_(std::move(host))
    {
        boost::system::error_code failed;
        client_ = client_of(socket().remote_endpoint(failed).address());
        socket().set_option(tcp::no_delay(true), failed);
    }

    void start() override { asio::co_spawn(stream_.get_executor(), live(this->shared_from_this()), asio::detached); }

    void drain() override
    {
        asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
            self->draining_ = true;
            if (!self->busy_)
                self->give_up();
        });
    }

    void close() override
    {
        asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
            boost::system::error_code ignored;
            self->draining_ = true;
            self->timer_.cancel();
            self->socket().close(ignored);
        });
    }

private:
    tcp::socket& socket()
    {
        if constexpr (secure)
            return stream_.next_layer();
        else
            return stream_;
    }

    // What waits on the socket fails.
    void give_up()
    {
        boost::system::error_code ignored;
        socket().cancel(ignored);
    }

    // From now on, until `in_time` is asked.
    void watch(std::chrono::milliseconds limit)
    {
        late_ = false;
        give_up_in(limit, ++watch_);
    }

    // And again, until it has ended: a part of an operation that was done already goes on to the next part.
    void give_up_in(std::chrono::milliseconds limit, std::uint64_t which)
    {
        timer_.expires_after(limit);
        timer_.async_wait([self = this->shared_from_this(), which](boost::system::error_code cancelled) {
            if (cancelled || which != self->watch_)
                return;
            self->late_ = true;
            self->give_up();
            self->give_up_in(std::chrono::milliseconds(100), which);
        });
    }
    bool in_time()
    {
        ++watch_;
        timer_.cancel();
        return !late_;
    }

    static asio::awaitable<void> live(std::shared_ptr<session_of> self)
    {
        try
        {
            bool const begun = co_await self->begin();
            while (begun && co_await self->one_request())
            { }
        }
        catch (std::exception const& e)
        {
            if (auto const& log = self->host_->options.logger)
                log->error("a connection failed: {}", e.what());
        }
        boost::system::error_code ignored;
        self->timer_.cancel();
        self->socket().shutdown(tcp::socket::shutdown_both, ignored);
        self->socket().close(ignored);
        self->host_->left(*self);
    }

    asio::awaitable<bool> begin()
    {
        boost::system::error_code failed;
        if constexpr (secure)
        {
            busy_ = false;  // a server that stops need not wait for it
            watch(host_->options.request_timeout);
            co_await stream_.async_handshake(tls_stream::server, asio::redirect_error(use_awaitable, failed));
            in_time();
            busy_ = true;
        }
        co_return !failed;
    }

    // Waits for the first byte of a request. An idle connection has no buffer.
    asio::awaitable<bool> hear()
    {
        boost::system::error_code failed;
        busy_ = false;
        if (!draining_)
        {
            watch(host_->options.idle_timeout);
            if constexpr (secure)
            {
                auto const n = co_await stream_.async_read_some(buffer_.prepare(1'024), asio::redirect_error(use_awaitable, failed));
                buffer_.commit(n);
            }
            else
                co_await socket().async_wait(tcp::socket::wait_read, asio::redirect_error(use_awaitable, failed));
            in_time();
        }
        busy_ = true;
        boost::system::error_code gone;
        co_return (!failed && !draining_) || (draining_ && (buffer_.size() > 0 || socket().available(gone) > 0));
    }

    // A field takes far more memory than its bytes: there may be so many.
    asio::awaitable<boost::system::error_code> more_of_header(request_parser& parser)
    {
        boost::system::error_code failed;
        if (buffer_.size() > 0)
        {
            auto const used = parser.put(buffer_.data(), failed);
            buffer_.consume(used);
            auto const& fields = parser.get();
            if ((!failed || failed == http::error::need_more) && std::distance(fields.begin(), fields.end()) > most_fields)
                co_return http::error::header_limit;
            if (failed != http::error::need_more)
                co_return failed;
            failed = {};
        }
        auto const n = co_await stream_.async_read_some(buffer_.prepare(piece_of_header), asio::redirect_error(use_awaitable, failed));
        buffer_.commit(n);
        co_return failed;
    }

    // False: it was the last one.
    asio::awaitable<bool> one_request()
    {
        if (buffer_.size() == 0)
        {
            // What is not the body has its end, too: extensions of chunks, for instance.
            buffer_ = boost::beast::flat_buffer(host_->options.header_limit + room_for_pieces);
            bool const something = co_await hear();
            if (!something)
                co_return false;
        }
        auto const&               options = host_->options;
        boost::system::error_code failed;
        request_parser            parser;
        parser.header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(options.header_limit, UINT32_MAX)));
        parser.body_limit(options.body_limit);
        watch(options.request_timeout);
        while (!failed && !parser.is_header_done())
            failed = co_await more_of_header(parser);
        auto const began = host_->time->since_boot();
        if (!failed)
            if (auto refusal = ambiguous(parser.get()))
            {
                in_time();
                co_await refuse(std::move(*refusal), parser, began, false);
                co_return false;
            }
        if (!failed)
            if (auto refusal = refusal_of(parser.get()))
            {
                in_time();
                bool const keep = co_await refuse(std::move(*refusal), parser, began, true);
                co_return keep;
            }
        auto const body_limit = body_limit_of(options, parser.get());
        held_bytes held(host_->bodies);
        if (!failed && !parser.is_done())
        {
            auto const announced = parser.content_length();
            if (announced && *announced > body_limit)
                failed = http::error::body_limit;
            parser.body_limit(body_limit);
        }
        if (!failed && !parser.is_done() && boost::beast::iequals(parser.get()[http::field::expect], "100-continue"))
        {
            static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            co_await asio::async_write(stream_, asio::buffer(go_on), asio::redirect_error(use_awaitable, failed));
        }
        parser.eager(true);
        while (!failed && !parser.is_done())
        {
            co_await http::async_read_some(stream_, buffer_, parser, asio::redirect_error(use_awaitable, failed));
            // What has arrived counts, not what is announced. The few bytes that every route takes leave the room to those that need it.
            if (!failed && body_limit > body_of_others && !held.grow_to(parser.get().body().size()))
                failed = boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
        }
        bool const too_slow = !in_time();
        if (failed)
        {
            auto refusal = answer_to_error(failed, too_slow, body_limit);
            std::string().swap(parser.get().body());
            held = {};
            if (refusal)
            {
                tell("?", "?", refusal->status, began);
                co_await write(std::move(*refusal), 11, false, false);
                co_await linger();
            }
            co_return false;
        }
        bool const keep = co_await respond(parser.release(), std::move(held), began);
        co_return keep;
    }

    // Said before the body is read: who may not ask shall not fill the memory either.
    std::optional<answer> refusal_of(http::request<http::string_body> const& header)
    {
        if (!host_->limit.allows(client_))
            return message(429, "too many requests");
        return refused_entry(*host_->trusting(), header);
    }

    asio::awaitable<bool> refuse(answer a, request_parser const& parser, std::chrono::nanoseconds began, bool may_go_on)
    {
        auto const& header = parser.get();
        bool const  whole = parser.is_done();
        bool const  keep = may_go_on && whole && header.keep_alive() && !draining_;
        tell(header.method_string(), header.target(), a.status, began);
        bool const written = co_await write(std::move(a), header.version(), keep, header.method() == http::verb::head);
        if (!whole || !may_go_on)
            co_await linger();
        co_return written&& keep;
    }

    asio::awaitable<bool> respond(http::request<http::string_body> from, held_bytes held, std::chrono::nanoseconds began)
    {
        request r;
        r.method = std::string(from.method_string());
        r.target = std::string(from.target());
        r.body.text = std::move(from.body());
        r.body.bytes = std::move(held);
        auto const method = r.method;
        auto const target = r.target;

        request_context const at{host_->options, host_->manager, host_->speaks, host_->stopping};
        answer                a = co_await answer_to(at, std::move(r));
        held_bytes            held_by_answer(host_->bodies);
        // What was done is said whatever else is held; and of what is longer than there is ever room for, one at a time.
        if (a.body.size() > small_body && !held_by_answer.grow_to_or_alone(a.body.size()))
            a = message(503, "there are too many long answers at the moment");
        tell(method, target, a.status, began);
        bool const keep = from.keep_alive() && !draining_;
        bool const written = co_await write(std::move(a), from.version(), keep, method == "HEAD");
        if constexpr (secure)
            if (written && !keep)
            {
                boost::system::error_code ignored;
                watch(patience_at_the_end);
                co_await stream_.async_shutdown(asio::redirect_error(use_awaitable, ignored));
                in_time();
            }
        co_return written&& keep;
    }

    asio::awaitable<bool> write(answer a, unsigned version, bool keep, bool head)
    {
        response r(http::int_to_status(a.status), version);
        r.set(http::field::content_type, a.content_type);
        r.set("X-Content-Type-Options", "nosniff");
        if (!a.allow.empty())
            r.set(http::field::allow, a.allow);
        if (a.status == 401)
            r.set(http::field::www_authenticate, "Bearer");
        if (a.status == 429 || a.status == 503)
            r.set(http::field::retry_after, "1");
        r.keep_alive(keep);
        r.body() = std::move(a.body);
        r.prepare_payload();
        if (head)
            r.body().clear();
        boost::system::error_code failed;
        watch(host_->options.request_timeout);
        co_await http::async_write(stream_, r, asio::redirect_error(use_awaitable, failed));
        in_time();
        co_return !failed;
    }

    // A client that has been refused may still be sending: it hears the answer only if what it sends is taken.
    asio::awaitable<void> linger()
    {
        boost::system::error_code failed;
        std::array<char, 16'384>  taken;
        socket().shutdown(tcp::socket::shutdown_send, failed);
        watch(patience_at_the_end);
        while (!failed && !draining_ && !late_)
            co_await socket().async_read_some(asio::buffer(taken), asio::redirect_error(use_awaitable, failed));
        in_time();
    }

    void tell(std::string_view method, std::string_view target, unsigned status, std::chrono::nanoseconds began)
    {
        auto const took = host_->time->since_boot() - began;
        if (auto const& m = host_->options.metrics)
            m->answered("http", api_of(target), status, took);
        if (auto const& log = host_->options.logger; log && log->should_log(spdlog::level::debug))
            log->debug("{} {} {} {:.3f} ms", method, target.substr(0, target.find('?')), status,
                       std::chrono::duration<double, std::milli>(took).count());
    }

    Stream                        stream_;
    asio::steady_timer            timer_;
    std::shared_ptr<session_host> host_;
    asio::ip::address             client_;
    boost::beast::flat_buffer     buffer_;
    std::uint64_t                 watch_ = 0;
    bool                          late_ = false;
    bool                          busy_ = true;
    bool                          draining_ = false;
};

std::shared_ptr<session> make_session(tcp::socket socket, asio::ssl::context* tls, std::shared_ptr<session_host> host)
{
    if (tls)
        return std::make_shared<session_of<tls_stream>>(tls_stream(std::move(socket), *tls), std::move(host));
    return std::make_shared<session_of<plain_stream>>(std::move(socket), std::move(host));
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
