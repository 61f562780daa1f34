#include "tests/support/cutting_proxy.hpp"

#include <boost/asio/write.hpp>

#include <array>

using boost::asio::ip::tcp;

// Two sockets; one message is what the client sends before it waits for an answer.
class cutting_proxy::pipe : public std::enable_shared_from_this<pipe>
{
public:
    pipe(cutting_proxy& p, tcp::socket client) : proxy_(p), client_(std::move(client)), server_(p.io_), number_(++p.connections_) { }

    void start()
    {
        boost::system::error_code failed;
        server_.connect({boost::asio::ip::address_v4::loopback(), proxy_.server_port_}, failed);
        if (failed)
            return;
        client_.set_option(tcp::no_delay(true));
        server_.set_option(tcp::no_delay(true));
        from_client();
        from_server();
    }

private:
    void from_client()
    {
        client_.async_read_some(boost::asio::buffer(up_), [self = shared_from_this()](boost::system::error_code e, std::size_t n) {
            if (e)
                return self->close();
            if (self->deaf())
                return self->from_client();
            self->proxy_.hear(self->number_, std::string_view(self->up_.data(), n));
            auto const number = ++self->proxy_.seen_;
            if (number == self->proxy_.at_)
            {
                if (self->proxy_.how_ == cut::before)
                    return self->close();
                if (self->proxy_.how_ == cut::silence)
                {
                    self->proxy_.swallow(self->deaf_ = true);
                    return self->from_client();
                }
                self->cut_at_answer_ = true;
            }
            boost::asio::async_write(
                self->server_, boost::asio::buffer(self->up_, n),
                [self](boost::system::error_code failed, std::size_t) { failed ? self->close() : self->from_client(); });
        });
    }
    void from_server()
    {
        server_.async_read_some(boost::asio::buffer(down_), [self = shared_from_this()](boost::system::error_code e, std::size_t n) {
            if (e || self->cut_at_answer_)
                return self->close();
            if (self->deaf())
                return self->from_server();
            if (self->proxy_.rewrite_)
                self->proxy_.rewrite_(self->down_.data(), n);
            boost::asio::async_write(
                self->client_, boost::asio::buffer(self->down_, n),
                [self](boost::system::error_code failed, std::size_t) { failed ? self->close() : self->from_server(); });
        });
    }
    bool deaf() { return deaf_ = deaf_ || proxy_.swallows_; }
    void close()
    {
        boost::system::error_code ignored;
        client_.close(ignored);
        server_.close(ignored);
    }

    cutting_proxy&          proxy_;
    tcp::socket             client_, server_;
    std::array<char, 65536> up_, down_;
    unsigned                number_;
    bool                    cut_at_answer_ = false, deaf_ = false;
};

cutting_proxy::cutting_proxy(unsigned short server_port, unsigned short at_port)
    : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), at_port})
    , server_port_(server_port)
{
    accept();
    thread_ = std::thread([this] { io_.run(); });
}

cutting_proxy::~cutting_proxy()
{
    io_.stop();
    thread_.join();
}

void cutting_proxy::cut_at(unsigned n, cut how)
{
    at_ = 0;
    {
        std::lock_guard lock(mutex_);
        heard_.clear();
    }
    seen_ = 0;
    how_ = how;
    at_ = n;
}

void cutting_proxy::hear(unsigned connection, std::string_view bytes)
{
    constexpr std::size_t enough = 300;
    std::lock_guard       lock(mutex_);
    heard_.push_back({connection, std::string(bytes.substr(0, enough))});
}

std::vector<cutting_proxy::message> cutting_proxy::heard() const
{
    std::lock_guard lock(mutex_);
    return heard_;
}

void cutting_proxy::accept()
{
    acceptor_.async_accept([this](boost::system::error_code e, tcp::socket client) {
        if (!e)
            std::make_shared<pipe>(*this, std::move(client))->start();
        accept();
    });
}

unsigned short port_of(std::string const& url)
{
    auto const at = url.rfind('@'), colon = url.find(':', at);
    return static_cast<unsigned short>(std::stoi(url.substr(colon + 1)));
}

std::string through(cutting_proxy const& proxy, std::string url) { return at_port(proxy.port(), std::move(url)); }

std::string at_port(unsigned short port, std::string url)
{
    auto const at = url.rfind('@'), colon = url.find(':', at), slash = url.find('/', colon);
    return url.replace(colon + 1, slash - colon - 1, std::to_string(port));
}
