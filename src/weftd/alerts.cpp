#include "src/weftd/alerts.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <set>
#include <utility>

namespace weftd {

namespace {

std::string body_of(weft::transaction const& t, std::string const& url, std::string const& error, unsigned times)
{
    boost::json::object body;
    body["gid"] = t.gid;
    body["status"] = weft::to_string(t.status);
    body["branch"] = url;
    body["error"] = error;
    body["retry_count"] = times;
    return boost::json::serialize(body);
}

class alert;

}  // namespace

struct alerts::impl : std::enable_shared_from_this<alerts::impl>
{
    boost::asio::any_io_executor     executor;
    std::shared_ptr<weft::transport> transport;
    std::shared_ptr<spdlog::logger>  logger;
    alert_options                    options;
    bool                             stopped = false;
    std::set<std::shared_ptr<alert>> under_way;

    void send(std::string gid, std::string body);
};

namespace {

// One alert under way. It lives as long as the transport or the timer needs it.
class alert : public std::enable_shared_from_this<alert>
{
public:
    alert(alerts::impl& of, std::string gid, std::string body)
        : of_(of.weak_from_this())
        , executor_(of.executor)
        , timer_(of.executor)
        , gid_(std::move(gid))
        , body_(std::move(body))
        , pause_(of.options.pause)
    { }

    void send(alerts::impl& of)
    {
        ++tries_;
        exchange_ = std::make_shared<exchange>(shared_from_this());
        exchange_->request.url = of.options.url;
        exchange_->request.body = body_;
        exchange_->request.headers = {{"Content-Type", "application/json"}};
        exchange_->request.timeout = std::chrono::seconds(10);
        of.transport->send(exchange_);
    }

    void cancel(alerts::impl& of)
    {
        timer_.cancel();
        if (exchange_)
            of.transport->cancel(exchange_);
    }

private:
    struct exchange final : weft::http_exchange
    {
        explicit exchange(std::shared_ptr<alert> a) : of(std::move(a)) { }

        void replied(weft::http_reply reply) noexcept override
        {
            end(reply.status >= 200 && reply.status < 300 ? std::string() : "it answered " + std::to_string(reply.status));
        }
        void failed(std::string why) noexcept override { end(std::move(why)); }

        // On the transport's thread.
        void end(std::string why) noexcept
        {
            auto const executor = of->executor_;
            boost::asio::post(executor, [a = std::move(of), why = std::move(why)] { a->ended(why); });
        }

        std::shared_ptr<alert> of;
    };

    void ended(std::string const& why)
    {
        exchange_.reset();
        auto const of = of_.lock();
        if (!of || of->stopped)
            return;
        if (why.empty() || tries_ >= of->options.tries)
        {
            if (!why.empty())
                of->logger->warn("gid={}: an alert could not be posted: {}", gid_, why);
            of->under_way.erase(shared_from_this());
            return;
        }
        timer_.expires_after(pause_);
        pause_ *= 2;
        timer_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
            auto const all = self->of_.lock();
            if (!cancelled && all && !all->stopped)
                self->send(*all);
        });
    }

    std::weak_ptr<alerts::impl>  of_;
    boost::asio::any_io_executor executor_;
    boost::asio::steady_timer    timer_;
    std::string                  gid_, body_;
    std::chrono::milliseconds    pause_;
    unsigned                     tries_ = 0;
    std::shared_ptr<exchange>    exchange_;
};

}  // namespace

void alerts::impl::send(std::string gid, std::string body)
{
    if (stopped)
        return;
    if (under_way.size() >= options.waiting)
        return logger->warn("gid={}: an alert was not posted: {} are under way", gid, under_way.size());
    auto const a = std::make_shared<alert>(*this, std::move(gid), std::move(body));
    under_way.insert(a);
    a->send(*this);
}

alerts::alerts(boost::asio::any_io_executor executor, std::shared_ptr<weft::transport> transport, std::shared_ptr<spdlog::logger> logger,
               alert_options options)
    : impl_(std::make_shared<impl>())
{
    impl_->executor = std::move(executor);
    impl_->transport = std::move(transport);
    impl_->logger = std::move(logger);
    impl_->options = std::move(options);
}

alerts::~alerts() { stop(); }

void alerts::branch_failed(weft::transaction const& t, std::string const& url, std::string const& error, unsigned times)
{
    if (times < impl_->options.from)
        return;
    // Its query may hold what is nobody's business.
    impl_->logger->warn("gid={}: {} failures in a row of {}: {}", t.gid, times, url.substr(0, url.find('?')), error);
    if (!impl_->options.url.empty())
        impl_->send(t.gid, body_of(t, url, error, times));
}

void alerts::stop()
{
    impl_->stopped = true;
    for (auto const& a : std::exchange(impl_->under_way, {}))
        a->cancel(*impl_);
}

}  // namespace weftd
