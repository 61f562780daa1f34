#include "src/weftd/container.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

namespace weftd {

namespace {

class redirecting_transport final : public weft::transport
{
public:
    explicit redirecting_transport(std::shared_ptr<weft::transport> through) : through_(std::move(through)) { }

    void send(std::shared_ptr<weft::http_exchange> exchange) override
    {
        auto& address = exchange->request.url;
        // Boost 1.81 takes "127.0.0.1.example" for an address with a path.
        if (auto const parsed = boost::urls::parse_uri(address);
            parsed && (parsed->encoded_path().empty() || parsed->encoded_path().front() == '/'))
            if (auto const host = host_from_container(parsed->host()); host != parsed->host())
            {
                boost::urls::url moved = *parsed;
                moved.set_host(host);
                address = moved.buffer();
            }
        through_->send(std::move(exchange));
    }
    void cancel(std::shared_ptr<weft::http_exchange> exchange) noexcept override { through_->cancel(std::move(exchange)); }

private:
    std::shared_ptr<weft::transport> through_;
};

}  // namespace

std::string host_from_container(std::string const& host)
{
    return host == "localhost" || host == "127.0.0.1" ? std::string("host.docker.internal") : host;
}

std::shared_ptr<weft::transport> from_container(std::shared_ptr<weft::transport> through)
{
    return std::make_shared<redirecting_transport>(std::move(through));
}

}  // namespace weftd
