// A real HTTP server on a loopback port, which answers as it is told: well, badly, late or never. One thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class http_server
{
public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;

    struct answer
    {
        unsigned    status = 200;
        std::string body;
        std::string location{};     // as a header, if not empty
        bool        never = false;  // the connection stays open, and nothing comes
        bool        held = false;   // until `release`
        std::string raw{};          // instead of all that: these bytes, and the end of the connection
        std::size_t endless = 0;    // instead: a body of so many bytes, written as long as somebody reads
    };

    // What to do for a path, on the server's thread. Paths that nobody knows are answered with 404.
    using handler = std::function<answer(request const&)>;

    // With a certificate: https.
    struct identity
    {
        std::string certificate, key;  // PEM
    };

    // Listens on that address of the machine's loopback.
    explicit http_server(identity const& tls = {}, std::string const& address = "127.0.0.1");
    ~http_server();

    void on(std::string path, handler);

    // http://service.test:port/path, a name of tests/support/names.cpp; https://127.0.0.1:port/path, which certificates are for.
    std::string url(std::string const& path) const;

    // The same with this host.
    std::string url_at(std::string const& host, std::string const& path) const;

    unsigned short port() const { return port_; }
    unsigned       requests() const { return requests_; }
    unsigned       connections() const { return connections_; }
    std::size_t    held() const { return held_count_; }

    // Answers all that are held.
    void release();

    // Closes every connection at once.
    void cut();

    // A certificate for itself, valid for this host name or address.
    static identity make_identity(std::string const& host, bool with_rsa = false);

private:
    struct session;
    template <class Stream>
    struct session_of;

    void   accept();
    answer find(request const& r);

    boost::asio::io_context               io_{1};
    boost::asio::ssl::context             tls_{boost::asio::ssl::context::tls_server};
    bool                                  secure_ = false;
    boost::asio::ip::tcp::acceptor        acceptor_;
    unsigned short                        port_ = 0;
    std::mutex                            mutex_;
    std::map<std::string, handler>        handlers_;
    std::vector<std::shared_ptr<session>> held_, silent_;
    std::vector<std::weak_ptr<session>>   sessions_;
    std::atomic<unsigned>                 requests_{0}, connections_{0};
    std::atomic<std::size_t>              held_count_{0};
    std::thread                           thread_;
};
