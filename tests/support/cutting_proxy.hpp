// A connection to a server that is cut at one of its messages: as when the client dies there, or the network.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

class cutting_proxy
{
public:
    enum class cut
    {
        before,       // the server never sees the message
        answer_lost,  // the server answers, and nobody hears it
        silence       // from then on nobody hears anything: see swallow()
    };

    // Forwards to a server on 127.0.0.1; at a port of its own choice, or at that one.
    explicit cutting_proxy(unsigned short server_port, unsigned short at_port = 0);
    ~cutting_proxy();

    unsigned short port() const { return port_; }

    // The n-th message from now on, of all connections together, from 1. 0: none.
    void cut_at(unsigned n, cut how);

    // From now on nobody hears anything from the other one, until this is taken back; the connections of that time stay deaf.
    void swallow(bool all) { swallows_ = all; }

    // Messages since then.
    unsigned messages() const { return seen_; }

    // The same, each with the number of its connection, from 1, and its first bytes as they were sent.
    struct message
    {
        unsigned    connection;
        std::string bytes;
    };
    std::vector<message> heard() const;

    // What the server says, before the client hears it. From the next connection on.
    void rewrite(std::function<void(char* data, std::size_t size)> f) { rewrite_ = std::move(f); }

    // Connections since the beginning.
    unsigned connections() const { return connections_; }

private:
    class pipe;
    void accept();
    void hear(unsigned connection, std::string_view bytes);

    boost::asio::io_context                 io_{1};
    boost::asio::ip::tcp::acceptor          acceptor_;
    unsigned short                          port_ = acceptor_.local_endpoint().port();
    unsigned short                          server_port_;
    std::atomic<unsigned>                   seen_{0}, at_{0};
    std::atomic<unsigned>                   connections_{0};
    std::atomic<cut>                        how_{cut::before};
    std::atomic<bool>                       swallows_{false};
    std::function<void(char*, std::size_t)> rewrite_;
    mutable std::mutex                      mutex_;
    std::vector<message>                    heard_;
    std::thread                             thread_;
};

// The URL with the proxy's port instead of the server's, or with another one.
std::string    through(cutting_proxy const& proxy, std::string url);
std::string    at_port(unsigned short port, std::string url);
unsigned short port_of(std::string const& url);
