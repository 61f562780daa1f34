// What weftd is, in this process: a store, an engine, a transaction manager and its server.
#pragma once

#include <weft/http.hpp>
#include <weft/server.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <thread>

class coordinator
{
public:
    explicit coordinator(std::unique_ptr<weft::store> store = weft::make_memory_store(), std::vector<std::string> tokens = {});
    ~coordinator();

    // The process goes, and comes again on the same port with what is in the store.
    void stop();
    void start();

    unsigned short port() const { return port_; }
    std::string    address() const { return "http://127.0.0.1:" + std::to_string(port_) + "/api/dtmsvr"; }
    weft::store&   store() { return *store_; }

    weft::transaction_manager& manager() { return running_->manager; }

private:
    struct process
    {
        process(weft::store& store, unsigned short port, std::vector<std::string> tokens);
        ~process();

        boost::asio::io_context   io;
        weft::engine              engine;
        weft::transaction_manager manager;
        weft::server              server;
        std::thread               thread;
    };

    std::unique_ptr<weft::store> store_;
    std::vector<std::string>     tokens_;
    unsigned short               port_ = 0;
    std::optional<process>       running_;
};
