#include "tests/support/http_server.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <optional>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

struct http_server::session : std::enable_shared_from_this<http_server::session>
{
    virtual ~session() = default;
    virtual void start() = 0;
    virtual void reply(answer const& a) = 0;
    virtual void close() = 0;

    answer kept;  // what a held request gets
};

template <class Stream>
struct http_server::session_of final : http_server::session
{
    session_of(http_server& s, Stream st) : server(s), stream(std::move(st)) { }

    void start() override
    {
        if constexpr (std::is_same_v<Stream, tcp::socket>)
            read();
        else
            stream.async_handshake(asio::ssl::stream_base::server, [self = shared()](boost::system::error_code e) {
                if (!e)
                    self->read();
            });
    }

    std::shared_ptr<session_of> shared() { return std::static_pointer_cast<session_of>(shared_from_this()); }

    void read()
    {
        parser.emplace();
        parser->body_limit(boost::none);
        http::async_read(stream, buffer, *parser, [self = shared()](boost::system::error_code e, std::size_t) {
            if (e)
                return self->close();
            ++self->server.requests_;
            auto a = self->server.find(self->parser->get());
            if (a.never)
                return self->server.silent_.push_back(self);
            if (a.held)
            {
                self->kept = std::move(a);
                self->server.held_.push_back(self);
                ++self->server.held_count_;
                return;
            }
            self->reply(a);
        });
    }

    void reply(answer const& a) override
    {
        if (!a.raw.empty())
        {
            bytes = a.raw;
            asio::async_write(stream, asio::buffer(bytes), [self = shared()](boost::system::error_code, std::size_t) { self->close(); });
            return;
        }
        if (a.endless > 0)
        {
            left = a.endless;
            bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            asio::async_write(stream, asio::buffer(bytes), [self = shared()](boost::system::error_code e, std::size_t) {
                self->bytes = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
                e ? self->close() : self->pour();
            });
            return;
        }
        response = {};
        response.result(a.status);
        response.version(11);
        response.keep_alive(parser->get().keep_alive());
        response.set(http::field::content_type, "application/json");
        if (!a.location.empty())
            response.set(http::field::location, a.location);
        if (a.status != 204)
        {
            response.body() = a.body;
            response.prepare_payload();
        }
        http::async_write(stream, response, [self = shared()](boost::system::error_code e, std::size_t) {
            e || !self->response.keep_alive() ? self->close() : self->read();
        });
    }

    void pour()
    {
        if (left == 0)
            return close();
        left -= std::min<std::size_t>(left, 0x10000);
        asio::async_write(stream, asio::buffer(bytes),
                          [self = shared()](boost::system::error_code e, std::size_t) { e ? self->close() : self->pour(); });
    }

    void close() override
    {
        boost::system::error_code ignored;
        stream.lowest_layer().shutdown(tcp::socket::shutdown_both, ignored);
        stream.lowest_layer().close(ignored);
    }

    http_server&                                           server;
    Stream                                                 stream;
    boost::beast::flat_buffer                              buffer;
    std::optional<http::request_parser<http::string_body>> parser;
    http::response<http::string_body>                      response;
    std::string                                            bytes;
    std::size_t                                            left = 0;
};

http_server::http_server(identity const& tls, std::string const& address) : secure_(!tls.certificate.empty()), acceptor_(io_)
{
    if (secure_)
    {
        tls_.use_certificate_chain(asio::buffer(tls.certificate));
        tls_.use_private_key(asio::buffer(tls.key), asio::ssl::context::pem);
    }
    tcp::endpoint const here(asio::ip::make_address(address), 0);
    acceptor_.open(here.protocol());
    acceptor_.bind(here);
    acceptor_.listen(16'384);
    port_ = acceptor_.local_endpoint().port();
    accept();
    thread_ = std::thread([this] { io_.run(); });
}

http_server::~http_server()
{
    io_.stop();
    thread_.join();
}

void http_server::on(std::string path, handler h)
{
    std::lock_guard lock(mutex_);
    handlers_[std::move(path)] = std::move(h);
}

std::string http_server::url(std::string const& path) const { return url_at(secure_ ? "127.0.0.1" : "service.test", path); }

std::string http_server::url_at(std::string const& host, std::string const& path) const
{
    return (secure_ ? "https://" : "http://") + host + ':' + std::to_string(port_) + path;
}

http_server::answer http_server::find(request const& r)
{
    auto const target = std::string(r.target());
    handler    h;
    {
        std::lock_guard lock(mutex_);
        if (auto const found = handlers_.find(target.substr(0, target.find('?'))); found != handlers_.end())
            h = found->second;
    }
    answer a;
    a.status = 404;
    return h ? h(r) : a;
}

void http_server::release()
{
    asio::post(io_, [this] {
        for (auto const& s : std::exchange(held_, {}))
            s->reply(s->kept);
        held_count_ = 0;
    });
}

void http_server::cut()
{
    asio::post(io_, [this] {
        for (auto const& w : std::exchange(sessions_, {}))
            if (auto const s = w.lock())
                s->close();
    });
}

void http_server::accept()
{
    acceptor_.async_accept([this](boost::system::error_code e, tcp::socket client) {
        if (!e)
        {
            ++connections_;
            boost::system::error_code ignored;
            client.set_option(tcp::no_delay(true), ignored);
            std::shared_ptr<session> s;
            if (secure_)
                s = std::make_shared<session_of<asio::ssl::stream<tcp::socket>>>(*this,
                                                                                 asio::ssl::stream<tcp::socket>(std::move(client), tls_));
            else
                s = std::make_shared<session_of<tcp::socket>>(*this, std::move(client));
            sessions_.push_back(s);
            s->start();
        }
        accept();
    });
}

http_server::identity http_server::make_identity(std::string const& host, bool with_rsa)
{
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> const key(with_rsa ? EVP_RSA_gen(2'048) : EVP_EC_gen("P-256"), &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> const         certificate(X509_new(), &X509_free);
    auto* const                                               c = certificate.get();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c), 24 * 3600);
    X509_set_pubkey(c, key.get());
    auto* const name = X509_get_subject_name(c);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<unsigned char const*>(host.c_str()), -1, -1, 0);
    X509_set_issuer_name(c, name);
    bool const address = host.find_first_not_of("0123456789.") == std::string::npos;
    auto const names = (address ? "IP:" : "DNS:") + host;
    if (auto* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()))
    {
        X509_add_ext(c, extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_sign(c, key.get(), EVP_sha256());
    auto const text = [](auto write) {
        std::unique_ptr<BIO, decltype(&BIO_free)> const memory(BIO_new(BIO_s_mem()), &BIO_free);
        write(memory.get());
        char*      data = nullptr;
        auto const size = BIO_get_mem_data(memory.get(), &data);
        return std::string(data, static_cast<std::size_t>(size));
    };
    identity i;
    i.certificate = text([&](BIO* b) { PEM_write_bio_X509(b, c); });
    i.key = text([&](BIO* b) { PEM_write_bio_PrivateKey(b, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    return i;
}
