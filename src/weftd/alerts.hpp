// Alerts: a branch that goes on failing is posted to a web hook.
//
//     {"gid": "…", "status": "submitted", "branch": "http://…", "error": "…", "retry_count": 3}
#pragma once

#include <weft/store.hpp>
#include <weft/transport.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <spdlog/logger.h>

#include <cstddef>
#include <memory>
#include <string>

namespace weftd {

struct alert_options
{
    std::string               url;        // empty: there are no alerts
    unsigned                  from = 3;   // the first failure in a row that is posted
    unsigned                  tries = 4;  // of one alert, the second after `pause`, the others each after twice as long
    std::chrono::milliseconds pause{1'000};
    std::size_t               waiting = 256;  // alerts under way; what comes then is logged only
};

// Thread safety: all members are called on the executor, which is one thread or a strand. Never blocks.
class alerts
{
public:
    alerts(boost::asio::any_io_executor executor, std::shared_ptr<weft::transport> transport, std::shared_ptr<spdlog::logger> logger,
           alert_options options);
    ~alerts();  // gives up what is under way

    // For `manager_options::on_branch_error`.
    void branch_failed(weft::transaction const& t, std::string const& url, std::string const& error, unsigned times);

    void stop();

    struct impl;

private:
    std::shared_ptr<impl> impl_;
};

}  // namespace weftd
