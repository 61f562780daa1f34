#include "work.hpp"

#include "place_order.hpp"

#include <weft/engine.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

int work(weft::store& transactions, shop& our)
{
    boost::asio::io_context io{1};
    weft::engine_options    options;
    options.logger = std::make_shared<spdlog::logger>("order", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    options.logger->flush_on(spdlog::level::info);
    weft::engine engine(io, transactions, options);
    add_place_order(engine, our);

    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](boost::system::error_code ec, int) {
        if (!ec)
            engine.stop(std::chrono::seconds(10), boost::asio::detached);
    });
    std::exception_ptr trouble;
    engine.run([&](std::exception_ptr e) {
        trouble = e;
        signals.cancel();
    });
    io.run();
    if (trouble)
        std::rethrow_exception(trouble);
    return 0;
}
