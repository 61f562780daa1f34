#include "tests/support/coordinator.hpp"

namespace {

weft::manager_options over_http()
{
    weft::manager_options o;
    o.caller = weft::make_http_caller();
    return o;
}

weft::server_options listening(unsigned short port, std::vector<std::string> tokens)
{
    weft::server_options o;
    o.port = port;
    o.bearer_tokens = std::move(tokens);
    return o;
}

}  // namespace

coordinator::process::process(weft::store& store, unsigned short port, std::vector<std::string> tokens)
    : engine(io, store)
    , manager(engine, over_http())
    , server(io, manager, listening(port, std::move(tokens)))
{
    engine.run([](std::exception_ptr) {});
    thread = std::thread([this] { io.run(); });
}

coordinator::process::~process()
{
    server.stop(std::chrono::milliseconds(100), weft::blocking);
    engine.stop(std::chrono::milliseconds(100), weft::blocking);
    thread.join();
}

coordinator::coordinator(std::unique_ptr<weft::store> store, std::vector<std::string> tokens)
    : store_(std::move(store))
    , tokens_(std::move(tokens))
{
    start();
}

coordinator::~coordinator() = default;

void coordinator::stop() { running_.reset(); }

void coordinator::start()
{
    running_.emplace(*store_, port_, tokens_);
    port_ = running_->server.port();
}
