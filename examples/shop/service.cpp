#include "service.hpp"

#include <weft/errors.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <iostream>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using beast_request = http::request<http::string_body>;
using beast_reply = http::response<http::string_body>;

service::service(std::string name, std::string const& file, void (*set_up)(soci::session&))
    : name_(std::move(name))
    , database_("sqlite://" + file)
{
    database_.run(set_up);
}

void service::post(std::string path, std::function<boost::json::object(purchase const&)> work)
{
    handlers_["POST " + path] = [work](request const& r) { return work(purchase_in(r)); };
}

void service::get(std::string path, boost::json::object (*read)(soci::session&))
{
    handlers_["GET " + path] = [this, read](request const&) { return database_.read(read); };
}

purchase service::purchase_in(request const& r) { return boost::json::value_to<purchase>(boost::json::parse(r.body)); }

// 200: done; 409: the business says no; anything else: ask again, or differently.
service::reply service::answer(request const& r) const
{
    try
    {
        auto const found = handlers_.find(r.method + ' ' + r.path);
        if (found == handlers_.end())
            return {404, {{"message", name_ + " has no " + r.method + ' ' + r.path}}};
        return {200, found->second(r)};
    }
    catch (weft::failure const& no)
    {
        return {409, {{"dtm_result", "FAILURE"}, {"message", no.reason()}}};
    }
    catch (weft::misuse const& e)
    {
        return {400, {{"message", e.what()}}};
    }
    catch (boost::system::system_error const&)
    {
        return {400, {{"message", "the body is no purchase"}}};
    }
    catch (std::exception const& e)
    {
        std::cerr << name_ << ": " << e.what() << '\n';
        return {500, {{"message", "out of order"}}};
    }
}

bool changes(soci::statement& statement)
{
    statement.execute(true);
    return statement.get_affected_rows() > 0;
}

namespace {

constexpr std::chrono::seconds patience{30};  // with a client that says nothing
constexpr std::size_t          body_limit = 64 << 10;
constexpr std::size_t          workers = 64;  // requests that wait for a disk or for another service at the same time

beast_reply reply_to(beast_request const& r, service const& s)
{
    std::string const target(r.target());
    auto const        end = std::min(target.find('?'), target.size());
    auto const        answer = s.answer({std::string(r.method_string()), target.substr(0, end), target.substr(end), r.body()});
    beast_reply       reply(static_cast<http::status>(answer.status), r.version());
    reply.set(http::field::content_type, "application/json");
    reply.keep_alive(r.keep_alive());
    reply.body() = boost::json::serialize(answer.body) + '\n';
    reply.prepare_payload();
    return reply;
}

asio::awaitable<void> converse(tcp::socket socket, service const& s, asio::thread_pool& pool)
{
    boost::beast::tcp_stream  stream(std::move(socket));
    boost::beast::flat_buffer buffer;
    boost::system::error_code failed;
    auto                      quietly = asio::redirect_error(use_awaitable, failed);
    for (bool more = true; more;)
    {
        http::request_parser<http::string_body> parser;
        parser.body_limit(body_limit);
        stream.expires_after(patience);
        co_await http::async_read(stream, buffer, parser, quietly);
        if (failed)
            break;
        auto const r = parser.release();
        co_await asio::post(asio::bind_executor(pool, use_awaitable));  // over there …
        auto reply = reply_to(r, s);
        co_await asio::post(asio::bind_executor(stream.get_executor(), use_awaitable));  // … and back
        more = reply.keep_alive();
        stream.expires_after(patience);
        co_await http::async_write(stream, reply, quietly);
        if (failed)
            break;
    }
    stream.socket().shutdown(tcp::socket::shutdown_both, failed);
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, service const& s, asio::thread_pool& pool)
{
    for (;;)
    {
        auto socket = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(acceptor.get_executor(), converse(std::move(socket), s, pool), asio::detached);
    }
}

}  // namespace

void service::run(unsigned short port)
{
    asio::thread_pool pool{workers};
    asio::io_context  io{1};
    tcp::endpoint     here(asio::ip::address_v4::loopback(), port);
    tcp::acceptor     acceptor(io, here);
    std::cout << "http://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
    asio::co_spawn(io, listen(acceptor, *this, pool), asio::detached);
    io.run();
}
