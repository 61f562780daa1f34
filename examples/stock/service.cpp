// A participant over HTTP: the stock service, with Boost.Beast, on a SQLite file.
//
//     stock_service DATABASE PORT        POST /try, /confirm and /cancel, each with {"article": …, "quantity": …} and weft's or dtm's query
//
// Whatever arrives twice, late or in the wrong order takes effect once: the barrier stands in the same local transaction as the business.
#include "stock.hpp"

#include <weft/barrier.hpp>
#include <weft/errors.hpp>
#include <weft/sql.hpp>

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
#include <soci/sqlite3/soci-sqlite3.h>

#include <iostream>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

namespace {

constexpr std::chrono::seconds patience{30};  // with a client that says nothing
constexpr std::size_t          body_limit = 64 << 10;

// The database and its one thread: SQLite has one writer, and waiting for a disk must not stop the network.
struct database
{
    explicit database(std::string const& file) : sql(soci::sqlite3, "dbname=" + file) { set_up(sql); }

    soci::session     sql;
    asio::thread_pool thread{1};
};

response reply(request const& to, http::status status, boost::json::value const& body)
{
    response r(status, to.version());
    r.set(http::field::content_type, "application/json");
    r.keep_alive(to.keep_alive());
    r.body() = boost::json::serialize(body);
    r.prepare_payload();
    return r;
}

//[serve
// One operation of one branch. 200: done; 409: the business says no; anything else: ask again.
response serve(database& db, request const& r)
{
    try
    {
        auto       guard = weft::barrier::from_query(r.target());
        auto const wanted = boost::json::value_to<purchase>(boost::json::parse(r.body()));
        auto const path = r.target().substr(0, r.target().find('?'));

        boost::json::object   result{{"dtm_result", "SUCCESS"}};
        soci::transaction     transaction(db.sql);  // rolled back by its destructor if anything is thrown
        weft::soci_connection connection(db.sql);
        if (path == "/try")
            result["left"] = guard.call(connection, [&] { return reserve(db.sql, wanted); });
        else if (path == "/confirm")
            guard.call(connection, [&] { confirm(db.sql, wanted); });
        else if (path == "/cancel")
            guard.call(connection, [&] { release(db.sql, wanted); });
        else
            return reply(r, http::status::not_found, {{"message", "there are /try, /confirm and /cancel"}});
        transaction.commit();
        return reply(r, http::status::ok, result);
    }
    catch (weft::failure const& no)
    {
        return reply(r, http::status::conflict, {{"dtm_result", "FAILURE"}, {"message", no.reason()}});
    }
    catch (weft::misuse const& e)
    {
        return reply(r, http::status::bad_request, {{"message", e.what()}});
    }
    catch (boost::system::system_error const&)
    {
        return reply(r, http::status::bad_request, {{"message", "the body is no purchase"}});
    }
    catch (std::exception const& e)
    {
        std::cerr << "stock_service: " << e.what() << '\n';
        return reply(r, http::status::internal_server_error, {{"message", "out of order"}});
    }
}
//]

asio::awaitable<void> converse(tcp::socket socket, database& db)
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
        co_await asio::post(asio::bind_executor(db.thread, use_awaitable));  // over there …
        auto answer = serve(db, r);
        co_await asio::post(asio::bind_executor(stream.get_executor(), use_awaitable));  // … and back
        more = answer.keep_alive();
        co_await http::async_write(stream, answer, quietly);
        if (failed)
            break;
    }
    stream.socket().shutdown(tcp::socket::shutdown_both, failed);
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, database& db)
{
    for (;;)
    {
        auto socket = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(acceptor.get_executor(), converse(std::move(socket), db), asio::detached);
    }
}

}  // namespace

int main(int argc, char** argv)
try
{
    if (argc != 3)
    {
        std::cerr << "usage: stock_service DATABASE PORT\n";
        return 2;
    }
    database         db(argv[1]);
    asio::io_context io{1};
    tcp::endpoint    here(asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::stoi(argv[2])));
    tcp::acceptor    acceptor(io, here);
    std::cout << "http://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
    asio::co_spawn(io, listen(acceptor, db), asio::detached);
    io.run();
}
catch (std::exception const& e)
{
    std::cerr << "stock_service: " << e.what() << '\n';
    return 1;
}
