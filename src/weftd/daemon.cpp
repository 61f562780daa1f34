#include "src/weftd/daemon.hpp"

#include "src/weftd/blocking.hpp"
#include "src/weftd/container.hpp"
#include "src/weftd/logging.hpp"
#include "src/weftd/opening.hpp"
#include "src/weftd/url_patterns.hpp"

#include <weft/errors.hpp>
#include <weft/http.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace weftd {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds before_store_is_tried_again{3};

// What a server says no to for so long is not about to change: the wrong database, role or password.
constexpr std::chrono::seconds longest_refusal{15};

// Signals of one stop may come twice: of a terminal and of whoever watches over the process.
constexpr std::chrono::seconds one_stop{2};

// Each wakes others at each request: more of them than there are processors left cost more than they bring.
std::size_t serving_threads(configuration const& values)
{
    auto const said = static_cast<std::size_t>(values.serving_threads);
    return said > 0 ? said : std::clamp<std::size_t>(std::thread::hardware_concurrency() / 2, 1, 4);
}

alert_options alerts_of(configuration const& values)
{
    alert_options options;
    options.url = values.alert_web_hook;
    options.from = static_cast<unsigned>(values.alert_retry_limit);
    return options;
}

weft::server_options with_trust_of(configuration const& values, weft::server_options options)
{
    options.bearer_tokens = values.bearer_tokens;
    options.certificate = values.certificate;
    options.key = values.certificate_key;
    options.client_ca = values.client_ca;
    return options;
}

}  // namespace

daemon::daemon(loaded_configuration const& all, std::shared_ptr<spdlog::logger> logger, std::function<configuration()> load_again)
    : values_(all.values)
    , logger_(std::move(logger))
    , load_again_(std::move(load_again))
    , serving_(serving_threads(values_))
    , transport_(values_.in_container ? from_container(weft::make_http_transport()) : weft::make_http_transport())
    , metrics_(std::make_shared<weft::server_metrics>(WEFT_VERSION))
    , alerts_(io_.get_executor(), transport_, logger_, alerts_of(values_))
{
    for (auto const& w : all.warnings)
        logger_->warn("{}", w);
}

void daemon::run()
{
    // However this ends: nobody is served by what goes.
    struct until_the_end
    {
        asio::thread_pool& threads;
        ~until_the_end()
        {
            threads.stop();
            threads.join();
        }
    } const serving{serving_};
    await_signal();
    asio::co_spawn(io_, serve(), [this](std::exception_ptr e) {
        if (e)
            trouble_ = e;
        signals_.cancel();
        alerts_.stop();
        if (retention_)
            retention_->stop();
        if (backlog_)
            backlog_->stop();
    });
    io_.run();
    if (trouble_)
        std::rethrow_exception(trouble_);
}

void daemon::await_signal()
{
    signals_.async_wait([this](boost::system::error_code cancelled, int signal) {
        if (cancelled)
            return;
        if (signal == SIGHUP)
            reload();
        else if (!stop_asked_)
        {
            logger_->info("signal {}: stopping, within {} s", signal, values_.drain_deadline.count());
            stop_asked_ = clock_->since_boot();
            stop();
        }
        else if (clock_->since_boot() - *stop_asked_ > one_stop)
        {
            logger_->warn("signal {} once more: ending at once", signal);
            std::_Exit(128 + signal);
        }
        await_signal();
    });
}

// What is wrong changes nothing: it goes on with what it had.
void daemon::reload()
{
    try
    {
        reopen(*logger_);
        logger_->info("SIGHUP: the log is opened anew, tokens and certificates are read again");
    }
    catch (std::exception const& e)
    {
        logger_->error("SIGHUP: {}", e.what());
    }
    try
    {
        auto const fresh = load_again_();
        if (server_)
            server_->renew(with_trust_of(fresh, weft::server_options()));
        values_.bearer_tokens = fresh.bearer_tokens;
        values_.certificate = fresh.certificate;
        values_.certificate_key = fresh.certificate_key;
        values_.client_ca = fresh.client_ca;
    }
    catch (std::exception const& e)
    {
        logger_->error("SIGHUP: tokens and certificates stay as they were: {}", e.what());
    }
}

void daemon::stop()
{
    stopping_ = true;
    asked_to_stop_.cancel();
}

asio::awaitable<void> daemon::serve()
{
    store_ = co_await open();
    if (!store_)
        co_return;
    build();
    logger_->info("listening on {}://{}:{}; the store is {}", values_.certificate.empty() ? "http" : "https", values_.listen,
                  server_->port(), store_->describe());
    engine_->run([this](std::exception_ptr e) {
        if (e && !trouble_)
            trouble_ = e;
        stop();
    });
    if (values_.retention.count() != 0)
        asio::co_spawn(io_, retention_->run(), [](std::exception_ptr) {});  // `io_.run` waits for its end
    asio::co_spawn(io_, backlog_->run(), [](std::exception_ptr) {});
    boost::system::error_code cancelled;
    asked_to_stop_.expires_at(asio::steady_timer::time_point::max());
    if (!stopping_)
        co_await asked_to_stop_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    co_await drain();
    logger_->info("stopped");
}

