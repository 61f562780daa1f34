#include "src/http/request.hpp"
#include "src/remote/listener.hpp"
#include "src/remote/remote_store.hpp"

#include <weft/detail/default_logger.hpp>
#include <weft/detail/option.hpp>
#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

namespace weft {
inline namespace v0 {

namespace {

// "http://orders:0/weft" with the port that there is.
std::string with_port(std::string const& address, unsigned short port)
{
    boost::urls::url u = boost::urls::parse_uri(address).value();
    u.set_port(std::to_string(port));
    return u.buffer();
}

void check_address(char const* whose, std::string const& address)
{
    std::string described;
    try
    {
        detail::address(address, {}, described);
    }
    catch (misuse const& e)
    {
        throw misuse(misuse::code::wrong_call, std::string(whose) + ": " + e.what());
    }
}

void check_callback(std::string const& callback)
{
    check_address("the callback", callback);
    if (callback.size() > remote_detail::column_limit)
        throw misuse(misuse::code::wrong_call, "the callback's address is longer than 1024 bytes");
}

}  // namespace

struct detail::remote_parts::impl
{
    std::string                                  callback;
    std::shared_ptr<remote_detail::remote_store> store;
    std::shared_ptr<remote_detail::listener>     listens;
};

detail::remote_parts::remote_parts(boost::asio::any_io_executor executor, std::string coordinator, std::string callback,
                                   remote_options& options)
    : parts_(std::make_unique<impl>())
{
    check_address("the coordinator", coordinator);
    check_callback(callback);
    check_option("remote_options::at_once", options.at_once, 1);
    check_option("remote_options::request_timeout", options.request_timeout, 1);
    check_option("remote_options::retry_interval", options.retry_interval, 0);
    options.request_timeout = bounded_as(options.request_timeout);
    options.retry_interval = bounded_as(options.retry_interval);
    if (!options.engine.transport)
        options.engine.transport = options.transport ? options.transport : make_http_transport();
    if (!options.transport)
    {
        // A journal comes in one reply.
        http_options all_of_it;
        all_of_it.reply_limit = 256u << 20;
        options.transport = make_http_transport(all_of_it);
    }
    if (!options.engine.clock)
        options.engine.clock = system_clock();

    if (!options.listen.empty())
    {
        parts_->listens = std::make_shared<remote_detail::listener>(executor, options.listen);
        if (boost::urls::parse_uri(callback).value().port() == "0")
            callback = with_port(callback, parts_->listens->port());
    }
    remote_detail::remote_store_options o;
    o.callback = callback;
    o.retry_interval = options.retry_interval;
    o.at_once = options.at_once;
    o.request_timeout = options.request_timeout;
    o.expiry = options.engine.expiry;
    o.time = options.engine.clock;
    o.logger = options.engine.logger ? options.engine.logger : detail::default_logger();
    if (parts_->listens)
        o.stopped = [l = std::weak_ptr(parts_->listens)] {
            if (auto const listens = l.lock())
                listens->stop();
        };
    remote_detail::dtm_api api(std::move(coordinator), options.transport, options.request_timeout);
    parts_->callback = std::move(callback);
    parts_->store = std::make_shared<remote_detail::remote_store>(std::move(api), std::move(o));
    if (parts_->listens)
        parts_->listens->start([s = parts_->store](std::string_view target) { return s->called(target); });
}

detail::remote_parts::~remote_parts() = default;

store& detail::remote_parts::store() noexcept { return *parts_->store; }

remote_engine::remote_engine(boost::asio::any_io_executor executor, std::string coordinator, std::string callback, remote_options options)
    : remote_parts(executor, std::move(coordinator), std::move(callback), options)
    , engine(executor, remote_parts::store(), std::move(options.engine))
{ }

callback_answer remote_engine::called(std::string_view target) { return parts_->store->called(target); }

std::string const& remote_engine::callback() const noexcept { return parts_->callback; }

}  // namespace v0
}  // namespace weft
