// A participant that says yes to everything, as quickly as it can: what is measured beside it is weftd.
//     yes_service         prints its address; ends when its standard input does
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <charconv>
#include <iostream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

std::size_t length_of(std::string_view head)
{
    constexpr std::string_view name = "\r\nContent-Length: ";
    auto const                 at = head.find(name);
    std::size_t                n = 0;
    if (at != head.npos)
        std::from_chars(head.data() + at + name.size(), head.data() + head.size(), n);
    return n;
}

asio::awaitable<void> converse(tcp::socket socket)
{
    static constexpr std::string_view yes = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"dtm_result\":\"SUCCESS\"}\n";
    boost::system::error_code         failed;
    auto                              quietly = asio::redirect_error(asio::use_awaitable, failed);
    std::string                       heard;
    socket.set_option(tcp::no_delay(true));
    for (;;)
    {
        auto const head = co_await asio::async_read_until(socket, asio::dynamic_buffer(heard), "\r\n\r\n", quietly);
        if (failed)
            co_return;
        auto const whole = head + length_of(std::string_view(heard).substr(0, head));
        if (heard.size() < whole)
            co_await asio::async_read(socket, asio::dynamic_buffer(heard), asio::transfer_exactly(whole - heard.size()), quietly);
        if (failed)
            co_return;
        heard.erase(0, whole);
        co_await asio::async_write(socket, asio::buffer(yes), quietly);
        if (failed)
            co_return;
    }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor)
{
    for (;;)
    {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), converse(std::move(socket)), asio::detached);
    }
}

}  // namespace

int main()
{
    asio::io_context               io{1};
    tcp::acceptor                  acceptor(io, {asio::ip::address_v4::loopback(), 0});
    asio::posix::stream_descriptor input(io, ::dup(STDIN_FILENO));
    std::cout << "http://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
    asio::co_spawn(io, listen(acceptor), asio::detached);
    input.async_wait(asio::posix::stream_descriptor::wait_read, [&](boost::system::error_code) { io.stop(); });
    io.run();
}
