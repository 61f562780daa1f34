#include <weft/errors.hpp>
#include <weft/server.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace weft {
inline namespace v0 {

namespace {

class alert final : public http_exchange
{
public:
    void replied(http_reply) noexcept override { }
    void failed(std::string) noexcept override { }
};

}  // namespace

std::function<void(transaction const&, std::string const&, std::string const&, unsigned)> alert_by_webhook(std::shared_ptr<transport> by,
                                                                                                           std::string url, unsigned limit)
{
    if (!by || url.empty() || limit == 0)
        throw misuse(misuse::code::wrong_call, "an alert needs a transport, an address and a number of errors");
    return [by = std::move(by), url = std::move(url), limit](transaction const& t, std::string const& branch, std::string const& error,
                                                             unsigned times) {
        if (times < limit)
            return;
        boost::json::object o;
        o["gid"] = t.gid;
        o["status"] = to_string(t.status);
        o["branch"] = branch;
        o["error"] = error;
        o["retry_count"] = times;
        auto const exchange = std::make_shared<alert>();
        exchange->request.url = url;
        exchange->request.headers.emplace_back("Content-Type", "application/json");
        exchange->request.body = boost::json::serialize(o);
        by->send(exchange);
    };
}

}  // namespace v0
}  // namespace weft