asio::awaitable<std::unique_ptr<weft::store>> daemon::open()
{
    auto const          url = store_url(values_);
    bool const          on_server = !url.starts_with("sqlite://") && !url.starts_with("memory://");
    weft::store_options options;
    options.on_warning = [logger = logger_](std::string const& what) { logger->warn("{}", what); };
    std::function<std::unique_ptr<weft::store>()> open_it = [this, options] { return open_store(values_, options); };
    std::unique_ptr<weft::store>                  store;
    std::optional<std::chrono::nanoseconds>       refused_since;
    while (!stopping_)
    {
        std::string why;
        try
        {
            store = co_await offload<std::unique_ptr<weft::store>>(blocking_, open_it);
        }
        catch (weft::store_error const& e)
        {
            // A file does not become better by waiting.
            if (!on_server)
                throw;
            // Where nobody answers, somebody may yet. Who says no says so again.
            if (e.why() != weft::store_error::cause::rejected)
                refused_since.reset();
            else if (auto const now = clock_->since_boot(); now - refused_since.value_or(now) >= longest_refusal)
                throw;
            else if (!refused_since)
                refused_since = now;
            why = e.what();
        }
        if (store)
            break;
        logger_->warn("waiting for the store, trying again in {} s: {}", before_store_is_tried_again.count(), why);
        boost::system::error_code cancelled;
        asked_to_stop_.expires_after(before_store_is_tried_again);
        if (!stopping_)
            co_await asked_to_stop_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    co_return store;
}

void daemon::build()
{
    engine_.emplace(io_, *store_, engine_options());
    manager_.emplace(*engine_, manager_options());
    retention_.emplace(io_.get_executor(), blocking_, *manager_, values_, logger_);
    backlog_.emplace(io_.get_executor(), blocking_, metrics_, store_url(values_), logger_);
    try
    {
        server_.emplace(serving_.get_executor(), *manager_, server_options());
    }
    catch (boost::system::system_error const& e)
    {
        throw std::runtime_error("cannot listen on " + values_.listen + ':' + std::to_string(values_.http_port) + ": " +
                                 e.code().message());
    }
}

// The server first: whoever waits for an answer waits for the engine.
asio::awaitable<void> daemon::drain()
{
    retention_->stop();
    backlog_->stop();
    std::chrono::milliseconds const deadline = values_.drain_deadline;
    auto const                      until = clock_->since_boot() + deadline;
    co_await server_->stop(deadline);
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock_->since_boot());
    co_await engine_->stop(std::max(left, std::chrono::milliseconds(100)));
}

weft::engine_options daemon::engine_options() const
{
    weft::engine_options options;
    options.logger = logger_;
    options.clock = clock_;
    options.transport = transport_;
    if (values_.trans_cron_interval.count() != 0)
        options.poll = values_.trans_cron_interval;
    metrics_->attach(options);
    return options;
}

weft::manager_options daemon::manager_options()
{
    weft::caller_options caller;
    caller.transport = transport_;
    if (!values_.branch_urls.empty())
        caller.allow = [patterns = url_patterns(values_.branch_urls)](std::string const& url) { return patterns.allow(url); };
    weft::manager_options options;
    options.caller = metrics_->watch(weft::make_http_caller(std::move(caller)));
    options.retry_interval = values_.retry_interval;
    options.request_timeout = values_.request_timeout;
    options.timeout_to_fail = values_.timeout_to_fail;
    options.on_branch_error = [this](weft::transaction const& t, std::string const& url, std::string const& error, unsigned times) {
        alerts_.branch_failed(t, url, error, times);
    };
    return options;
}

weft::server_options daemon::server_options() const
{
    weft::server_options options;
    options.address = values_.listen;
    options.port = static_cast<unsigned short>(values_.http_port);
    options.version = WEFT_VERSION;
    options.logger = logger_;
    options.body_limit = static_cast<std::size_t>(values_.body_limit);
    options.header_limit = static_cast<std::size_t>(values_.header_limit);
    options.bodies_limit = static_cast<std::size_t>(values_.bodies_limit);
    options.connections = static_cast<std::size_t>(values_.connections);
    options.connections_per_address = static_cast<std::size_t>(values_.connections_per_address);
    options.requests_per_second = static_cast<double>(values_.requests_per_second);
    options.request_timeout = values_.client_timeout;
    options.idle_timeout = values_.idle_timeout;
    options.insecure = values_.insecure;
    options.utc_offset = values_.time_zone_offset.value_or(std::chrono::minutes(0));
    options.metrics = metrics_;
    return with_trust_of(values_, std::move(options));
}

}  // namespace weftd
